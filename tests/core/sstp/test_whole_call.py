"""A whole call of the server with a client, without a network: SSTP, PPP and the binding together ([MS-SSTP] 3.3.7)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.call import Call, Command, Drop
from iphttps.core.sstp.codec import Frame, SSTPCodec
from iphttps.core.sstp.crypto_binding import HashProtocol, server_hlak
from iphttps.core.sstp.ppp import mschapv2, pap
from iphttps.core.sstp.ppp.control import packet
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.lcp import LCP, Authentication
from iphttps.core.sstp.ppp.mschapv2_authenticator import MAX_CHALLENGE, TIMEOUT, Verify
from iphttps.core.sstp.ppp.server import IPv4Up, IPv6Up, NetworkDown, Offer, PPPServer
from iphttps.core.sstp.server import ServerState
from iphttps.pki import des
from tests.sstp_client import CALL_CONNECT_REQUEST, CALL_DISCONNECT, SSTPClient, data, message

CERTIFICATE = bytes(range(32))
OFFER = Offer(bytes((10, 99, 0, 1)), bytes((10, 99, 0, 2)), (bytes((10, 0, 0, 53)),), b"\x02" + bytes(6) + b"\x55")
N = ProtocolNumber


class CallCase(SynchronousTestCase):
    """A call whose owner accepts each login at once, unless `hold` is set."""

    demanded: Sequence[Authentication] = (Authentication.MSCHAPV2,)
    offer = OFFER
    hold = False

    def setUp(self) -> None:
        """Begin a call, and a client."""
        numbers = count(1)
        self.call = Call(
            lambda length: bytes((next(numbers) % 256,)) * length,
            b"server",
            (CERTIFICATE,),
            tuple(HashProtocol),
            self.demanded,
        )
        self.client = SSTPClient()
        self.client.certificate_hash = CERTIFICATE
        self.codec = SSTPCodec()
        self.codec.data_passes = True
        self.now = 0.0
        self.done: list[Command] = []
        self.answer = b""
        self.shown: list[Verify | pap.AuthenticateRequest] = []
        self.perform(self.call.start(0.0))

    def perform(self, commands: list[Command]) -> None:
        """Note commands, and have the client answer."""
        for command in commands:
            if isinstance(command, bytes):
                self.answer += self.client.receive(command)
            elif isinstance(command, Verify | pap.AuthenticateRequest):
                self.shown.append(command)
                if not self.hold:
                    self.accept()
            else:
                self.done.append(command)

    def accept(self) -> None:
        """Accept the last login."""
        shown = self.shown[-1]
        if isinstance(shown, Verify):
            proof = mschapv2.verify(mschapv2.nt_password_hash("secret"), shown.challenge, shown.response, des.encrypt)
            assert proof
            hlak = server_hlak(proof.keys.send, proof.keys.receive)
            self.perform(self.call.accept(self.offer, self.now, proof.success, hlak))
        else:
            self.perform(self.call.accept(self.offer, self.now))

    def say(self, stream: bytes) -> None:
        """Send bytes, and what the client has to say to the answers."""
        while stream:
            self.codec.feed(stream)
            items, self.codec.control = self.codec.control, []
            for item in items:
                self.perform(self.call.receive(item, self.now))
            stream, self.answer = self.answer, b""

    def go_on(self) -> None:
        """Say what the client has to say to what was sent last."""
        stream, self.answer = self.answer, b""
        self.say(stream)

    def connect(self) -> None:
        """Do all it takes."""
        self.say(CALL_CONNECT_REQUEST)
        self.assertTrue(self.call.data_passes)

    def expire(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        while self.call.deadline is not None and self.call.deadline <= end:
            self.now = max(self.now, self.call.deadline)
            self.perform(self.call.expired(self.now))
        self.now = end


class CallTests(CallCase):
    """With MS-CHAPv2."""

    def test_connected(self) -> None:
        """The client gets its addresses, and the binding opens the gate (3.3.5.2.3)."""
        self.connect()
        identifier = self.client.ipv6cp.identifier
        self.assertCountEqual(self.done, [IPv4Up(bytes((10, 99, 0, 2))), IPv6Up(identifier)])
        self.assertEqual((self.call.ends, self.call.awaits_verdict), (False, False))

    def test_early_frames(self) -> None:
        """Frames before the request are dropped (3.3.7.2), and PPP itself is not begun."""
        self.assertEqual(self.call.receive(Frame(b"\xc0\x21\x01\x01\x00\x04"), 0.0), [])
        self.assertEqual(PPPServer(bytes, b"server").receive(b"\xc0\x21\x01\x01\x00\x04", 0.0), [])

    def test_unexpected_verdict(self) -> None:
        """A verdict that a link does not wait for changes nothing."""
        link = PPPServer(bytes, b"server")
        self.assertEqual(
            (link.accept(OFFER, 0.0), link.reject(0.0, 691, "wrong"), link.awaits_verdict), ([], [], False)
        )

    def test_silent_later(self) -> None:
        """A client that negotiates no network protocol is asked some times, and disconnected (RFC 1661 section 4.6)."""
        self.client.networks.clear()
        self.connect()
        self.now = 1.0
        self.expire(40.0)
        self.assertEqual(self.client.kinds[-1], CALL_DISCONNECT)

    def test_silent(self) -> None:
        """A client that never answers the challenge is disconnected after so many (RFC 1994 section 4.1)."""
        self.patch(self.client, "_chap", lambda _: b"")
        self.say(CALL_CONNECT_REQUEST)
        self.expire(TIMEOUT * MAX_CHALLENGE)
        self.assertEqual(self.client.kinds[-1], CALL_DISCONNECT)
        self.assertEqual(self.call.ending, "PPP: the peer does not answer the challenge")

    def test_held(self) -> None:
        """A verdict may come late; one that comes after the end, or twice, changes nothing (3.3.7.1)."""
        self.hold = True
        self.say(CALL_CONNECT_REQUEST)
        self.assertTrue(self.call.awaits_verdict)
        self.say(data(N.CHAP, self.client.response.encode()))
        self.assertEqual(len(self.shown), 1)
        self.accept()
        self.go_on()
        self.accept()
        self.assertEqual(self.call.reject("wrong", 691, self.now), [])
        self.assertTrue(self.call.data_passes)
        self.perform(self.call.lost(self.now))
        self.accept()
        self.assertEqual(self.call.reject("wrong", 691, self.now), [])
        self.assertTrue(self.call.ends)

    def test_refused(self) -> None:
        """A login that is wrong ends the call, for the reason given."""
        self.hold = True
        self.say(CALL_CONNECT_REQUEST)
        self.perform(self.call.reject("login failed", 691, self.now))
        self.assertTrue(self.client.refused.startswith(b"E=691 R=0"))
        self.assertEqual((self.client.kinds[-1], self.call.ending), (CALL_DISCONNECT, "login failed"))
        self.say(data(N.CHAP, b""))
        self.expire(10.0)
        self.assertEqual(self.done, [Drop("login failed")])

    def test_rejected_protocols(self) -> None:
        """Unknown protocols get a Protocol-Reject (RFC 1661 5.7); what the client rejects is no longer offered."""
        self.connect()
        self.client.frames.clear()
        self.say(data(0x80FD, b"\x01\x01\x00\x04"))
        self.assertEqual(self.client.frames[-1][1][:1] + self.client.frames[-1][1][4:6], b"\x08\x80\xfd")
        self.say(data(N.LCP, packet(8, 1, b"\x80\xfd\x01")))
        self.say(data(N.LCP, packet(8, 2, N.IPCP.to_bytes(2) + b"\x01")))
        self.assertEqual(self.done[-1], NetworkDown(N.IPCP))
        self.say(data(N.LCP, packet(8, 3, N.IPV6CP.to_bytes(2) + b"\x01")))
        self.assertEqual(self.call.ending, "PPP: the peer wants neither IPv4 nor IPv6")

    def test_rejected_authentication(self) -> None:
        """A client that rejects the authentication protocol is not let in without it."""
        self.hold = True
        self.say(CALL_CONNECT_REQUEST)
        self.say(data(N.LCP, packet(8, 1, N.CHAP.to_bytes(2) + b"\x01")))
        self.expire(20.0)
        self.assertIn(CALL_DISCONNECT, self.client.kinds)
        self.assertFalse(self.call.data_passes)

    def test_again(self) -> None:
        """A client may negotiate again before it is authenticated; afterwards the call ends."""
        self.hold = True
        self.say(CALL_CONNECT_REQUEST)
        again = data(N.LCP, packet(1, 0x77))
        self.say(again)
        self.assertEqual(len(self.shown), 2)
        self.hold = False
        self.accept()
        self.go_on()
        self.assertTrue(self.call.data_passes)
        self.say(again)
        self.assertEqual(self.call.ending, "PPP: the peer negotiates the link again")

    def test_terminated(self) -> None:
        """A client may end the link by LCP; frames that are none, or come too early, are discarded (RFC 1661 3.5)."""
        self.hold = True
        self.say(CALL_CONNECT_REQUEST + data(N.IPCP, packet(1, 1)))
        self.assertEqual(self.call.ppp.receive(b"", 0.0), [])
        self.accept()
        self.go_on()
        self.say(data(N.PAP, b"\x01\x01\x00\x04"))
        self.say(data(N.LCP, packet(5, 9)))
        self.expire(10.0)
        self.assertIn("PPP: ", self.call.ending)
        self.assertTrue(self.call.ends)

    def test_too_long(self) -> None:
        """What answers a frame that was longer than our MRU is cut or left out: no packet is too long (2.2.1)."""
        self.connect()
        self.client.frames.clear()
        self.say(data(0x4021, bytes(4089), b"") + data(N.LCP, packet(9, 1, bytes(4085)), b""))
        self.assertEqual([len(each) for _, each in self.client.frames], [4087, 4087])
        self.client.frames.clear()
        many = b"".join(bytes((kind, 255)) + bytes(253) for kind in range(40, 56))
        self.say(data(N.IPCP, packet(1, 1, many + b"\x50\x05" + bytes(3)), b""))
        self.assertNotIn(4, [each[0] for _, each in self.client.frames])

    def abort(self, status: int) -> bytes:
        """Build a Call Abort with this status."""
        return message(5, bytes.fromhex("0002000c 00000003") + status.to_bytes(4), 1)

    def test_endings(self) -> None:
        """The reason of the end is what the peer says, or what the server has said."""
        for said, ending in (
            (message(CALL_DISCONNECT), "the client ended the call, or does not answer"),
            (message(6, bytes.fromhex("0002000c 00000000 00000000"), 1), "the client ended the call"),
            (
                message(5, bytes.fromhex("0002000c 00000003 00000004"), 1),
                "the client ended the call: a value that is not supported",
            ),
            (message(5, bytes.fromhex("0002000c 00000003 00000063"), 1), "the client ended the call: status 99"),
            (message(8), "the call was aborted: a message that this state does not accept"),
            (b"\x11", "its stream cannot be delineated into SSTP packets"),
        ):
            self.setUp()
            self.say(said)
            if self.codec.end:
                self.perform(self.call.lost_step(self.now))
            self.assertEqual((self.call.ending, self.call.ends), (ending, True))

    def test_wrong_binding(self) -> None:
        """A binding that is wrong says which part of it is."""
        self.client.certificate_hash = bytes(32)
        self.say(CALL_CONNECT_REQUEST)
        self.assertIn("the client saw another certificate", self.call.ending)
        self.assertIs(self.call.state, ServerState.CALL_ABORT_PENDING)
        self.call.heard(self.now)


class NoIPv6Tests(CallCase):
    """A client for whom there is no IPv6."""

    offer = Offer(OFFER.own, OFFER.ipv4)

    def test_ipv4_alone(self) -> None:
        """IPV6CP is rejected (RFC 1661 section 5.7)."""
        self.connect()
        self.assertEqual(self.client.up, {N.LCP, N.IPCP})


class NoAddressTests(CallCase):
    """A client for whom there is no address."""

    offer = Offer(identifier=OFFER.identifier)

    def test_ipv6_alone(self) -> None:
        """IPCP is rejected (RFC 1661 section 5.7)."""
        self.connect()
        self.assertEqual(self.client.up, {N.LCP, N.IPV6CP})


class PAPTests(CallCase):
    """With PAP."""

    demanded = (Authentication.PAP,)
    hold = True

    def setUp(self) -> None:
        """Have a client that can do it."""
        super().setUp()
        self.client.lcp = LCP(lambda: 7, 1400, offered=(Authentication.PAP,))

    def ask(self, password: bytes = b"secret") -> None:
        """Send an Authenticate-Request."""
        body = b"\x05alice" + bytes((len(password),)) + password
        self.say(data(N.PAP, packet(1, 1, body)))

    def answers(self) -> list[int]:
        """Return the codes of the answers."""
        return [each[0] for number, each in self.client.frames if number == N.PAP]

    def test_accepted(self) -> None:
        """The password is shown once; a request that is repeated gets the answer again (RFC 1334 section 2.2.1)."""
        self.say(CALL_CONNECT_REQUEST + data(N.PAP, packet(1, 1, b"\x00\x00")))
        self.say(data(N.PAP, b"\x01"))
        self.ask()
        self.ask()
        self.ask(b"other")
        self.assertEqual((len(self.shown), self.answers()), (1, []))
        self.accept()
        self.ask()
        self.ask(b"other")
        self.assertEqual(self.answers(), [2, 2])
        self.assertEqual(self.call.ppp.user, b"alice")

    def test_refused(self) -> None:
        """A wrong password gets a Nak, and the call ends."""
        self.say(CALL_CONNECT_REQUEST)
        self.ask()
        self.perform(self.call.reject("login failed", 691, self.now))
        self.assertEqual((self.answers(), self.client.kinds[-1]), ([3], CALL_DISCONNECT))
        self.say(data(N.PAP, packet(1, 1, b"\x00\x00")))
