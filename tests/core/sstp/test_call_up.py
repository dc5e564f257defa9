"""Tests for iphttps.core.sstp.call: calls up to the point where data passes, with a client made of our own parts."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.sstp import states
from iphttps.core.sstp.call import Drop
from iphttps.core.sstp.codec import ControlPacket, Frame
from iphttps.core.sstp.crypto_binding import HashProtocol, call_connected, certificate_hash
from iphttps.core.sstp.packet import MessageType, message
from iphttps.core.sstp.ppp import chap
from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.core.sstp.ppp.server import IPv4Up, IPv6Up, Phase
from tests.core.sstp.scripted import ASSIGNED, DNS, IDENTIFIER, MSCHAPV2, OWN, PAP, Client, Talk

M, S = MessageType, states.State
SHA1, SHA256 = HashProtocol
ABORTED = "the server aborted the call: the crypto binding is wrong: "


class EstablishmentTests(SynchronousTestCase):
    """Calls that succeed."""

    def assert_up(self, talk: Talk) -> None:
        """Assert that data passes, that both families are up, and that nothing has ended."""
        self.assertEqual(
            (S.SERVER_CALL_CONNECTED, True, ""), (talk.call.state, talk.call.data_passes, talk.call.ending)
        )
        self.assertEqual([IPv4Up(ASSIGNED)], talk.heard(IPv4Up))
        self.assertEqual([IPv6Up(IDENTIFIER)], talk.heard(IPv6Up))
        self.assertEqual((Phase.NETWORK, b"alice"), (talk.call.ppp.phase, talk.call.ppp.user))
        client = talk.client
        self.assertEqual((ASSIGNED, OWN, [DNS]), (client.ipcp.address, client.ipcp.peer_address, client.ipcp.dns))
        self.assertEqual([State.OPENED] * 2, [each.state for each in client.networks.values()])
        self.assertEqual([(M.CALL_CONNECT_ACK, None)], talk.messages)
        self.assertEqual([], talk.dropped)
        self.assertTrue(talk.passes())

    def test_up(self) -> None:
        """Each authentication with each hash: Call Connected before the end of authentication or after (3.3.7.1)."""
        for authentication, protocol, when in product((MSCHAPV2, PAP), HashProtocol, ("early", "late")):
            talk = Talk(Client(offered=(authentication,), protocol=protocol, connects=when)).start()
            self.assert_up(talk)
            self.assertEqual(authentication is MSCHAPV2, any(talk.client.hlak))
            self.assertIs(authentication is PAP, isinstance(talk.said[0], AuthenticateRequest))

    def test_late_verdict(self) -> None:
        """The owner may take its time: a Call Connected that has come before the verdict is held (3.3.5.2.3)."""
        for authentication, when in product((MSCHAPV2, PAP), ("early", "late")):
            talk = Talk(Client(offered=(authentication,), connects=when))
            talk.judges = False
            talk.start()
            self.assertEqual((1, S.SERVER_CALL_CONNECTED_PENDING), (len(talk.said), talk.call.state))
            self.assertTrue(talk.call.ppp.awaits_verdict)
            self.assertFalse(talk.passes())
            talk.wait(25.0).judge()
            self.assert_up(talk.run())
            self.assertFalse(talk.call.ppp.awaits_verdict)

    def test_domain(self) -> None:
        """The name is the owner's to read; what is hashed is the name without its domain."""
        talk = Talk(Client("EXAMPLE\\alice")).start()
        self.assertEqual((b"EXAMPLE\\alice", "the password is wrong"), (talk.call.ppp.user, talk.call.ending))

    def test_either_hash(self) -> None:
        """A server that offers one hash is content with it (2.2.6)."""
        for protocol in HashProtocol:
            talk = Talk(Client(protocol=protocol), hashes=(protocol,)).start()
            self.assert_up(talk)
            self.assertEqual(protocol, talk.client.received[0].data[15])

    def test_lost_frames(self) -> None:
        """What the client does not answer is sent again: LCP, the challenge, IPCP (RFC 1661 4.6, RFC 1994 4.1)."""
        for number in (ProtocolNumber.LCP, ProtocolNumber.CHAP, ProtocolNumber.IPCP):
            talk = Talk()
            talk.client.mute.add(number)
            talk.start()
            self.assertEqual(3.0, talk.call.deadline)
            talk.wait(2.75)
            self.assertEqual(1, [each[0] for each in talk.frames(number)].count(1))
            talk.wait(0.25)
            self.assertEqual(2, [each[0] for each in talk.frames(number)].count(1))
            talk.client.mute.clear()
            self.assert_up(talk.wait(3.0))


