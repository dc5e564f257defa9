"""Says in one sentence why a connection failed or ended, and of an attempt at which stage and by which code."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure

from ..core.errors import DiscoveryError, ProxyError
from ..core.failure import FailureReason, Stage
from ..pki.verification import EXPIRED, CheckedConnection

# What Windows shows (`netsh interface httpstunnel show interfaces`) for the same trouble.
TIMED_OUT = "0x274C"
REFUSED = "0x274D"
HOST_NOT_FOUND = "0x2AF9"
CERTIFICATE_MISSING = "0x90320"
ILLEGAL_MESSAGE = "0x80090326"

_REFUSED_OURS = "the {peer} refused our certificate"
_NO_TLS = "the {peer} does not speak TLS on this port"
_IN_ITS_PLACE = ": a captive portal or a web proxy may answer in its place, or the port is one for http://"

_TLS_WORDS = {
    "certificate required": (
        "the {peer} demands a client certificate: give --certificate and --private-key",
        Stage.CERTIFICATE,
        CERTIFICATE_MISSING,
    ),
    "unknown ca": (f"{_REFUSED_OURS}: it does not trust the authority that issued it", Stage.CERTIFICATE, None),
    "bad certificate": (_REFUSED_OURS, Stage.CERTIFICATE, None),
    "certificate unknown": (f"{_REFUSED_OURS} without saying why", Stage.CERTIFICATE, None),
    "certificate expired": (f"{_REFUSED_OURS}: it has expired", Stage.CERTIFICATE, None),
    "certificate revoked": (f"{_REFUSED_OURS}: it is revoked", Stage.CERTIFICATE, None),
    "unsupported certificate": (f"{_REFUSED_OURS}: it is not meant for this use", Stage.CERTIFICATE, None),
    "access denied": (f"{_REFUSED_OURS}: whom it names may not come in", Stage.CERTIFICATE, None),
    "did not return a certificate": ("the {peer} showed no certificate", Stage.CERTIFICATE, None),
    "internal error": (  # OpenSSL's alert for an application's own objection, ours included
        "the {peer} failed, or refused our certificate for a reason of its own, such as the names or the key in it",
        Stage.TLS,
        None,
    ),
    "unrecognized name": ("the {peer} serves no host of this name", Stage.TLS, None),
    "wrong version number": (_NO_TLS, Stage.TLS, None),
    "http request": ("the {peer} speaks plain HTTP to a TLS port", Stage.TLS, None),
    "no shared cipher": ("the {peer} offers no cipher suite that is allowed here", Stage.TLS, None),
    "no application protocol": ("the {peer} offers other protocols than HTTP/1.1", Stage.TLS, None),
    "unsupported protocol": ("the {peer} speaks no TLS version that is allowed here", Stage.TLS, None),
    "protocol version": ("the {peer} speaks no TLS version that is allowed here", Stage.TLS, None),
    "handshake failure": (
        "the {peer} found nothing in common in the TLS handshake, or misses a certificate",
        Stage.TLS,
        ILLEGAL_MESSAGE,
    ),
}
"""Of OpenSSL's words those that tell the reason, and what they mean, at which stage, by which code."""

LATE_REQUEST = (
    "the server asks for our certificate only after the request, by TLS renegotiation: give --allow-renegotiation with "
    "--certificate, or better have the server ask at once (on Windows `netsh http update sslcert` with "
    "clientcertnegotiation=enable)"
)
_BROKEN_OFF = (
    "the connection ended in the middle of the TLS handshake: the server does not speak TLS on this port, or something "
    "in between objects to its name"
)
_UNANSWERED = (
    "the server closed the connection instead of answering the request: it is no IP-HTTPS server, refuses our "
    "certificate, or wants one only now and must ask for it at once (on Windows `netsh http update sslcert` with "
    "clientcertnegotiation=enable)"
)
_UNANSWERED_PLAIN = (
    "the server closed the connection instead of answering the request: it is no IP-HTTPS server, or the port is one "
    "for https://"
)


