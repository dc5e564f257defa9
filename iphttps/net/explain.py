"""Says in one sentence why a connection failed or ended."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure

_TLS_WORDS = {
    "certificate required": "the server demands a client certificate: give --certificate and --private-key",
    "unknown ca": "the peer does not trust the authority that issued our certificate",
    "bad certificate": "the peer refused our certificate",
    "certificate expired": "our certificate has expired, says the peer",
    "certificate revoked": "our certificate is revoked, says the peer",
    "unsupported certificate": "our certificate is not meant for this use, says the peer",
    "did not return a certificate": "the peer showed no certificate",
    "wrong version number": "the peer does not speak TLS on this port",
    "http request": "the peer speaks plain HTTP to a TLS port",
    "no shared cipher": "the peer offers no cipher suite that is allowed here",
    "no application protocol": "the peer offers other protocols than HTTP/1.1",
    "unsupported protocol": "the peer speaks no TLS version that is allowed here",
    "protocol version": "the peer speaks no TLS version that is allowed here",
    "handshake failure": "the peer found nothing in common in the TLS handshake, or misses a certificate",
}


def explain(failure: Failure) -> str:
    """Return the reason in a few words, fit to follow a colon."""
    reason = failure.value
    match reason:
        case error.ConnectionRefusedError():
            return "connection refused: nothing listens there, or a firewall rejects it"
        case error.TimeoutError() | error.TCPTimedOutError():
            return "no answer: wrong address, or a firewall drops it"
        case error.DNSLookupError():
            return "the name cannot be resolved"
        case error.NoRouteError():
            return "there is no route to it"
        case error.ConnectionDone():
            return "the peer closed the connection"
        case error.ConnectionAborted():
            return "closed here"
        case error.ConnectionLost():
            return "the connection broke"
        case error.ConnectError():
            return str(reason.osError or reason)
        case SSL.Error():
            return _explain_tls(reason)
        case _:
            return str(reason) or type(reason).__name__


def _explain_tls(reason: SSL.Error) -> str:
    try:
        words = str(reason.args[0][-1][2])
    except (IndexError, TypeError):
        return "TLS failed without saying why"
    return next((sentence for key, sentence in _TLS_WORDS.items() if key in words), f"TLS failed: {words}")
