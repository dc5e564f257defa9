"""Tests for iphttps.core.sstp.ppp.login: the client's side of MS-CHAPv2 and of PAP, packet by packet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.crypto_binding import NO_HLAK, client_hlak, server_hlak
from iphttps.core.sstp.ppp import mschapv2, pap
from iphttps.core.sstp.ppp.chap import Challenge, Failure, Response, Result, parse
from iphttps.core.sstp.ppp.login import MAXIMUM_CHALLENGES, Login, MSCHAPv2Login, PAPLogin, Proven, Rejected
from iphttps.pki.des import encrypt

# RFC 2759 section 9.2
USER, HASH = b"User", bytes.fromhex("44EBBA8D5312B8D611474411F56989AE")
CHALLENGE, PEER_CHALLENGE = (
    bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628"),
    bytes.fromhex("21402324255E262A28295F2B3A337C7E"),
)
NT_RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")
PROOF = b"S=407A5589115FD0D6209F510FE9C04566932CDA56"

ASKED = Challenge(7, CHALLENGE, b"server").encode()


def success(identifier: int = 7, said: bytes = PROOF) -> bytes:
    """Return a Success."""
    return Result(identifier, True, said).encode()


class MSCHAPv2Tests(SynchronousTestCase):
    """MS-CHAPv2 (RFC 2759)."""

    def setUp(self) -> None:
        """Make the client of the example."""
        self.login = MSCHAPv2Login(Login(USER, HASH), lambda length: PEER_CHALLENGE, encrypt)
        self.assertEqual(([], [], None), (self.login.start(0.0), self.login.expired(99.0), self.login.deadline))

    def test_example(self) -> None:
        """Challenge, Response and Success of the example of RFC 2759 section 9.2, and the keys for the binding."""
        (sent,) = self.login.receive(ASKED, 0.0)
        assert isinstance(sent, bytes)
        self.assertEqual(Response(7, PEER_CHALLENGE, NT_RESPONSE, USER), parse(sent))
        keys, of_server = mschapv2.client_keys(HASH, NT_RESPONSE), mschapv2.server_keys(HASH, NT_RESPONSE)
        self.assertEqual([Proven(client_hlak(keys.send, keys.receive))], self.login.receive(success(), 0.0))
        self.assertEqual(server_hlak(of_server.send, of_server.receive), client_hlak(keys.send, keys.receive))

    def test_proof(self) -> None:
        """A Success without a valid S= is not accepted; lower case and a message after it are valid (section 5)."""
        self.login.receive(ASKED, 0.0)
        for said in (PROOF[:2] + PROOF[2:].lower(), PROOF + b" M=Welcome"):
            self.assertIsInstance(self.login.receive(success(said=said), 0.0)[0], Proven)
        for said in (b"", PROOF[:-1], PROOF[:-1] + b"7", b" " + PROOF):
            (rejected,) = self.login.receive(success(said=said), 0.0)
            assert isinstance(rejected, Rejected)
            self.assertEqual("778", rejected.code)

    def test_discarded(self) -> None:
        """A result before a Challenge or with another identifier is discarded; so are malformed packets."""
        for packet in (success(), Result(7, False, b"E=691").encode(), b"", ASKED[:-1], ASKED[:4], b"\x09\x07\x00\x04"):
            self.assertEqual([], self.login.receive(packet, 0.0))
        self.login.receive(ASKED, 0.0)
        for packet in (
            success(8),
            Result(6, False, b"E=691").encode(),
            Response(7, CHALLENGE, NT_RESPONSE, b"").encode(),
        ):
            self.assertEqual([], self.login.receive(packet, 0.0))

    def test_failure(self) -> None:
        """A Failure names its code (section 6)."""
        self.login.receive(ASKED, 0.0)
        for said, code in ((Failure(646).encode(), "646"), (b"E=649", "649"), (b"", "691"), (b"E=", "691")):
            (rejected,) = self.login.receive(Result(7, False, said).encode(), 0.0)
            assert isinstance(rejected, Rejected)
            self.assertEqual(code, rejected.code)

    def test_again(self) -> None:
        """The same Challenge gets the same Response; others get new ones, up to a limit until one is accepted."""
        first = self.login.receive(ASKED, 0.0)
        self.assertEqual(first, self.login.receive(ASKED, 0.0))
        for identifier in range(8, 7 + MAXIMUM_CHALLENGES):
            self.assertIsInstance(self.login.receive(Challenge(identifier, CHALLENGE, b"").encode(), 0.0)[0], bytes)
        self.assertIsInstance(self.login.receive(Challenge(99, CHALLENGE, b"").encode(), 0.0)[0], Rejected)
        self.setUp()
        for identifier in range(1, 3 * MAXIMUM_CHALLENGES):
            self.login.receive(Challenge(identifier, CHALLENGE, b"").encode(), 0.0)
            self.assertIsInstance(self.login.receive(success(identifier), 0.0)[0], Proven)


class PAPTests(SynchronousTestCase):
    """PAP (RFC 1334)."""

    def test_accepted(self) -> None:
        """The request has name and password; an Ack ends it, without keys (sections 2.2.1, 2.2.2)."""
        login = PAPLogin(Login(USER, b"", b"clientPass"))
        (sent,) = login.start(0.0)
        assert isinstance(sent, bytes)
        self.assertEqual(pap.AuthenticateRequest(1, USER, b"clientPass"), pap.AuthenticateRequest.parse(sent))
        self.assertEqual([Proven(NO_HLAK)], login.receive(pap.Answer(1, True).encode(), 0.0))
        self.assertEqual((None, []), (login.deadline, login.receive(pap.Answer(1, False).encode(), 0.0)))

    def test_again(self) -> None:
        """It is sent again with another identifier every 3 s, and an answer to any of them counts (section 2.2.1)."""
        login = PAPLogin(Login(USER, b"", b"clientPass"))
        login.start(0.0)
        self.assertEqual([], login.expired(2.9))
        (sent,) = login.expired(3.0)
        assert isinstance(sent, bytes)
        self.assertEqual((2, 6.0), (sent[1], login.deadline))
        for identifier in (0, 3):
            self.assertEqual([], login.receive(pap.Answer(identifier, True).encode(), 4.0))
        (rejected,) = login.receive(pap.Answer(1, False, b"no").encode(), 4.0)
        assert isinstance(rejected, Rejected)
        self.assertEqual(("691", True), (rejected.code, rejected.sentence.endswith('(it says "no")')))
