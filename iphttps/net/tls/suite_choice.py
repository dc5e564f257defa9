"""The choice between suites that encrypt and suites that do not, for each connection by what its client offers."""

from __future__ import annotations

from OpenSSL import SSL

from ...pki.verification import CheckedConnection, PeerCheck
from .client_hello import offered

NULL_SUITES = frozenset((0x003B, 0x0002))
"""TLS_RSA_WITH_NULL_SHA256 and TLS_RSA_WITH_NULL_SHA (RFC 5246 appendix A.5)."""

BETTER_SUITES = frozenset((0x1301, 0x1302, 0x1303, 0xC02F, 0xC030, 0xCCA8))
"""Those of TLS 1.3, and of the server's others those for an RSA certificate, which suites without encryption demand."""


class ChoosingConnection(CheckedConnection):
    """A connection of a server on which suites without encryption are allowed, if the client's hello leads to them.

    They need security level 0, which holds for a context as a whole: so they have a context of their own, with no other
    suite, and every other client meets the usual one. OpenSSL takes ciphers, level and certificate from the context set
    last (SSL_set_SSL_CTX), as for a server's name, but the versions and callbacks from the first.
    """

    def __init__(self, usual: SSL.Context, bare: SSL.Context, check: PeerCheck, *, prefer: bool) -> None:
        super().__init__(bare, check)
        self.set_context(usual)
        self._bare = bare  # its callbacks are in use, whatever context is set
        self._prefer = prefer
        self._hello: bytes | None = b""

    def bio_write(self, buf: bytes | bytearray | memoryview) -> int:
        """Take what has come, having looked at the hello."""
        if self._hello is not None:
            self._hello += bytes(buf)
            suites = offered(self._hello)
            if suites is not None:
                self._hello = None
                if suites & NULL_SUITES and (self._prefer or not suites & BETTER_SUITES):
                    self.set_context(self._bare)
        return super().bio_write(buf)
