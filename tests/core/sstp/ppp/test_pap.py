"""Tests for iphttps.core.sstp.ppp.pap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.ppp import PPP_PAP, PPP_PAP_Request, PPP_PAP_Response
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.pap import Answer, AuthenticateRequest

REQUEST = bytes.fromhex("01 05 0010 05 616c696365 05 706173 7321".replace(" ", ""))
FIELD = st.binary(max_size=255)
IDENTIFIER = st.integers(0, 255)


class AuthenticateRequestTests(SynchronousTestCase):
    """Authenticate-Request (RFC 1334 section 2.2.1)."""

    def test_parse(self) -> None:
        """Name and password each follow their length; what lies behind the packet's length is padding."""
        expected = AuthenticateRequest(5, b"alice", b"pass!")
        self.assertEqual(expected, AuthenticateRequest.parse(REQUEST))
        self.assertEqual(expected, AuthenticateRequest.parse(REQUEST + b"\0\x01\xff"))
        self.assertEqual(REQUEST, expected.encode())

    def test_empty(self) -> None:
        """Both may be empty."""
        self.assertEqual(AuthenticateRequest(1, b"", b""), AuthenticateRequest.parse(bytes.fromhex("010100060000")))

    def test_cut(self) -> None:
        """A packet cut anywhere is discarded, with its own length or with one that fits the rest."""
        for end in range(len(REQUEST)):
            cut = REQUEST[:end]
            self.assertIsNone(AuthenticateRequest.parse(cut), end)
            if end >= 4:
                self.assertIsNone(AuthenticateRequest.parse(cut[:2] + end.to_bytes(2, "big") + cut[4:]), end)

    def test_lengths(self) -> None:
        """A length that lies is discarded: of the packet, of the name, of the password."""
        for place, byte in ((3, 3), (3, 17), (2, 0xFF), (4, 4), (4, 6), (4, 255), (10, 4), (10, 6)):
            changed = bytearray(REQUEST)
            changed[place] = byte
            self.assertIsNone(AuthenticateRequest.parse(bytes(changed)), (place, byte))

    def test_other_codes(self) -> None:
        """A packet of another code is none."""
        for code in (0, 2, 3, 255):
            self.assertIsNone(AuthenticateRequest.parse(bytes((code,)) + REQUEST[1:]))

    def test_secret(self) -> None:
        """The password does not appear when a request is shown."""
        self.assertNotIn("pass!", repr(AuthenticateRequest.parse(REQUEST)))

    @given(IDENTIFIER, FIELD, FIELD)
    def test_round_trip(self, identifier: int, name: bytes, password: bytes) -> None:
        """Any name and password come through; scapy reads the packet in the same way."""
        request = AuthenticateRequest(identifier, name, password)
        self.assertEqual(request, AuthenticateRequest.parse(request.encode()))
        theirs = PPP_PAP(request.encode())
        self.assertIsInstance(theirs, PPP_PAP_Request)
        self.assertEqual((identifier, name, password), (theirs.id, theirs.username, theirs.password))

    @given(st.binary(max_size=600))
    def test_any(self, packet: bytes) -> None:
        """An accepted packet is encoded again as the same bytes, but for padding."""
        for parse in (AuthenticateRequest.parse, Answer.parse):
            found = parse(packet)
            if found is not None:
                length = int.from_bytes(packet[2:4], "big")
                self.assertIn(packet[:length], (found.encode(), found.encode()[:-1]))


class AnswerTests(SynchronousTestCase):
    """Authenticate-Ack and Authenticate-Nak (RFC 1334 section 2.2.2)."""

    def test_encode(self) -> None:
        """An Ack is code 2, a Nak code 3; the message follows its length."""
        self.assertEqual("02 05 0005 00".replace(" ", ""), Answer(5, True).encode().hex())
        self.assertEqual("03 05 0007 02 6e6f".replace(" ", ""), Answer(5, False, b"no").encode().hex())
        for accepted in (True, False):
            theirs = PPP_PAP(Answer(9, accepted, b"text").encode())
            self.assertIsInstance(theirs, PPP_PAP_Response)
            self.assertEqual((2 if accepted else 3, 9, b"text"), (theirs.code, theirs.id, theirs.message))

    def test_long(self) -> None:
        """A message is cut at what its length can say."""
        answer = Answer.parse(Answer(1, False, b"x" * 300).encode())
        self.assertEqual(Answer(1, False, b"x" * 255), answer)

    def test_parse(self) -> None:
        """A peer reads it; the length of an empty message may be missing."""
        for answer in (Answer(5, True), Answer(6, False, b"no")):
            self.assertEqual(answer, Answer.parse(answer.encode()))
            self.assertEqual(answer, Answer.parse(answer.encode() + b"padding"))
        self.assertEqual(Answer(5, True), Answer.parse(bytes.fromhex("02050004")))

    def test_malformed(self) -> None:
        """Lengths that lie and other codes are discarded."""
        for packet in ("", "0205", "020500", "02050003", "02050006", "0205000501", "03050007036e6f", "0105000500"):
            self.assertIsNone(Answer.parse(bytes.fromhex(packet)), packet)
