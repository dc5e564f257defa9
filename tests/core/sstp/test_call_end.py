"""Tests for iphttps.core.sstp.call: how calls end, who has ended them and why, and the timers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.attributes import Status, StatusInfo, encapsulated_protocol
from iphttps.core.sstp.call import Drop
from iphttps.core.sstp.codec import ControlPacket
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.server import IPv4Up, IPv6Up, NetworkDown, Offer, Phase
from iphttps.core.sstp.states import State
from tests.core.sstp.scripted import ASSIGNED, IDENTIFIER, OFFER, OWN, PAP, Client, Talk

M, S = MessageType, State
LCP, IPCP, IPV6CP = ProtocolNumber.LCP, ProtocolNumber.IPCP, ProtocolNumber.IPV6CP
NOT_ANSWERED = (M.CALL_ABORT, M.CALL_DISCONNECT, M.ECHO_REQUEST)


def silent(*numbers: int) -> Talk:
    """Return a call that is up, with a client that does not answer these; if none are given, no message of the end."""
    talk = Talk().start()
    talk.client.mute.update(numbers or NOT_ANSWERED)
    return talk


class EndCase(SynchronousTestCase):
    """Assertions about the end of a call."""

    def assert_ended(self, talk: Talk, words: str, *messages: tuple[MessageType, tuple[int, int] | None]) -> None:
        """Assert that the connection is dropped with these words, after these messages to the client and no others."""
        self.assertEqual([Drop(words)], talk.dropped)
        self.assertEqual((words, True), (talk.call.ending, talk.call.ends))
        self.assertEqual([(M.CALL_CONNECT_ACK, None), *messages], talk.messages)
        self.assertEqual((S.SERVER_CALL_DISCONNECTED, None), (talk.call.state, talk.call.deadline))
        self.assertFalse(talk.passes())
        talk.perform(talk.call.lost(talk.now))
        talk.perform(talk.call.disconnect("too late", talk.now))
        self.assertEqual((words, 1), (talk.call.ending, len(talk.dropped)))
        if messages:  # 3.3.7.1: no frame follows the last of them
            self.assertIsInstance(talk.client.received[-1], ControlPacket)


class DisconnectTests(EndCase):
    """Call Disconnect (3.1.1.1.2)."""

    def test_operator(self) -> None:
        """The operator's words are the reason; the client's acknowledgement drops the connection at once (3.1.2.2)."""
        talk = Talk().start()
        talk.perform(talk.call.disconnect("disconnected by the operator", 5.0))
        self.assertFalse(talk.call.data_passes)
        talk.run()
        self.assert_ended(talk, "disconnected by the operator", (M.CALL_DISCONNECT, (0, 0)))

    def test_operator_unacknowledged(self) -> None:
        """Without the acknowledgement the connection is dropped after five seconds (3.1.6)."""
        talk = silent()
        talk.perform(talk.call.disconnect("disconnected by the operator", 0.0))
        self.assertEqual([], talk.wait(4.75).dropped)
        self.assert_ended(talk.wait(0.25), "disconnected by the operator", (M.CALL_DISCONNECT, (0, 0)))

    def test_client(self) -> None:
        """The client's Call Disconnect is acknowledged; a second later the connection is dropped (3.1.2.2)."""
        said = message(M.CALL_DISCONNECT, StatusInfo(0, Status.NO_ERROR).build())
        for packet in (message(M.CALL_DISCONNECT), said):
            talk = Talk().start().say(packet)
            self.assertEqual("the client disconnected", talk.call.ending)
            self.assertEqual([], talk.wait(0.75).dropped)
            self.assert_ended(talk.wait(0.25), "the client disconnected", (M.CALL_DISCONNECT_ACK, None))

    def test_client_with_status(self) -> None:
        """What the client says is told, also a status that nobody knows."""
        for status, words in ((6, "too many attempts"), (77, "status 77")):
            talk = Talk().start().say(message(M.CALL_DISCONNECT, StatusInfo(0, status).build())).wait(1.0)
            self.assert_ended(talk, f"the client disconnected: {words}", (M.CALL_DISCONNECT_ACK, None))

    def test_both(self) -> None:
        """If both disconnect at once, the reason is that of the server, which was first to say so."""
        talk = silent()
        talk.perform(talk.call.disconnect("disconnected by the operator", 0.0))
        talk.say(message(M.CALL_DISCONNECT)).wait(1.0)
        self.assert_ended(
            talk, "disconnected by the operator", (M.CALL_DISCONNECT, (0, 0)), (M.CALL_DISCONNECT_ACK, None)
        )


