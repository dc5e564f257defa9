"""The choice between encrypting and NULL cipher suites, per connection, by the suites that the client offers."""

from __future__ import annotations

from OpenSSL import SSL

from ...pki.verification import CheckedConnection, PeerCheck
from .client_hello import offered_suites

NULL_SUITES = frozenset((0x003B, 0x0002))
"""TLS_RSA_WITH_NULL_SHA256 and TLS_RSA_WITH_NULL_SHA (RFC 5246 appendix A.5)."""

BETTER_SUITES = frozenset((0x1301, 0x1302, 0x1303, 0xC02F, 0xC030, 0xCCA8))
"""The TLS 1.3 suites, and the server's TLS 1.2 suites for an RSA certificate, which NULL suites require."""


class ChoosingConnection(CheckedConnection):
    """A server connection that uses NULL suites if the client's ClientHello calls for them.

    NULL suites need security level 0, which applies to a whole context. They therefore have a context of their own,
    `bare`, without other suites, and all other clients get the `usual` one. As with SNI, OpenSSL takes ciphers, level
    and certificate from the context set last (SSL_set_SSL_CTX), but versions and callbacks from the first.
    """

    def __init__(self, usual: SSL.Context, bare: SSL.Context, check: PeerCheck, *, prefer: bool) -> None:
        super().__init__(bare, check)
        self.set_context(usual)
        self._bare = bare  # kept alive: its callbacks stay in use whichever context is set
        self._prefer = prefer
        self._hello: bytes | None = b""

    def bio_write(self, buf: bytes | bytearray | memoryview) -> int:
        """Choose the context once the ClientHello is complete, and pass the bytes to OpenSSL."""
        if self._hello is not None:
            self._hello += bytes(buf)
            suites = offered_suites(self._hello)
            if suites is not None:
                self._hello = None
                if suites & NULL_SUITES and (self._prefer or not suites & BETTER_SUITES):
                    self.set_context(self._bare)
        return super().bio_write(buf)
