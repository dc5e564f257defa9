"""Tests for iphttps.core.sstp.ppp.mschapv2."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.crypto_binding import client_hlak, server_hlak
from iphttps.core.sstp.ppp import mschapv2
from iphttps.core.sstp.ppp.chap import Response
from iphttps.core.sstp.ppp.md4 import md4
from iphttps.pki.des import encrypt

# RFC 2759 section 9.2
NAME = b"User"
CHALLENGE = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER_CHALLENGE = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
HASH = bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
SUCCESS = b"S=407A5589115FD0D6209F510FE9C04566932CDA56"
RESPONSE = Response(7, PEER_CHALLENGE, NT_RESPONSE, NAME)

SIXTEEN = st.binary(min_size=16, max_size=16)


class VectorTests(SynchronousTestCase):
    """The examples of RFC 2759 section 9.2 and RFC 3079 section 3.5."""

    def test_password_hash(self) -> None:
        """The NT hash is MD4 of the password in little-endian UTF-16 (RFC 2759 section 8.3)."""
        self.assertEqual(HASH, mschapv2.nt_password_hash("clientPass"))
        self.assertEqual("41c00c584bd2d91c4017a2a12fa59f3f", md4(HASH).hex())
        for odd in ("", "Zoë", "\U0001f511", "\ud800"):
            self.assertEqual(md4(odd.encode("utf-16-le", "surrogatepass")), mschapv2.nt_password_hash(odd))

    def test_challenge_hash(self) -> None:
        """The challenge is hashed with the peer's own and its name (RFC 2759 section 8.2)."""
        self.assertEqual("d02e4386bce91226", mschapv2.challenge_hash(PEER_CHALLENGE, CHALLENGE, NAME).hex())

    def test_response(self) -> None:
        """The peer's response (RFC 2759 section 8.1)."""
        self.assertEqual(RESPONSE, mschapv2.respond(HASH, 7, CHALLENGE, PEER_CHALLENGE, NAME, encrypt))

    def test_success(self) -> None:
        """The authenticator's response, which the peer checks (RFC 2759 sections 8.7 and 8.8)."""
        self.assertEqual(SUCCESS, mschapv2.authenticator_response(HASH, CHALLENGE, RESPONSE))
        for message in (SUCCESS, SUCCESS + b" M=Welcome", b"S=" + SUCCESS[2:].lower()):
            self.assertTrue(mschapv2.check_success(message, HASH, CHALLENGE, RESPONSE), message)
        for message in (b"", b"S=", SUCCESS[:-1], SUCCESS[:-1] + b"7", SUCCESS[2:], b"s=" + SUCCESS[2:], b"\xff" * 50):
            self.assertFalse(mschapv2.check_success(message, HASH, CHALLENGE, RESPONSE), message)

    def test_keys(self) -> None:
        """The master keys of 128 bits (RFC 3079 section 3.5.3), and the shorter ones that begin as they do."""
        keys = mschapv2.server_keys(HASH, NT_RESPONSE)
        self.assertEqual("8b7cdc149b993a1ba118cb153f56dccb", keys.send.hex())
        other = mschapv2.client_keys(HASH, NT_RESPONSE)
        self.assertEqual((keys.send, keys.receive), (other.receive, other.send))

    def test_des_keys(self) -> None:
        """Each 7 bits of the hash are a byte of a DES key; the lowest bit is parity (RFC 2759 section 9.3)."""
        seen: list[str] = []

        def des(key: bytes, block: bytes) -> bytes:
            seen.append(bytes(byte & 0xFE for byte in key).hex())
            self.assertEqual(b"hashhash", block)
            return key

        found = mschapv2.challenge_response(b"hashhash", bytes.fromhex("FC156AF7EDCD6C0EDDE3337D427F8182"), des)
        self.assertEqual("fc0a5a5e7e6e34d8", seen[0])
        bits = f"{0x0EDDE3337D427F:056b}"
        self.assertEqual(bytes(int(bits[at : at + 7] + "0", 2) for at in range(0, 56, 7)).hex(), seen[1])
        # The third key has 16 bits of the hash alone (RFC 2759 section 8.5).
        self.assertEqual("80c0800000000000", seen[2])
        self.assertEqual(24, len(found))

    def test_live(self) -> None:
        """The keys of a real exchange of pppd and a server give the HLAK that both had ([MS-SSTP] 3.2.5.2.2)."""
        nt_hash = mschapv2.nt_password_hash("secret")
        seen = bytes.fromhex("efbc7c1dd6934c3fdbe67c403847e358c4970c006cc14df8")
        hlak = "83807279c44e737a71d041d414ff1388f3bcead2a8a3f4e827dd6724303dfd45"
        client, server = mschapv2.client_keys(nt_hash, seen), mschapv2.server_keys(nt_hash, seen)
        self.assertEqual(hlak, client_hlak(client.send, client.receive).hex())
        self.assertEqual(hlak, server_hlak(server.send, server.receive).hex())


