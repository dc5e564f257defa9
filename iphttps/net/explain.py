"""Explanations of connection failures: one sentence, the stage of the attempt, and the Windows error code."""

from __future__ import annotations

import errno
import os

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure

from ..core.errors import DiscoveryError, ProxyError
from ..core.failure import FailureReason, Stage
from ..pki.verification import EXPIRED, CheckedConnection

# The codes that Windows shows (`netsh interface httpstunnel show interfaces`) for the same failures.
TIMED_OUT = "0x274C"
REFUSED = "0x274D"
HOST_NOT_FOUND = "0x2AF9"
CERTIFICATE_MISSING = "0x90320"
ILLEGAL_MESSAGE = "0x80090326"
_RESET = "0x80072746"

_REJECTED_OURS = {
    "server": "the server rejected this client's certificate",
    "client": "the client rejected the server's certificate",
    "peer": "the peer rejected our certificate",
}
"""The beginning of a sentence about an alert, by the kind of the peer."""

_NO_TLS = "the {peer} does not speak TLS on this port"
_IN_ITS_PLACE = ": a captive portal or a web proxy may answer instead, or the port is for http://"

_TLS_WORDS = {
    "certificate required": (
        "the {peer} requires a client certificate: set certificate and private-key",
        Stage.CERTIFICATE,
        CERTIFICATE_MISSING,
    ),
    "unknown ca": ("{rejected}: it does not trust the authority that issued it", Stage.CERTIFICATE, None),
    "bad certificate": ("{rejected}", Stage.CERTIFICATE, None),
    "certificate unknown": ("{rejected} without giving a reason", Stage.CERTIFICATE, None),
    "certificate expired": ("{rejected}: it has expired", Stage.CERTIFICATE, None),
    "certificate revoked": ("{rejected}: it has been revoked", Stage.CERTIFICATE, None),
    "unsupported certificate": ("{rejected}: it is not meant for this use", Stage.CERTIFICATE, None),
    "access denied": ("{rejected}: its owner is not authorized", Stage.CERTIFICATE, None),
    "did not return a certificate": ("the {peer} sent no certificate", Stage.CERTIFICATE, None),
    "internal error": (  # OpenSSL's alert when the application rejects a certificate, as ours does
        "the {peer} aborted the TLS handshake: it may not accept the names or the key of {our} certificate",
        Stage.TLS,
        None,
    ),
    "unrecognized name": ("the {peer} serves no host of this name", Stage.TLS, None),
    "wrong version number": (_NO_TLS, Stage.TLS, None),
    "http request": ("plain HTTP request on a TLS port", Stage.TLS, None),
    "no shared cipher": ("the {peer} offers no cipher suite that is allowed here", Stage.TLS, None),
    "no application protocol": ("the {peer} does not offer HTTP/1.1 (ALPN)", Stage.TLS, None),
    "unsupported protocol": ("the {peer} speaks no TLS version that is allowed here", Stage.TLS, None),
    "protocol version": ("the {peer} speaks no TLS version that is allowed here", Stage.TLS, None),
    "handshake failure": (
        "the {peer} has no TLS parameters in common with this host, or requires a client certificate",
        Stage.TLS,
        ILLEGAL_MESSAGE,
    ),
}
"""Sentence, stage and Windows code by a part of OpenSSL's error text."""

_DISTRUSTED = "the client does not trust the authority that issued the server's certificate"
"""The server's sentence for a client's alert "unknown ca"."""

_OURS = {"server": "this client's", "client": "the server's", "peer": "our"}
"""The owner of the certificate that the peer may have rejected, by this end's role."""

LATE_REQUEST = (
    "the server requests our certificate only after the request, by TLS renegotiation: give --allow-renegotiation with "
    "--certificate, or better have the server request it in the first handshake (on Windows `netsh http update "
    "sslcert` with clientcertnegotiation=enable)"
)
_BROKEN_OFF = (
    "the connection ended during the TLS handshake: the server does not speak TLS on this port, or a firewall in "
    "between blocks its name"
)
_UNANSWERED = (
    "the server closed the connection instead of answering the request: it is not an IP-HTTPS server, rejects this "
    "client's certificate, or requests one only now and must do so in the first handshake (on Windows `netsh http "
    "update sslcert` with clientcertnegotiation=enable)"
)
_UNANSWERED_PLAIN = (
    "the server closed the connection instead of answering the request: it is not an IP-HTTPS server, or the port is "
    "for https://"
)
_UNBOUND = (
    "the server closed the connection after Call Connected, without an answer to it: this is how some servers, such as "
    "those of Windows, reject the crypto binding; the server has another certificate than this client saw, since TLS "
    "ends at a front or at a man in the middle, or it does not know the keys of the login"
)


def sentence(failure: Failure, peer: str = "peer") -> str:
    """Return the reason for a failure, as a phrase to follow a colon; `peer` is "client" or "server" if known."""
    return _explain(failure.value, Stage.CONNECT, peer).sentence


