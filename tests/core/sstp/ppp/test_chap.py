"""Tests for iphttps.core.sstp.ppp.chap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ppp import PPP_CHAP, PPP_CHAP_ChallengeResponse
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.chap import Challenge, Failure, FailureCode, Response, Result, parse

CHALLENGE = Challenge(5, bytes(range(16)), b"server")
RESPONSE = Response(5, b"p" * 16, b"n" * 24, b"EXAMPLE\\alice")
CHALLENGE_PACKET = b"\x01\x05\x00\x1b\x10" + bytes(range(16)) + b"server"
RESPONSE_PACKET = b"\x02\x05\x00\x43\x31" + b"p" * 16 + bytes(8) + b"n" * 24 + b"\0" + b"EXAMPLE\\alice"

IDENTIFIER = st.integers(0, 255)
NAME = st.binary(max_size=256)


def with_length(packet: bytes, length: int) -> bytes:
    """Return the packet with another length in its header."""
    return packet[:2] + length.to_bytes(2, "big") + packet[4:]


class PacketTests(SynchronousTestCase):
    """Challenge, Response, Success and Failure."""

    def test_challenge(self) -> None:
        """A Challenge has 16 bytes and a name (RFC 2759 section 3)."""
        self.assertEqual(CHALLENGE_PACKET, CHALLENGE.encode())
        self.assertEqual(CHALLENGE, parse(CHALLENGE_PACKET))

    def test_response(self) -> None:
        """A Response has a value of 49 bytes and a name (RFC 2759 section 4)."""
        self.assertEqual(RESPONSE_PACKET, RESPONSE.encode())
        self.assertEqual(RESPONSE, parse(RESPONSE_PACKET))

    def test_reserved(self) -> None:
        """The reserved bytes of a Response are ignored, its flags are told (RFC 2759 section 4)."""
        found = parse(RESPONSE_PACKET[:21] + b"reserved" + RESPONSE_PACKET[29:53] + b"\x04" + RESPONSE_PACKET[54:])
        self.assertEqual(Response(5, b"p" * 16, b"n" * 24, b"EXAMPLE\\alice", 4), found)

    def test_results(self) -> None:
        """Success is code 3, Failure code 4; all the rest is the message (RFC 1994 section 4.2)."""
        for result, packet in (
            (Result(5, True, b"S=12"), b"\x03\x05\x00\x08S=12"),
            (Result(6, False, b"E=691"), b"\x04\x06\x00\x09E=691"),
            (Result(7, True, b""), b"\x03\x07\x00\x04"),
        ):
            self.assertEqual(packet, result.encode())
            self.assertEqual(result, parse(packet))

    def test_padding(self) -> None:
        """Bytes beyond the Length field are padding (RFC 1994 section 4)."""
        for packet in (CHALLENGE_PACKET, RESPONSE_PACKET, b"\x03\x05\x00\x04"):
            self.assertEqual(parse(packet), parse(packet + b"\0\xff\x01"))

    def test_cut(self) -> None:
        """A packet cut anywhere is discarded; where its length fits, only the name is shorter."""
        for packet, least in ((CHALLENGE_PACKET, 21), (RESPONSE_PACKET, 54)):
            for end in range(len(packet)):
                self.assertIsNone(parse(packet[:end]), end)
                if end >= 4:
                    found = parse(with_length(packet[:end], end))
                    self.assertEqual(end >= least, found is not None, end)

    def test_lengths(self) -> None:
        """A length that lies is discarded (RFC 1994 section 4): of the packet, and of the value."""
        for length in (0, 3, len(RESPONSE_PACKET) + 1, 0xFFFF):
            self.assertIsNone(parse(with_length(RESPONSE_PACKET, length)), length)
        for packet, right in ((CHALLENGE_PACKET, 16), (RESPONSE_PACKET, 49)):
            for size in set(range(256)) - {right}:
                self.assertIsNone(parse(packet[:4] + bytes((size,)) + packet[5:]), size)

    def test_value_runs_out(self) -> None:
        """A value that is said to be longer than the packet is not cut to what is there."""
        for packet in (Challenge(1, bytes(16), b"").encode(), Response(1, bytes(16), bytes(24), b"").encode()):
            self.assertIsNotNone(parse(packet))
            self.assertIsNone(parse(packet[:4] + bytes((packet[4] + 1,)) + packet[5:]))

    def test_long_name(self) -> None:
        """A name has at most 256 bytes (RFC 2759 section 4)."""
        for size, right in ((0, True), (256, True), (257, False), (60000, False)):
            for packet in (
                Challenge(1, bytes(16), b"x" * size).encode(),
                Response(1, bytes(16), bytes(24), b"x" * size).encode(),
            ):
                self.assertEqual(right, parse(packet) is not None, size)

    def test_codes(self) -> None:
        """Other codes are discarded."""
        for code in (0, 5, 255):
            self.assertIsNone(parse(bytes((code,)) + RESPONSE_PACKET[1:]))

    @given(IDENTIFIER, st.binary(min_size=49, max_size=49), NAME)
    def test_scapy(self, identifier: int, value: bytes, name: bytes) -> None:
        """Scapy reads the same from our packets, and we from its."""
        response = Response(identifier, value[:16], value[24:48], name, value[48])
        theirs = PPP_CHAP(response.encode())
        self.assertIsInstance(theirs, PPP_CHAP_ChallengeResponse)
        self.assertEqual((2, identifier, name), (theirs.code, theirs.id, theirs.optional_name))
        self.assertEqual(value[:16] + bytes(8) + value[24:], theirs.value)
        built = PPP_CHAP_ChallengeResponse(code=2, id=identifier, value=value, optional_name=name)
        self.assertEqual(response, parse(bytes(built)))

    @given(st.binary(max_size=400))
    def test_any(self, packet: bytes) -> None:
        """Any input is parsed without an exception; an accepted packet is encoded again with the same meaning."""
        found = parse(packet)
        if found is not None:
            self.assertEqual(found, parse(found.encode()))


class FailureTests(SynchronousTestCase):
    """The message of a Failure (RFC 2759 section 6)."""

    def test_encode(self) -> None:
        """Code, retry, challenge of 32 digits, version 3, text."""
        failure = Failure(FailureCode.AUTHENTICATION_FAILURE, False, bytes(range(16)), b"Access denied")
        self.assertEqual(b"E=691 R=0 C=000102030405060708090A0B0C0D0E0F V=3 M=Access denied", failure.encode())
        self.assertEqual(failure, Failure.parse(failure.encode()))

    def test_parse(self) -> None:
        """Fields that real servers leave out may be missing; a text may have anything."""
        for message, expected in (
            (b"E=691 R=1 C=00FF V=0 M=Access denied", Failure(691, True, b"\0\xff", b"Access denied")),
            (b"E=648 R=0 V=3", Failure(648)),
            (b"E=691", Failure(691)),
            (b"E=691 R=1", Failure(691, True)),
            (b"E=646 M=a\nb \xff M=c", Failure(646, text=b"a\nb \xff M=c")),
        ):
            self.assertEqual(expected, Failure.parse(message), message)
        for message in (b"", b"E=", b"E=x", b"Access denied", b" E=691"):
            self.assertIsNone(Failure.parse(message), message)

    @given(st.binary(max_size=100))
    def test_any(self, message: bytes) -> None:
        """Nothing is raised, whatever follows the code."""
        Failure.parse(message)
        self.assertIsNotNone(Failure.parse(b"E=691 R=0 C=" + message))
