"""Tests for iphttps.core.sstp.ppp.md4."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from spnego._ntlm_raw.md4 import md4 as another
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.md4 import md4


class MD4Tests(SynchronousTestCase):
    """The digest."""

    def test_vectors(self) -> None:
        """The test suite of RFC 1320 section A.5."""
        for message, digest in (
            (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
            (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
            (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
            (b"message digest", "d9130a8164549fe818874806e1c7014b"),
            (b"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
            (
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "043f8582f241db351ce627e153e7f0e4",
            ),
            (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
        ):
            self.assertEqual(digest, md4(message).hex(), message)

    @given(st.binary(max_size=200))
    def test_another(self, message: bytes) -> None:
        """Another implementation agrees, for a message of any length."""
        self.assertEqual(another(message), md4(message))

    def test_every_padding(self) -> None:
        """Every length of the last block is padded right (RFC 1320 sections 3.1 and 3.2)."""
        for length in range(130):
            self.assertEqual(another(b"x" * length), md4(b"x" * length), length)