class VerifyTests(SynchronousTestCase):
    """The authenticator's check (RFC 2759 section 4)."""

    def verify(self, response: Response, nt_hash: bytes | None = HASH) -> mschapv2.Proof | None:
        """Check a response to the challenge of the example."""
        return mschapv2.verify(nt_hash, CHALLENGE, response, encrypt)

    def test_right(self) -> None:
        """The right Response gets an authenticator response, and both ends have keys."""
        self.assertEqual(mschapv2.Proof(SUCCESS, mschapv2.server_keys(HASH, NT_RESPONSE)), self.verify(RESPONSE))

    def test_wrong(self) -> None:
        """Another password, response, challenge or name is rejected."""
        self.assertIsNone(self.verify(RESPONSE, mschapv2.nt_password_hash("clientpass")))
        self.assertIsNone(self.verify(replace(RESPONSE, name=b"Usher")))
        self.assertIsNone(self.verify(replace(RESPONSE, peer_challenge=bytes(16))))
        self.assertIsNone(self.verify(replace(RESPONSE, nt_response=bytes(24))))
        self.assertIsNone(mschapv2.verify(HASH, bytes(16), RESPONSE, encrypt))

    def test_domain(self) -> None:
        """Of EXAMPLE\\User a Windows client hashes User, of User@example.org all of it (RFC 2759 section 8.2)."""
        self.assertTrue(self.verify(replace(RESPONSE, name=b"EXAMPLE\\User")))
        self.assertIsNone(self.verify(replace(RESPONSE, name=b"User@example.org")))
        digest = hashlib.sha1(PEER_CHALLENGE + CHALLENGE + b"User@example.org").digest()[:8]
        sent = replace(
            RESPONSE, name=b"User@example.org", nt_response=mschapv2.challenge_response(digest, HASH, encrypt)
        )
        self.assertTrue(self.verify(sent))
        self.assertTrue(self.verify(replace(sent, name=b"EXAMPLE\\User@example.org")))

    def test_unknown(self) -> None:
        """An unknown user is rejected after the same work, even with the response of the hash that stands in."""
        work: list[int] = []

        def des(key: bytes, block: bytes) -> bytes:
            work.append(len(key))
            return encrypt(key, block)

        for nt_hash in (None, mschapv2.nt_password_hash("another")):
            work.clear()
            self.assertIsNone(mschapv2.verify(nt_hash, CHALLENGE, RESPONSE, des))
            self.assertEqual([8, 8, 8], work)
        guessed = mschapv2.respond(mschapv2.NOBODY, 7, CHALLENGE, PEER_CHALLENGE, NAME, encrypt)
        self.assertIsNone(self.verify(guessed, None))

    @given(st.text(max_size=20), SIXTEEN, SIXTEEN, st.binary(max_size=30))
    def test_both_ends(self, password: str, challenge: bytes, peer_challenge: bytes, name: bytes) -> None:
        """A peer and an authenticator with the same password accept each other, and have the same HLAK."""
        nt_hash = mschapv2.nt_password_hash(password)
        response = mschapv2.respond(nt_hash, 1, challenge, peer_challenge, name, encrypt)
        proof = mschapv2.verify(nt_hash, challenge, response, encrypt)
        assert proof is not None
        self.assertTrue(mschapv2.check_success(proof.success, nt_hash, challenge, response))
        keys = mschapv2.client_keys(nt_hash, response.nt_response)
        self.assertEqual(client_hlak(keys.send, keys.receive), server_hlak(proof.keys.send, proof.keys.receive))
