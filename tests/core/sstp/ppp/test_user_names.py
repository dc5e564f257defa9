"""Tests for iphttps.core.sstp.ppp.user_names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.user_names import candidates, without_domain


class UserNameTests(SynchronousTestCase):
    """Names as Windows sends them."""

    def test_candidates(self) -> None:
        """Domain and realm are left out one after the other, so that the most specific name is found first."""
        for sent, expected in (
            ("alice", ["alice"]),
            ("EXAMPLE\\alice", ["EXAMPLE\\alice", "alice"]),
            ("alice@example.org", ["alice@example.org", "alice"]),
            ("EXAMPLE\\alice@example.org", ["EXAMPLE\\alice@example.org", "alice@example.org", "alice"]),
            ("a@b@example.org", ["a@b@example.org", "a@b"]),
            ("A\\B\\alice", ["A\\B\\alice", "alice"]),
            ("Zoë", ["Zoë"]),
            ("@example.org", ["@example.org"]),
            ("EXAMPLE\\", ["EXAMPLE\\"]),
            ("", []),
        ):
            self.assertEqual(expected, list(candidates(sent.encode())), sent)

    def test_not_text(self) -> None:
        """A name that is not UTF-8 finds nobody."""
        self.assertEqual((), candidates(b"Zo\xeb"))

    def test_hashed(self) -> None:
        """The name that is hashed lacks the domain only (RFC 2759 section 8.2)."""
        self.assertEqual(b"alice", without_domain(b"EXAMPLE\\alice"))
        self.assertEqual(b"alice@example.org", without_domain(b"alice@example.org"))
        self.assertEqual(b"Zo\xeb", without_domain(b"X\\Zo\xeb"))

    @given(st.binary(max_size=300))
    def test_any(self, name: bytes) -> None:
        """Any name gives at most three candidates, each a part of it."""
        found = candidates(name)
        self.assertLessEqual(len(found), 3)
        for each in found:
            self.assertIn(each.encode(), name)