class GateTests(SynchronousTestCase):
    """What passes when (3.3.7.1, 3.3.7.2)."""

    def test_shut(self) -> None:
        """Without Call Connected no data passes, though PPP is up (3.3.5.2.3)."""
        talk = Talk(Client(connects="never")).start()
        self.assertEqual([IPv4Up(ASSIGNED)], talk.heard(IPv4Up))
        self.assertFalse(talk.passes())
        self.assertIs(S.SERVER_CALL_CONNECTED_PENDING, talk.call.state)
        self.assertEqual(1, talk.codec.drops[DropReason.NOT_CONNECTED])
        talk.say(talk.client.connected())
        self.assertTrue(talk.passes())

    def test_no_authentication(self) -> None:
        """A client that binds without having authenticated itself gets nowhere, whatever key it takes."""
        for protocol in HashProtocol:
            talk = Talk(Client(protocol=protocol, connects="never"))
            talk.client.mute.add(ProtocolNumber.CHAP)
            talk.start().say(talk.client.connected())
            self.assertEqual(S.SERVER_CALL_CONNECTED_PENDING, talk.call.state)
            self.assertFalse(talk.passes())

    def test_before_request(self) -> None:
        """Frames that come before Call Connect Request are discarded (3.3.7.2)."""
        talk = Talk()
        talk.perform(talk.call.start(0.0))
        talk.ppp(ProtocolNumber.LCP, b"\x01\x01\x00\x04")
        self.assertEqual(([], []), (talk.said, talk.client.received))
        self.assertEqual(60.0, talk.call.deadline)

    def test_after_the_end(self) -> None:
        """Frames and verdicts that come when the call is ending are discarded, and no timer of PPP runs on."""
        talk = Talk()
        talk.client.mute.add(M.CALL_DISCONNECT)
        talk.judges = False
        talk.start()
        talk.perform(talk.call.disconnect("closed by the operator", 1.0))
        received = len(talk.client.received)
        talk.ppp(ProtocolNumber.LCP, b"\x09\x01\x00\x08\x00\x00\x00\x00")
        talk.ppp(0x80FD, b"\x01\x01\x00\x04")
        talk.judge()
        self.assertEqual((received, 6.0), (len(talk.client.received), talk.call.deadline))
        self.assertEqual((Phase.AUTHENTICATE, []), (talk.call.ppp.phase, talk.call.reject("late", 691, 1.0)))
        talk = Talk()
        talk.client.mute.update((ProtocolNumber.CHAP, M.CALL_DISCONNECT))
        talk.start()
        talk.perform(talk.call.disconnect("closed by the operator", 1.0))
        talk.ppp(ProtocolNumber.CHAP, chap.Response(1, bytes(16), bytes(24), b"alice").encode())
        self.assertEqual([], talk.said)
        talk.expire(6.0)
        self.assertEqual(([Drop("closed by the operator")], 3.0), (talk.said, talk.call.ppp.deadline))

    def test_eap_and_ccp(self) -> None:
        """Protocols that the server does not have get a Protocol-Reject, once LCP is open (RFC 1661 5.7)."""
        for number in (ProtocolNumber.EAP, ProtocolNumber.CCP, ProtocolNumber.COMPRESSED):
            talk = Talk()
            talk.client.mute.add(ProtocolNumber.LCP)
            talk.start().ppp(number, b"\x01\x02\x00\x04")
            self.assertNotIn(8, [each[0] for each in talk.frames(ProtocolNumber.LCP)])
            talk = Talk().start().ppp(number, b"\x01\x02\x00\x04")
            rejected = talk.frames(ProtocolNumber.LCP)[-1]
            self.assertEqual((8, number.to_bytes(2) + b"\x01\x02\x00\x04"), (rejected[0], rejected[4:]))
            self.assertTrue(talk.passes())