class AbortTests(EndCase):
    """Call Abort (3.1.1.1.1), lost connections and streams that are not SSTP."""

    def test_client(self) -> None:
        """The client's Call Abort is answered; its status is the reason."""
        for status, words in ((0, ""), (4, ": a value that is not supported"), (1 << 31, ": status 2147483648")):
            talk = Talk().start().say(message(M.CALL_ABORT, StatusInfo(3, status).build())).wait(1.0)
            self.assert_ended(talk, f"the client aborted the call{words}", (M.CALL_ABORT, (0, 0)))
        talk = Talk().start().say(message(M.CALL_ABORT)).wait(1.0)
        self.assert_ended(talk, "the client aborted the call", (M.CALL_ABORT, (0, 0)))

    def test_unaccepted(self) -> None:
        """A message in the wrong state: the server has aborted the call, though the client aborts it too (3.3.5.2)."""
        talk = Talk().start().say(message(M.CALL_CONNECT_REQUEST, encapsulated_protocol())).wait(1.0)
        words = "the server aborted the call: a message that this state does not accept"
        self.assert_ended(talk, words, (M.CALL_ABORT, (0, 5)))

    def test_invalid(self) -> None:
        """A message that is none (3.3.5.2.1), and a client that does not answer the Call Abort: three seconds."""
        talk = silent().say(bytes.fromhex("10010008 000a 0000"))
        self.assertEqual([], talk.wait(2.75).dropped)
        self.assert_ended(talk.wait(0.25), "the server aborted the call: an invalid message", (M.CALL_ABORT, (0, 7)))

    def test_retries(self) -> None:
        """A client whose requests are all unacceptable (3.3.5.2.2)."""
        talk = Talk()
        talk.perform(talk.call.start(0.0))
        talk.say(*[message(M.CALL_CONNECT_REQUEST, encapsulated_protocol(2))] * 4).wait(1.0)
        self.assertEqual([(M.CALL_CONNECT_NAK, (1, 4))] * 3 + [(M.CALL_ABORT, (2, 6))], talk.messages)
        self.assertEqual([Drop("the server aborted the call: too many attempts")], talk.dropped)

    def test_lost(self) -> None:
        """The connection is lost: nothing is sent, nor dropped (3.1.7.2)."""
        talk = Talk().start()
        self.assertEqual([], talk.call.lost(1.0))
        self.assertEqual(("the connection was lost", None), (talk.call.ending, talk.call.deadline))

    def test_lost_while_ending(self) -> None:
        """A connection that is lost while the call ends has not ended it."""
        talk = silent().say(message(M.CALL_DISCONNECT))
        self.assertEqual([], talk.call.lost(1.0))
        self.assertEqual("the client disconnected", talk.call.ending)

    def test_undelineable(self) -> None:
        """A stream that is not SSTP is dropped without a message (3.1.5.1)."""
        talk = Talk().start().say(b"GET / HTTP/1.1\r\n")
        self.assert_ended(talk, "the client's stream cannot be delineated into SSTP packets")


