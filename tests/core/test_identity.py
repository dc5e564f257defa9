"""Tests for iphttps.core.identity."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.identity import SHOWN_LENGTH, Identity, legible, printable


class PrintableTests(SynchronousTestCase):
    """A peer's words, fit for a log."""

    def test_escapes(self) -> None:
        """Characters other than printable ASCII are escaped as hexadecimal UTF-8 (RFC 4514 section 2.4)."""
        for text, written in (
            ("CN=alice", "CN=alice"),
            ("CN=Jos\xe9", r"CN=Jos\C3\A9"),
            ("a\nb\r\t\x00", r"a\0Ab\0D\09\00"),
            ("\x1b[31m\x7f\x9b", r"\1B[31m\7F\C2\9B"),
            ("\u202egro", r"\E2\80\AEgro"),
            ("\ud800", r"\ED\A0\80"),
        ):
            self.assertEqual(written, printable(text))

    def test_others(self) -> None:
        """More characters can be escaped than must be."""
        self.assertEqual(r"a\20b\2C", printable("a b,", re.compile("[ ,]")))

    @given(st.text())
    def test_safe(self, text: str) -> None:
        """No name can end a line or move a cursor."""
        written = printable(text)
        self.assertTrue(written.isascii() and (written.isprintable() or not written))
        self.assertEqual(written, printable(written))


class LegibleTests(SynchronousTestCase):
    """A sentence that contains a peer's words, fit for a log."""

    def test_escapes(self) -> None:
        """Invisible characters, and those that end a line or change its direction, are escaped; all letters stay."""
        for text, written in (
            ("Jos\xe9: \u0434\u0430", "Jos\xe9: \u0434\u0430"),
            ("a\nb\x1b[31m", r"a\0Ab\1B[31m"),
            ("\xe9\u202egro", "\xe9" + r"\E2\80\AEgro"),
        ):
            self.assertEqual(written, legible(text))


class IdentityTests(SynchronousTestCase):
    """The identity of a client."""

    def test_text(self) -> None:
        """People read the subject and the alternative names, except what would be said twice."""
        for identity, written in (
            (Identity("CN=alice"), "CN=alice"),
            (Identity("CN=alice", ("alice",)), "CN=alice"),
            (Identity("CN=alice", ("alice", "alice@example.org")), "CN=alice [alice@example.org]"),
            (Identity("", ("a.example.org", "b.example.org")), "[a.example.org, b.example.org]"),
            (Identity("CN=x", tuple("abcde")), "CN=x [a, b, c, 2 more]"),
        ):
            self.assertEqual(written, str(identity))

    def test_length(self) -> None:
        """Long names are cut where they are shown, not where they are compared."""
        one, other = (Identity("CN=" + "a" * 1000 + end, ("b" * 1000,)) for end in "xy")
        self.assertEqual(2 * (SHOWN_LENGTH + 3) + 3, len(str(one)))
        self.assertEqual(str(one), str(other))
        self.assertNotEqual(one, other)