class DenialTests(SynchronousTestCase):
    """Clients that are not admitted."""

    def test_denied(self) -> None:
        """A wrong password and an unknown user: Failure or Nak, then the call is disconnected (3.3.7.1)."""
        for authentication, user, when in product((MSCHAPV2, PAP), ("alice", "mallory"), ("early", "late")):
            password = "secret" if user == "mallory" else "Secret"
            talk = Talk(Client(user, password, (authentication,), connects=when)).start()
            self.assertEqual(user.encode(), talk.call.ppp.user)
            self.assertEqual([(M.CALL_CONNECT_ACK, None), (M.CALL_DISCONNECT, (0, 0))], talk.messages)
            self.assertEqual([Drop("the password is wrong")], talk.dropped)
            self.assertEqual(([], []), (talk.heard(IPv4Up), talk.frames(ProtocolNumber.IPCP)))
            self.assertFalse(talk.passes())
            order = [isinstance(each, ControlPacket) for each in talk.client.received[-2:]]
            self.assertEqual([False, True], order)
            if authentication is MSCHAPV2:
                result = chap.parse(talk.frames(ProtocolNumber.CHAP)[-1])
                assert isinstance(result, chap.Result)
                self.assertEqual((False, b"E=691 R=0"), (result.succeeded, result.message[:9]))
            else:
                self.assertEqual(b"\x03\x07\x00\x05\x00", talk.frames(ProtocolNumber.PAP)[-1])

    def test_verdict_too_late(self) -> None:
        """A verdict that comes when the connection is gone, or PPP is, changes nothing."""
        ways = ("lost", "disconnected", "terminated")
        for user, ends, when in product(("alice", "mallory"), ways, ("early", "late")):
            talk = Talk(Client(user, connects=when))
            talk.judges = False
            talk.start()
            if ends == "lost":
                talk.perform(talk.call.lost(1.0))
            elif ends == "disconnected":
                talk.say(message(M.CALL_DISCONNECT))
            else:
                talk.ppp(ProtocolNumber.LCP, b"\x05\x07\x00\x04")
            received, state = list(talk.client.received), talk.call.state
            self.assertEqual([], talk.verdict(talk.verdicts[0]))
            self.assertEqual((received, state), (talk.client.received, talk.call.state))
            self.assertEqual([], talk.heard(IPv4Up))

    def test_verdict_of_other_credentials(self) -> None:
        """A verdict is never taken for that of later credentials: whoever starts again before it comes is out."""
        talk = Talk(Client("mallory"))
        talk.judges = False
        talk.start()
        first = talk.verdicts[0]
        talk.client.user = b"alice"
        talk.ppp(ProtocolNumber.LCP, b"\x01\x70\x00\x04")
        self.assertEqual([first], talk.verdicts)
        self.assertEqual("the client negotiates the PPP link again", talk.call.ending)
        self.assertEqual([], talk.verdict(first))

    def test_no_common_authentication(self) -> None:
        """A client that accepts no authentication protocol is told apart (RFC 1661 6.2)."""
        talk = Talk(Client(offered=())).start().wait(10.0)
        self.assertEqual([Drop("PPP: the peer accepts no authentication protocol of ours")], talk.dropped)