class TimerTests(EndCase):
    """Timers (3.1.2, 3.3.2.1)."""

    def test_hello(self) -> None:
        """After a minute of silence comes Echo Request, and each answer starts another minute (3.1.2.3)."""
        talk = Talk().start().wait(59.75)
        self.assertEqual([(M.CALL_CONNECT_ACK, None)], talk.messages)
        talk.wait(0.25)
        self.assertEqual((M.ECHO_REQUEST, None), talk.messages[-1])
        talk.wait(600.0)
        self.assertEqual(([], ""), (talk.dropped, talk.call.ending))
        self.assertEqual(11, talk.messages.count((M.ECHO_REQUEST, None)))
        self.assertTrue(talk.passes())

    def test_unanswered(self) -> None:
        """Without anything in the next minute the connection is dropped, without Call Abort (3.1.2.3)."""
        talk = silent().wait(119.75)
        self.assertEqual([], talk.dropped)
        self.assert_ended(talk.wait(0.25), "the client does not answer", (M.ECHO_REQUEST, None))

    def test_heard(self) -> None:
        """Data that comes, and a frame of PPP, are an answer too."""
        talk = silent().wait(100.0)
        talk.call.heard(100.0)
        self.assertEqual(160.0, talk.call.deadline)
        talk.wait(10.0).ppp(LCP, b"\x09\x01\x00\x08\x00\x00\x00\x00")
        self.assertEqual(170.0, talk.call.deadline)

    def test_echo(self) -> None:
        """The client's Echo Request is answered at once, and its LCP echo too (3.3.5.2.7, RFC 1661 5.8)."""
        talk = Talk().start().say(message(M.ECHO_REQUEST))
        self.assertEqual((M.ECHO_RESPONSE, None), talk.messages[-1])
        talk.ppp(LCP, b"\x09\x05\x00\x0c\x00\x00\x00\x00ping")
        reply = talk.frames(LCP)[-1]
        self.assertEqual((b"\x0a\x05\x00\x0c", b"ping"), (reply[:4], reply[8:]))
        self.assertTrue(talk.passes())

    def test_no_request(self) -> None:
        """A client that never asks for a call (3.3.2.1)."""
        talk = Talk()
        talk.perform(talk.call.start(0.0))
        talk.wait(59.75)
        self.assertEqual([], talk.messages)
        talk.wait(0.25)
        self.assertEqual([(M.CALL_ABORT, (0, 8))], talk.messages)
        words = "the server aborted the call: it has waited too long for a Call Connect Request that it can accept"
        self.assertEqual([Drop(words)], talk.wait(1.0).dropped)

    def late(self, talk: Talk, words: str) -> None:
        """Assert that the negotiation timer aborts the call, with these words (3.3.6)."""
        self.assertEqual([(M.CALL_CONNECT_ACK, None)], talk.wait(59.75).messages)
        talk.wait(1.25)
        words = f"the server aborted the call: it has waited too long for {words}"
        self.assert_ended(talk, words, (M.CALL_ABORT, (0, 8)))

    def test_no_call_connected(self) -> None:
        """A client that is authenticated and never binds."""
        self.late(Talk(Client(connects="never")).start(), "Call Connected")

    def test_no_credentials(self) -> None:
        """A client that never says who it is: with PAP nothing else would end that."""
        talk = Talk(Client(offered=(PAP,)))
        talk.client.proven = True
        self.late(talk.start(), "the client; PPP: authenticating")

    def test_no_verdict(self) -> None:
        """An owner that never judges: it is not the client's fault."""
        talk = Talk(Client(connects="early"))
        talk.judges = False
        self.late(talk.start(), "the verdict on the client's credentials")


