"""Tests for iphttps.pki.des."""

from __future__ import annotations

import warnings

from twisted.trial.unittest import SynchronousTestCase

from iphttps.pki.des import encrypt


class DESTests(SynchronousTestCase):
    """Single DES."""

    def test_vectors(self) -> None:
        """Blocks are encrypted as FIPS 46-3 and NIST SP 800-17 (the variable text and key tests) have it."""
        for key, block, expected in (
            ("133457799BBCDFF1", "0123456789ABCDEF", "85E813540F0AB405"),
            ("0101010101010101", "8000000000000000", "95F8A5E5DD31D900"),
            ("8001010101010101", "0000000000000000", "95A8D72813DAA94D"),
        ):
            self.assertEqual(expected, encrypt(bytes.fromhex(key), bytes.fromhex(block)).hex().upper())

    def test_parity(self) -> None:
        """The lowest bit of each byte of the key, its parity, does not matter (RFC 2759 section 8.6)."""
        key, block = bytes.fromhex("133457799BBCDFF1"), bytes(8)
        self.assertEqual(encrypt(key, block), encrypt(bytes(byte ^ 1 for byte in key), block))

    def test_no_warning(self) -> None:
        """The library's deprecated place for DES is not used."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            encrypt(bytes(8), bytes(8))