class BindingTests(SynchronousTestCase):
    """The crypto binding, and everything that may be wrong with it (3.3.5.2.3)."""

    def wrong(self, authentication: object = MSCHAPV2, **changes: object) -> Talk:
        """Return a call whose client gets as far as Call Connected, and sends a wrong one."""
        talk = Talk(Client(connects="never", offered=(PAP,) if authentication is PAP else (MSCHAPV2,))).start()
        protocol = changes.get("protocol", SHA256)
        assert isinstance(protocol, HashProtocol)
        for name in ("nonce", "certificate", "hlak"):
            if name in changes:
                setattr(talk.client, name, changes[name])
        talk.client.protocol = protocol
        return talk.say(talk.client.connected())

    def assert_aborted(self, talk: Talk, words: str) -> None:
        """Assert a Call Abort with VALUE_NOT_SUPPORTED on the attribute Crypto Binding, and these words."""
        self.assertEqual([(M.CALL_CONNECT_ACK, None), (M.CALL_ABORT, (3, 4))], talk.messages)
        self.assertEqual(ABORTED + words, talk.call.ending)
        self.assertFalse(talk.passes())
        talk.wait(1.0)
        self.assertEqual([Drop(ABORTED + words)], talk.dropped)

    def test_nonce(self) -> None:
        """The nonce of another connection; the MAC is right for it."""
        for authentication in (MSCHAPV2, PAP):
            talk = self.wrong(authentication, nonce=bytes(32))
            self.assert_aborted(talk, "its nonce is not that of this connection")

    def test_certificate(self) -> None:
        """The hash of another certificate: a man in the middle."""
        for authentication, protocol in product((MSCHAPV2, PAP), HashProtocol):
            talk = self.wrong(authentication, certificate=b"another", protocol=protocol)
            self.assert_aborted(talk, "the client saw another certificate: TLS ends somewhere in between")

    def test_mac(self) -> None:
        """A MAC of another key, for one the key of a connection without authentication."""
        for hlak in (bytes(32), b"k" * 32):
            self.assert_aborted(self.wrong(hlak=hlak), "its MAC does not prove the client's keys")
        self.assert_aborted(self.wrong(PAP, hlak=b"k" * 32), "its MAC does not prove the client's keys")

    def test_several(self) -> None:
        """All that is wrong is told."""
        self.assert_aborted(
            self.wrong(nonce=bytes(32), hlak=bytes(32)),
            "its nonce is not that of this connection and its MAC does not prove the client's keys",
        )

    def test_hash_protocol(self) -> None:
        """A hash protocol that was not offered, and one that does not exist."""
        words = "its hash protocol was not offered"
        self.assert_aborted(Talk(Client(protocol=SHA1), hashes=(SHA256,)).start(), words)
        for number in (0, 3, 4, 255):
            talk = Talk(Client(connects="never")).start()
            right = talk.client.connected()
            self.assert_aborted(talk.say(right[:15] + bytes((number,)) + right[16:]), words)

    def test_each_bit(self) -> None:
        """A change of any bit of nonce, hash and MAC is found, and lets no data pass."""
        for position in range(16, 112):
            talk = Talk(Client(connects="never")).start()
            changed = bytearray(talk.client.connected())
            changed[position] ^= 1 << position % 8
            talk.say(bytes(changed))
            self.assertEqual((M.CALL_ABORT, (3, 4)), talk.messages[-1])
            self.assertFalse(talk.call.data_passes)

    def test_no_binding(self) -> None:
        """A Call Connected without a binding is another fault: ATTRIB_NOT_SUPPORTED_IN_MSG (3.3.5.2.3)."""
        talk = Talk(Client(connects="never")).start().say(message(M.CALL_CONNECTED))
        self.assertEqual((M.CALL_ABORT, (2, 9)), talk.messages[-1])
        words = "the server aborted the call: an attribute that this message does not have"
        self.assertEqual(words, talk.call.ending)

    def test_replay(self) -> None:
        """The Call Connected of another call of the same user is of no use, neither with MS-CHAPv2 nor with PAP."""
        for authentication in (MSCHAPV2, PAP):
            recorded = Talk(Client(connects="never", offered=(authentication,))).start()
            talk = Talk(Client(connects="never", offered=(authentication,)), first=500).start()
            self.assertNotEqual(recorded.client.nonce, talk.client.nonce)
            talk.say(recorded.client.connected())
            self.assertEqual((M.CALL_ABORT, (3, 4)), talk.messages[-1])
            self.assertIn("its nonce is not that of this connection", talk.call.ending)

    def test_relayed(self) -> None:
        """A man in the middle who relays PPP cannot make a binding for his own connection ([MS-SSTP] 5.1)."""
        talk = Talk(Client(connects="never")).start()
        forged = call_connected(bytes(32), talk.client.nonce, certificate_hash(b"the certificate", SHA256), SHA256)
        self.assert_aborted(talk.say(forged), "its MAC does not prove the client's keys")

    def test_once(self) -> None:
        """A second Call Connected is not acceptable, also while the first is held (3.3.5.2.3)."""
        talk = Talk(Client(connects="early"))
        talk.judges = False
        talk.start().say(talk.client.connected())
        self.assertEqual((M.CALL_ABORT, (0, 5)), talk.messages[-1])
        self.assertEqual("the server aborted the call: a message that this state does not accept", talk.call.ending)
        talk.judge()
        self.assertFalse(talk.call.data_passes)


class ItemTests(SynchronousTestCase):
    """What is no packet of any kind."""

    def test_empty(self) -> None:
        """A frame without a protocol, and a control packet without a type, do no harm before the start."""
        talk = Talk()
        self.assertEqual([], talk.call.receive(Frame(b""), 0.0))
        self.assertEqual([], talk.call.receive(ControlPacket(b"\x10\x01\x00\x04"), 0.0))
        self.assertEqual((S.SERVER_CALL_DISCONNECTED, None), (talk.call.state, talk.call.deadline))