class PPPTests(EndCase):
    """Ends that PPP brings about (3.3.7.1)."""

    def test_silent(self) -> None:
        """A client that does not negotiate LCP, or does not answer the challenge, is out after thirty seconds."""
        for number, words in ((LCP, "PPP: the peer does not answer"),
                              (ProtocolNumber.CHAP, "PPP: the peer does not answer the challenge")):  # fmt: skip
            talk = Talk()
            talk.client.mute.add(number)
            talk.start().wait(29.75)
            self.assertEqual("", talk.call.ending)
            self.assert_ended(talk.wait(0.25), words, (M.CALL_DISCONNECT, (0, 0)))

    def test_terminate_request(self) -> None:
        """The client's Terminate-Request is acknowledged, and ends the call after a pause (RFC 1661 3.7, 4.4)."""
        talk = Talk().start().ppp(LCP, b"\x05\x07\x00\x04")
        self.assertEqual(b"\x06\x07\x00\x04", talk.frames(LCP)[-1])
        self.assertEqual([NetworkDown(IPCP), NetworkDown(IPV6CP)], talk.heard(NetworkDown))
        self.assertEqual((Phase.TERMINATE, []), (talk.call.ppp.phase, talk.dropped))
        talk.wait(3.0)
        self.assert_ended(talk, "the client terminated the PPP link", (M.CALL_DISCONNECT, (0, 0)))

    def test_terminated_and_disconnected(self) -> None:
        """Usually Call Disconnect follows at once."""
        talk = Talk().start().ppp(LCP, b"\x05\x07\x00\x04").say(message(M.CALL_DISCONNECT)).wait(1.0)
        self.assert_ended(talk, "the client disconnected", (M.CALL_DISCONNECT_ACK, None))

    def test_negotiated_again(self) -> None:
        """LCP anew before the credentials: all begins again. After authentication it ends the call."""
        talk = Talk()
        talk.client.mute.add(ProtocolNumber.CHAP)
        talk.start()
        self.assertIs(Phase.AUTHENTICATE, talk.call.ppp.phase)
        talk.client.mute.clear()
        talk.ppp(LCP, b"\x01\x70\x00\x04")
        self.assertTrue(talk.passes())
        first, second = talk.frames(ProtocolNumber.CHAP)[:2]
        self.assertNotEqual(first[1], second[1])  # RFC 1994 4.1
        self.assertNotEqual(first[5:21], second[5:21])
        talk.ppp(LCP, b"\x01\x71\x00\x04")
        self.assertEqual([NetworkDown(IPCP), NetworkDown(IPV6CP)], talk.heard(NetworkDown))
        self.assert_ended(talk, "the client negotiates the PPP link again", (M.CALL_DISCONNECT, (0, 0)))

    def test_one_rejected(self) -> None:
        """A client without IPv4 has IPv6, and the other way round (RFC 1661 5.7)."""
        for number in (IPCP, IPV6CP):
            talk = Talk()
            talk.client.refused.add(number)
            del talk.client.networks[number]
            talk.start()
            self.assertEqual(("", True), (talk.call.ending, talk.call.data_passes))
            self.assertEqual([IPv6Up(IDENTIFIER) if number == IPCP else IPv4Up(ASSIGNED)], talk.said[1:])
            self.assertEqual(1, len(talk.frames(number)))

    def test_both_rejected(self) -> None:
        """A client with neither is out."""
        talk = Talk()
        talk.client.refused.update((IPCP, IPV6CP))
        talk.client.networks.clear()
        talk.start()
        words = "PPP: neither IPv4 nor IPv6 is left: the peer does not support the protocol"
        self.assert_ended(talk, words, (M.CALL_DISCONNECT, (0, 0)))

    def test_not_offered(self) -> None:
        """What the client is not offered is rejected, and the other family works."""
        for offer, number in ((Offer(OWN, ASSIGNED), IPV6CP), (Offer(identifier=OFFER.identifier), IPCP)):
            talk = Talk(offer=offer).start()
            self.assertEqual(number.to_bytes(2), talk.frames(LCP)[-1][4:6])
            self.assertEqual([], talk.frames(number))
            self.assertEqual(2, len(talk.said), talk.said)
            self.assertTrue(talk.call.data_passes)

    def test_longest(self) -> None:
        """The answer to the longest packet of LCP fits into a data packet: nothing desynchronizes the stream."""
        echo = b"\x09\x01" + (4089).to_bytes(2) + bytes(4085)
        unknown = b"\x7f" + bytes(4090)
        options = b"\x01\x09" + (4089).to_bytes(2) + (b"\x63\xff" + bytes(253)) * 16 + b"\x63\x05abc"
        for frame in (LCP.to_bytes(2) + echo, unknown, LCP.to_bytes(2) + options):
            talk = Talk().start().say(data_packet(frame), message(M.ECHO_REQUEST))
            self.assertEqual((None, b""), (talk.client.codec.end, talk.client.codec._held))
            self.assertEqual((M.ECHO_RESPONSE, None), talk.messages[-1])