def sentence(failure: Failure) -> str:
    """Return the reason in a few words, fit to follow a colon."""
    return _explain(failure.value, Stage.CONNECT, "peer").sentence


def explain(failure: Failure, stage: Stage = Stage.CONNECT) -> FailureReason:
    """Return the reason why an attempt has failed, at `stage` unless the reason itself says at which."""
    trouble = _explain(failure.value, stage, "server")
    if trouble.stage is Stage.TLS and trouble.sentence.startswith(_NO_TLS.format(peer="server")):
        return FailureReason(Stage.TLS, trouble.sentence + _IN_ITS_PLACE)
    return trouble


def explain_end(failure: Failure, tls: CheckedConnection | None, stage: Stage, *, answered: bool) -> FailureReason:
    """Return why the connection to the server has ended at `stage`; `answered` tells whether it had answered 200."""
    if tls and tls.check.failure:
        return FailureReason(Stage.CERTIFICATE, tls.check.failure, tls.check.code)
    if tls and tls.renegotiation_refused and not answered:
        return FailureReason(Stage.CERTIFICATE, LATE_REQUEST, CERTIFICATE_MISSING)
    if not answered and _hung_up(failure.value):
        if stage is Stage.TLS:
            return FailureReason(stage, _BROKEN_OFF)
        return FailureReason(stage, _UNANSWERED if tls else _UNANSWERED_PLAIN)
    return explain(failure, stage)


def explain_expiry(tls: CheckedConnection | None, now: float) -> FailureReason | None:
    """Return why the session may not go on at the time of day `now`, if a certificate of the server's has expired."""
    if tls is None or (sentence := tls.check.expired(now)) is None:
        return None
    return FailureReason(Stage.CERTIFICATE, sentence, EXPIRED)


def _hung_up(reason: BaseException | None) -> bool:
    """Tell whether the connection just ended, with or without TLS's good-bye."""
    if isinstance(reason, SSL.Error):
        return isinstance(reason, SSL.SysCallError | SSL.ZeroReturnError) or "unexpected eof" in _words(reason)
    return isinstance(reason, error.ConnectionDone | error.ConnectionLost)


def _explain(reason: BaseException | None, stage: Stage, peer: str) -> FailureReason:
    match reason:
        case error.ConnectionRefusedError():
            return FailureReason(stage, "connection refused: nothing listens there, or a firewall rejects it", REFUSED)
        case error.TimeoutError() | error.TCPTimedOutError():
            return FailureReason(stage, "no answer: wrong address, or a firewall drops it", TIMED_OUT)
        case error.DNSLookupError():
            return FailureReason(Stage.RESOLVE, "the name cannot be resolved", HOST_NOT_FOUND)
        case error.NoRouteError():
            # Where it is a peer, the sentence before has named it.
            return FailureReason(stage, f"there is no route to {'it' if peer == 'peer' else f'the {peer}'}")
        case error.ConnectionDone():
            return FailureReason(stage, f"the {peer} closed the connection")
        case error.ConnectionAborted():
            return FailureReason(stage, "closed here")
        case error.ConnectionLost():
            return FailureReason(stage, "the connection broke")
        case error.ConnectError():
            return FailureReason(stage, str(reason.osError or reason))
        case ProxyError() | DiscoveryError():
            return FailureReason(Stage.PROXY, str(reason))
        case SSL.SysCallError():
            return FailureReason(stage, "the connection broke")
        case SSL.Error():
            return _explain_tls(reason, peer)
        case _:
            return FailureReason(stage, str(reason) or type(reason).__name__)


def _explain_tls(reason: SSL.Error, peer: str) -> FailureReason:
    words = _words(reason)
    if not words:
        return FailureReason(Stage.TLS, "TLS failed without saying why")
    for key, (known, stage, code) in _TLS_WORDS.items():
        if key in words:
            return FailureReason(stage, known.format(peer=peer), code)
    return FailureReason(Stage.TLS, f"TLS failed: {words}")


def _words(reason: SSL.Error) -> str:
    """Return OpenSSL's last words."""
    try:
        return str(reason.args[0][-1][2])
    except (IndexError, TypeError):
        return ""
