"""Tests for iphttps.core.sstp.crypto_binding."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp import crypto_binding
from iphttps.core.sstp.crypto_binding import (
    CALL_CONNECTED_LENGTH,
    NO_HLAK,
    HashProtocol,
    Mismatch,
    call_connected,
    certificate_hash,
    check_call_connected,
    choose_protocol,
    client_hlak,
    compound_mac,
    compound_mac_key,
    server_hlak,
)


@dataclass(frozen=True, slots=True)
class Example:
    """An example of [MS-SSTP] 4.7."""

    protocol: HashProtocol
    hlak: bytes
    nonce: bytes
    hash: bytes
    cmk: bytes
    mac: bytes

    @classmethod
    def of(cls, protocol: HashProtocol, *values: str) -> Example:
        """Read the hexadecimal values."""
        return cls(protocol, *map(bytes.fromhex, values))

    @property
    def message(self) -> bytes:
        """The CALL_CONNECTED, put together by hand."""
        head = bytes.fromhex("10 01 0070 0004 0001 00 03 0068 000000") + bytes((self.protocol.value,))
        return head + self.nonce + self.hash.ljust(32, b"\0") + self.mac.ljust(32, b"\0")

    def check(
        self,
        message: bytes | None = None,
        *,
        hlak: bytes | None = None,
        nonce: bytes | None = None,
        certificate_hashes: Iterable[bytes] | None = None,
        offered: Iterable[HashProtocol] = HashProtocol,
    ) -> Mismatch:
        """Check the message as the server of the example, or another one."""
        return check_call_connected(
            self.message if message is None else message,
            hlak=self.hlak if hlak is None else hlak,
            nonce=self.nonce if nonce is None else nonce,
            certificate_hashes=(self.hash,) if certificate_hashes is None else certificate_hashes,
            offered=offered,
        )


SHA256 = Example.of(
    HashProtocol.SHA256,
    "2A1BB40D55AB0F5EF32F06F2B3CC73C48FD3FAC41D7A1315A19228D9024CA164",
    "412B489AEBD7ECC7D08966F26BE7CD72B231A0E9210D7C91B308862B0344C435",
    "7993EF314C493DACE9F02D60E7E61C84B6690AAFE9D7AEEA92CBBE8AD599422D",
    "ECF59AC9FE155CF0A9E7D66ADC1B363C1AD7BA91A9217F0CEC2A534298828DF6",
    "52A68EFD8CFFBF52770B8F0FE8EC73716583AF6D611EB6D179B3B20840985449",
)
SHA1 = Example.of(
    HashProtocol.SHA1,
    "4B3128F43925D9006EEFB1C4E86515A1D88E56BAB3CA2BDF0373B7F5A8A13B19",
    "0F1A2D58D4A3E3000FAD3CE4906E07B707AA9E441CCEAC5CBD7B2CC1C9D86CDF",
    "5826B629BDA59B8E6FD8DCD2622FD34C534805A5",
    "A98B862A38CC7E224B42CD128586ACB22F0BD1E9",
    "69915DD583D8062FEF16F61DB2F03290EC27CB6C",
)
EXAMPLES = (SHA256, SHA1)


class VectorTests(SynchronousTestCase):
    """The examples of [MS-SSTP] 4.7."""

    def test_cmk(self) -> None:
        """The CMK is the first block of PRF+, from the HLAK, the seed and the little-endian length (3.2.5.2.2)."""
        for example in EXAMPLES:
            self.assertEqual(example.cmk, compound_mac_key(example.hlak, example.protocol), example.protocol)

    def test_mac(self) -> None:
        """The MAC covers all 112 bytes, with zeros in place of the MAC and its padding (3.2.5.2.1, 3.2.5.2.3)."""
        for example in EXAMPLES:
            self.assertEqual(example.mac, compound_mac(example.cmk, example.message, example.protocol))

    def test_client(self) -> None:
        """A client builds the message of 112 bytes (2.2.11)."""
        for example in EXAMPLES:
            built = call_connected(example.hlak, example.nonce, example.hash, example.protocol)
            self.assertEqual(example.message, built)
            self.assertEqual(CALL_CONNECTED_LENGTH, len(built))

    def test_server(self) -> None:
        """A server accepts it (3.3.5.2.3)."""
        for example in EXAMPLES:
            self.assertEqual(Mismatch.NONE, example.check())
            self.assertFalse(example.check())


class CheckTests(SynchronousTestCase):
    """The mismatches that a server finds (3.3.5.2.3)."""

    def test_each_part(self) -> None:
        """The result names the parts that are wrong; the MAC is only wrong as well if the message itself is."""
        for example in EXAMPLES:
            other = bytes(example.protocol.length)
            self.assertEqual(Mismatch.NONCE, example.check(nonce=bytes(32)))
            self.assertEqual(Mismatch.CERTIFICATE_HASH, example.check(certificate_hashes=(other,)))
            self.assertEqual(Mismatch.CERTIFICATE_HASH, example.check(certificate_hashes=()))
            self.assertEqual(Mismatch.COMPOUND_MAC, example.check(hlak=NO_HLAK))
            everything = Mismatch.NONCE | Mismatch.CERTIFICATE_HASH | Mismatch.COMPOUND_MAC
            self.assertEqual(everything, example.check(hlak=NO_HLAK, nonce=other, certificate_hashes=(other,)))

    def test_each_byte(self) -> None:
        """A message with any byte changed is not accepted, except in the padding, which is ignored (2.2.11)."""
        for example in EXAMPLES:
            length = example.protocol.length
            padding = [*range(48 + length, 80), *range(80 + length, 112)]
            for place in range(CALL_CONNECTED_LENGTH):
                changed = bytearray(example.message)
                changed[place] ^= 0x80
                self.assertEqual(place not in padding, bool(example.check(bytes(changed))), place)

    def test_relayed(self) -> None:
        """A man in the middle who has another certificate and relays the client's message is found by the hash."""
        seen = hashlib.sha256(b"the certificate of another").digest()
        message = call_connected(SHA256.hlak, SHA256.nonce, seen, HashProtocol.SHA256)
        self.assertEqual(Mismatch.CERTIFICATE_HASH, SHA256.check(message))
        # If he puts in the right hash, the MAC is wrong.
        self.assertEqual(Mismatch.COMPOUND_MAC, SHA256.check(message[:48] + SHA256.hash + message[80:]))

    def test_replayed(self) -> None:
        """A message from another connection has another nonce (3.3.5.2.3)."""
        self.assertEqual(Mismatch.NONCE, SHA256.check(nonce=SHA256.nonce[::-1]))

    def test_offered(self) -> None:
        """A hash function that the server has not offered is rejected, and so is an unknown one (3.3.5.2.3)."""
        self.assertEqual(Mismatch.HASH_PROTOCOL, SHA1.check(offered=(HashProtocol.SHA256,)))
        self.assertEqual(Mismatch.NONE, SHA256.check(offered=(HashProtocol.SHA256,)))
        for number in (0, 3, 255):
            changed = SHA1.message[:15] + bytes((number,)) + SHA1.message[16:]
            self.assertEqual(Mismatch.HASH_PROTOCOL, SHA1.check(changed))
            self.assertEqual(Mismatch.HASH_PROTOCOL | Mismatch.NONCE, SHA1.check(changed, nonce=bytes(32)))

    def test_several_certificates(self) -> None:
        """Any of the certificates will do, in whichever hash; a hash of the other function never does."""
        hashes = [bytes(20), SHA1.hash, SHA256.hash, bytes(32)]
        for example in EXAMPLES:
            self.assertEqual(Mismatch.NONE, example.check(certificate_hashes=hashes))
        self.assertEqual(Mismatch.CERTIFICATE_HASH, SHA1.check(certificate_hashes=[SHA1.hash.ljust(32, b"\0")]))

    @given(st.binary(max_size=200))
    def test_length(self, message: bytes) -> None:
        """A message of another length is rejected (2.2.11)."""
        for wrong in (message, SHA256.message[:-1], SHA256.message + b"\0"):
            self.assertTrue(SHA256.check(wrong))
            if len(wrong) != CALL_CONNECTED_LENGTH:
                self.assertEqual(Mismatch.LENGTH, SHA256.check(wrong))

    def test_constant_time(self) -> None:
        """Every comparison is made in constant time, and all of them always."""
        compared: list[int] = []

        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append(len(one))
            return hmac.compare_digest(one, other)

        patched = type("Patched", (), {"compare_digest": staticmethod(compare_digest), "digest": hmac.digest})
        self.patch(crypto_binding, "hmac", patched)
        for nonce, hashes in ((SHA1.nonce, [SHA1.hash] * 2), (bytes(32), [bytes(20)] * 2)):
            compared.clear()
            SHA1.check(nonce=nonce, certificate_hashes=hashes)
            self.assertEqual([32, 20, 20, 20], compared)