def explain(failure: Failure, stage: Stage = Stage.CONNECT) -> FailureReason:
    """Return why an attempt failed; `stage` applies unless the error itself determines the stage."""
    trouble = _explain(failure.value, stage, "server")
    if trouble.stage is Stage.TLS and trouble.sentence.startswith(_NO_TLS.format(peer="server")):
        return FailureReason(Stage.TLS, trouble.sentence + _IN_ITS_PLACE)
    return trouble


def explain_end(
    failure: Failure, tls: CheckedConnection | None, stage: Stage, *, answered: bool, unanswered: str | None = None
) -> FailureReason:
    """Return why the connection to the server ended at `stage`; `answered` is whether the server had sent its 200.

    `unanswered` is the sentence about a server that closes the connection instead, if it is not one of IP-HTTPS.
    """
    if tls and tls.check.failure:
        return FailureReason(Stage.CERTIFICATE, tls.check.failure, tls.check.code)
    if tls and tls.renegotiation_refused and not answered:
        return FailureReason(Stage.CERTIFICATE, LATE_REQUEST, CERTIFICATE_MISSING)
    if not answered and _hung_up(failure.value):
        if stage is Stage.TLS:
            return FailureReason(stage, _BROKEN_OFF)
        return FailureReason(stage, unanswered or (_UNANSWERED if tls else _UNANSWERED_PLAIN))
    if stage is Stage.BINDING and _hung_up(failure.value):
        return FailureReason(stage, _UNBOUND, _RESET)
    return explain(failure, stage)


def explain_expiry(tls: CheckedConnection | None, now: float) -> FailureReason | None:
    """Return the reason to end a session if a certificate of the server's chain has expired, else None.

    `now` is the time of day in seconds since 1970.
    """
    if tls is None or (sentence := tls.check.expired(now)) is None:
        return None
    return FailureReason(Stage.CERTIFICATE, sentence, EXPIRED)


def _hung_up(reason: BaseException | None) -> bool:
    """Return whether the peer just closed the connection, with or without close_notify."""
    if isinstance(reason, SSL.Error):
        return isinstance(reason, SSL.SysCallError | SSL.ZeroReturnError) or "unexpected eof" in _words(reason)
    return isinstance(reason, error.ConnectionDone | error.ConnectionLost)


def _explain(reason: BaseException | None, stage: Stage, peer: str) -> FailureReason:
    match reason:
        case error.ConnectionRefusedError():
            return FailureReason(stage, "connection refused: nothing listens there, or a firewall rejects it", REFUSED)
        case error.TimeoutError() | error.TCPTimedOutError():
            return FailureReason(stage, "no answer: wrong address, or a firewall drops the packets", TIMED_OUT)
        case error.DNSLookupError():
            return FailureReason(Stage.RESOLVE, "the name cannot be resolved", HOST_NOT_FOUND)
        case error.NoRouteError():
            # For "peer" the text before the colon already names it.
            return FailureReason(stage, f"there is no route to {'it' if peer == 'peer' else f'the {peer}'}")
        case error.ConnectionDone():
            return FailureReason(stage, f"closed by the {peer}")
        case error.ConnectionAborted():
            return FailureReason(stage, "closed by this host")
        case error.ConnectionLost():
            return FailureReason(stage, "connection lost")
        case error.ConnectError():
            return FailureReason(stage, _of_system(reason, peer))
        case ProxyError() | DiscoveryError():
            return FailureReason(Stage.PROXY, str(reason))
        case SSL.SysCallError():
            return FailureReason(stage, "connection lost")
        case SSL.Error():
            return _explain_tls(reason, peer)
        case OSError(strerror=str(words)):
            return FailureReason(stage, words)
        case _:
            return FailureReason(stage, str(reason) or type(reason).__name__)


def _of_system(reason: error.ConnectError, peer: str) -> str:
    """Return the text of an error of the operating system, which Twisted gives as an errno, an OSError or a text."""
    number = reason.osError.errno if isinstance(reason.osError, OSError) else reason.osError
    match number:
        case errno.EHOSTUNREACH:
            return f"no route to host: the {peer}'s address does not answer"
        case errno.EPERM | errno.EACCES:
            return f"{os.strerror(number)}: a packet filter or a route on this host forbids the connection"
        case int():
            return os.strerror(number)
        case _:
            return str(reason.osError or ", ".join(map(str, reason.args)) or reason)


def _explain_tls(reason: SSL.Error, peer: str) -> FailureReason:
    words = _words(reason)
    if not words:
        return FailureReason(Stage.TLS, "TLS failed for an unknown reason")
    for key, (known, stage, code) in _TLS_WORDS.items():
        if key in words:
            if key == "unknown ca" and peer == "client":
                known = _DISTRUSTED
            return FailureReason(stage, known.format(peer=peer, rejected=_REJECTED_OURS[peer], our=_OURS[peer]), code)
    return FailureReason(Stage.TLS, f"TLS failed: {words}")


def _words(reason: SSL.Error) -> str:
    """Return the text of OpenSSL's last error, empty if there is none."""
    try:
        return str(reason.args[0][-1][2])
    except (IndexError, TypeError):
        return ""
