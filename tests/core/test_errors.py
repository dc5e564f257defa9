"""Tests for iphttps.core.errors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import (
    ConfigError,
    DiscoveryError,
    DropReason,
    IPHTTPSError,
    ProtocolError,
    ProxyError,
)


class ErrorTests(SynchronousTestCase):
    """The party at fault, by error type."""

    def test_status(self) -> None:
        """The peer's error carries the HTTP status to answer, 400 if there is no better (RFC 9110 section 15.5.1)."""
        errors = [ProtocolError("only POST opens a tunnel", 405), ProtocolError("nonsense")]
        self.assertEqual([405, 400], [error.status for error in errors])
        self.assertEqual(["only POST opens a tunnel", "nonsense"], [str(error) for error in errors])

    def test_root(self) -> None:
        """Every error of this package can be caught by one name."""
        for kind in (ProtocolError, ConfigError, DiscoveryError, ProxyError):
            self.assertTrue(issubclass(kind, IPHTTPSError))

    def test_reasons_are_different(self) -> None:
        """No two reasons for a drop have the same words: Python would take them for one."""
        self.assertEqual(len(DropReason.__members__), len(DropReason))