class KeyTests(SynchronousTestCase):
    """HLAK, hash functions, and what a client chooses."""

    @given(st.binary(max_size=40), st.binary(max_size=40))
    def test_hlak(self, send: bytes, receive: bytes) -> None:
        """Both ends have the same HLAK of 32 bytes, since one sends with what the other receives with (3.2.5.2.2)."""
        found = client_hlak(send, receive)
        self.assertEqual(32, len(found))
        self.assertEqual(found, server_hlak(receive, send))
        self.assertEqual((send + receive + bytes(32))[:32], found)

    def test_no_keys(self) -> None:
        """Without keys from the authentication the HLAK is zero (3.2.5.2.2)."""
        self.assertEqual(bytes(32), NO_HLAK)
        self.assertEqual(NO_HLAK, client_hlak(b"", b""))

    def test_certificate(self) -> None:
        """A certificate is hashed as it stands in DER (2.2.7)."""
        self.assertEqual(hashlib.sha1(b"der").digest(), certificate_hash(b"der", HashProtocol.SHA1))
        self.assertEqual(hashlib.sha256(b"der").digest(), certificate_hash(b"der", HashProtocol.SHA256))

    def test_choice(self) -> None:
        """The client chooses the strongest function that both support (3.2.5.3.2)."""
        sha1, sha256 = HashProtocol.SHA1, HashProtocol.SHA256
        for offered, expected in ((0, None), (1, sha1), (2, sha256), (3, sha256), (0xFC, None), (0xFF, sha256)):
            self.assertEqual(expected, choose_protocol(offered), offered)
        self.assertEqual(sha1, choose_protocol(3, (sha1,)))
        self.assertIsNone(choose_protocol(1, (sha256,)))

    def test_wrong_lengths(self) -> None:
        """A client does not build a message with a nonce or a hash of the wrong length."""
        self.assertRaises(ValueError, call_connected, NO_HLAK, bytes(31), bytes(20), HashProtocol.SHA1)
        self.assertRaises(ValueError, call_connected, NO_HLAK, bytes(32), bytes(20), HashProtocol.SHA256)
