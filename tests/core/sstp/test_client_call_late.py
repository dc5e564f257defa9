"""Tests for iphttps.core.sstp.client_call: servers that misbehave after the login, and the end of a link."""

from __future__ import annotations

from iphttps.core.failure import FailureReason, Stage
from iphttps.core.sstp.attributes import NO_ERROR, StatusInfo
from iphttps.core.sstp.client_call import Drop, LinkDown
from iphttps.core.sstp.codec import Frame
from iphttps.core.sstp.packet import MessageType, message
from iphttps.core.sstp.ppp.frame import ProtocolNumber
from iphttps.core.sstp.ppp.server import Offer
from iphttps.core.sstp.states import State
from tests.core.sstp.calls import ABORT, ACK, DISCONNECT, DISCONNECT_ACK, NAK, aborted
from tests.core.sstp.client_talk import ClientTalk, EndCase, client_call, instead
from tests.core.sstp.ppp.support import NAK as PPP_NAK
from tests.core.sstp.ppp.support import REJECT, REQUEST, configure, plain
from tests.core.sstp.scripted import ASSIGNED, OWN

M, S = MessageType, State
IPCP, IPV6CP, LCP = ProtocolNumber.IPCP, ProtocolNumber.IPV6CP, ProtocolNumber.LCP
NOTHING = bytes(4)


def unanswered() -> ClientTalk:
    """Return a call whose server has accepted the login, and sends nothing of IPCP and IPV6CP."""
    return ClientTalk(edit=lambda number, packet: () if number in (IPCP, IPV6CP) else None).start()


class BindingTests(EndCase):
    """The crypto binding (3.2.5.2)."""

    def test_another_certificate(self) -> None:
        """A server with another certificate than the client saw aborts; the sentence names the cause (3.3.5.2.3)."""
        talk = ClientTalk(client_call(certificate=b"that of a man in the middle")).start()
        self.assertEqual(StatusInfo(3, 4), talk.server._machine.sent_status)
        self.assert_ends(talk, Stage.BINDING, "619", "crypto binding", "certificate", "man in the middle")

    def test_aborted_then(self) -> None:
        """A server that aborts for another reason, or disconnects, is reported so, at the stage of the attempt."""
        for packet, words in {
            message(M.CALL_ABORT, StatusInfo(0, 8).build()): "aborted the call: the negotiation takes too long",
            DISCONNECT: "the server disconnected",
        }.items():
            self.assert_ends(unanswered().tell(packet), Stage.BINDING, "619", words)
            answered = unanswered().ppp(IPCP, configure(PPP_NAK, 1, (3, ASSIGNED)))
            self.assert_ends(answered.tell(packet), Stage.ADDRESSES, "619", words)

    def test_closed_then(self) -> None:
        """The stage is the binding until the server answers a request that follows Call Connected (3.2.7.1)."""
        for number, packet in (
            (IPCP, configure(REQUEST, 1)),  # a server may send its own request before it has verified the binding
            (IPCP, b""),
            (LCP, plain(9, 1, bytes(4))),
            (ProtocolNumber.CHAP, plain(2, 1)),
        ):
            talk = unanswered().ppp(number, packet)
            talk.act(talk.call.receive(Frame(b"\xff\x03"), 0.0))
            self.assertIs(Stage.BINDING, talk.call.stage)
            talk.act(talk.call.lost(0.0))
            sentence = "the connection was lost before the server answered Call Connected"
            self.assertEqual(FailureReason(Stage.BINDING, sentence, "0x80072746"), talk.reason)
        for number, packet in (
            *((each, configure(code, 1, (3, ASSIGNED))) for each in (IPCP, IPV6CP) for code in (2, PPP_NAK, REJECT)),
            (LCP, plain(8, 1, b"\x80\x57\x01\x01\x00\x04")),
        ):
            talk = unanswered().ppp(number, packet)
            talk.act(talk.call.lost(0.0))
            self.assertEqual((Stage.ADDRESSES, "the connection was lost"), (talk.reason.stage, talk.reason.sentence))


class AddressTests(EndCase):
    """Failures of IPCP and IPV6CP."""

    def test_nothing(self) -> None:
        """A server that offers neither family (RFC 1661 5.7)."""
        talk = ClientTalk(offer=Offer()).start()
        self.assert_ends(talk, Stage.ADDRESSES, "720", "neither an IPv4 nor an IPv6 address", "does not support")

    def test_silence(self) -> None:
        """A server that answers neither family: PPP's restart timer gives up after 30 s (RFC 1661 4.6)."""
        talk = ClientTalk(edit=lambda number, packet: () if number in (IPCP, IPV6CP) else None).start().wait(31.0)
        self.assert_ends(talk, Stage.ADDRESSES, "720", "IPv4: the peer does not answer; IPv6: the peer does not answer")

    def addressed(self, code: int, address: bytes, *words: str) -> None:
        """Assert the end of a call whose server answers IPCP's request in this way, and has no IPv6."""
        talk = ClientTalk(
            offer=Offer(OWN, ASSIGNED),
            edit=lambda number, packet: (
                [configure(code, packet[1], (3, address))] if number == IPCP and packet[0] in (2, 3) else None
            ),
        )
        talk.start().wait(10.0)
        self.assert_ends(talk, Stage.ADDRESSES, "738", *words)

    def test_no_address(self) -> None:
        """A Nak of 0.0.0.0, or a Configure-Reject of the address: no address (RFC 1332 3.3)."""
        for code in (PPP_NAK, REJECT):
            self.addressed(code, NOTHING, "IPv4: the peer assigns no address")

    def test_wrong_address(self) -> None:
        """An address that no host can have is not accepted (RFC 1122 section 3.2.1.3)."""
        for address in (b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xff\xff\xff\xff", b"\0\0\0\1"):
            self.addressed(PPP_NAK, address, "an address that no host may have")

    def test_acked_nothing(self) -> None:
        """A server that grants 0.0.0.0 has assigned nothing."""

        def grants_anything(number: int, packet: bytes) -> list[bytes] | None:
            asked = [each for each in talk.frames(IPCP) if each[0] == REQUEST]
            return [plain(2, packet[1], asked[-1][4:])] if number == IPCP and packet[0] == PPP_NAK else None

        talk = ClientTalk(offer=Offer(OWN, ASSIGNED), edit=grants_anything)
        talk.start().wait(10.0)
        self.assert_ends(talk, Stage.ADDRESSES, "738", "assigns no address")

    def test_one_is_enough(self) -> None:
        """One family is enough for a link."""
        edit = instead(IPCP, PPP_NAK, lambda packet: configure(PPP_NAK, packet[1], (3, NOTHING)))
        talk = ClientTalk(edit=edit).start().wait(8.0)
        assert talk.link
        self.assertIsNone(talk.link.ipv4)
        self.assertEqual((("IPv4", "the peer assigns no address"),), talk.call.negotiated.missing)

    def test_odd_neighbors(self) -> None:
        """Addresses that no host can have are ignored, for the server and for DNS servers."""
        talk = ClientTalk(offer=Offer(b"\xe0\0\0\1", ASSIGNED, (b"\x7f\0\0\1", OWN))).start()
        assert talk.link
        assert talk.link.ipv4
        self.assertEqual((None, (OWN,)), (talk.link.ipv4.peer, talk.link.ipv4.dns))

    def test_no_dns(self) -> None:
        """A Nak of 0.0.0.0 means no DNS server (RFC 1877)."""

        def without(packet: bytes) -> bytes:
            return configure(PPP_NAK, packet[1], (3, ASSIGNED), (129, NOTHING), (131, NOTHING))

        naks = iter([without])
        talk = ClientTalk(
            offer=Offer(OWN, ASSIGNED),
            edit=lambda number, packet: (
                [each(packet) for each in naks] or None if number == IPCP and packet[0] == REJECT else None
            ),
        )
        talk.start()
        assert talk.link
        assert talk.link.ipv4
        self.assertEqual((ASSIGNED, ()), (talk.link.ipv4.address, talk.link.ipv4.dns))


class LinkTests(EndCase):
    """The ends of a link that is up: LinkDown comes before the Drop."""

    def test_disconnected_by_server(self) -> None:
        """Call Disconnect is acknowledged, and 1 s later the connection is closed (3.1.2.2, 3.2.5.3.5)."""
        talk = ClientTalk().start()
        talk.serve(talk.server.disconnect("the administrator wants it", 0.0))
        talk.run()
        self.assertEqual((DISCONNECT_ACK, LinkDown(), 1.0), (talk.sent[-1], talk.said[-1], talk.call.deadline))
        self.assert_ends(talk, Stage.SSTP, "629", "the server disconnected")

    def test_aborted_by_server(self) -> None:
        """Call Abort is answered; it is not about the crypto binding, which the server has accepted (3.2.5.3.4)."""
        for status in (NO_ERROR, StatusInfo(3, 4)):
            talk = ClientTalk().start().tell(message(M.CALL_ABORT, status.build()))
            self.assertEqual((ABORT, LinkDown()), (talk.sent[-1], talk.said[-1]))
            self.assert_ends(talk, Stage.SSTP, "629", "the server aborted the call")

    def test_disconnected(self) -> None:
        """The owner disconnects: the server acknowledges it, and the connection is closed at once (3.2.4.2)."""
        talk = ClientTalk().start()
        talk.act(talk.call.disconnect("this client stops", 0.0))
        self.assertEqual((DISCONNECT, [LinkDown()]), (talk.sent[-1], talk.said[1:]))
        talk.run()
        self.assertEqual([LinkDown(), Drop(FailureReason(Stage.SSTP, "this client stops"))], talk.said[1:])
        self.assert_ends(talk, Stage.SSTP, None, "this client stops")

    def test_disconnected_early(self) -> None:
        """The owner may disconnect during the negotiation; when the call ends already, it changes nothing (3.2.4.2)."""
        talk = ClientTalk(edit=lambda number, packet: () if number == LCP else None)
        talk.start()
        talk.act(talk.call.disconnect("this client stops", 0.0))
        self.assertEqual([], talk.call.disconnect("it has stopped", 0.0))
        talk.run()
        self.assert_ends(talk, Stage.PPP, None, "this client stops")

    def test_lost(self) -> None:
        """The connection is lost: nothing is sent, the link is down, the reason is known (3.1.7.2)."""
        talk = ClientTalk().start()
        sent = len(talk.sent)
        talk.act(talk.call.lost(0.0))
        self.assertEqual((sent, [LinkDown()]), (len(talk.sent), talk.said[1:]))
        self.assertEqual(FailureReason(Stage.SSTP, "the connection was lost", "0x80072746"), talk.reason)
        self.assertEqual((S.CLIENT_CALL_DISCONNECTED, True), (talk.call.state, talk.call.ends))
        talk.act(talk.call.lost(1.0))
        self.assertEqual([LinkDown()], talk.said[1:])

    def test_lost_at_the_end(self) -> None:
        """If the connection is lost while a call ends, the first reason is kept."""
        talk = ClientTalk().start().tell(DISCONNECT)
        talk.act(talk.call.lost(0.5))
        self.assertEqual("the server disconnected", talk.reason.sentence)
        self.assertEqual([], talk.dropped)

    def test_wrong_messages(self) -> None:
        """Call Connect ACK and NAK abort a call that is up (3.2.5.3.2, 3.2.5.3.3)."""
        for packet in (ACK, NAK, message(M.CALL_CONNECT_ACK)):
            talk = ClientTalk().start().tell(packet)
            self.assertIn(aborted(0, 5).packet, talk.sent)
            self.assert_ends(talk, Stage.SSTP, "629", "a message that this state does not accept")

    def test_terminated(self) -> None:
        """A server that terminates PPP: the link is down at once, and the call ends (RFC 1661 5.5)."""
        talk = ClientTalk().start()
        talk.answers = False
        talk.ppp(LCP, plain(5, 9))
        self.assertEqual(LinkDown(), talk.said[-1])
        talk.wait(4.0)
        self.assert_ends(talk, Stage.PPP, "734", "the server terminated the PPP link")

    def test_families_gone(self) -> None:
        """Protocol-Rejects of the data of both families end the call (RFC 1661 5.7)."""
        talk = ClientTalk().start()
        talk.ppp(LCP, plain(8, 1, b"\x00\x21abc")).ppp(LCP, plain(8, 2, b"\x00\x57abc"))
        self.assert_ends(talk, Stage.PPP, "720", "neither an IPv4 nor an IPv6 address")

    def test_nothing_passes(self) -> None:
        """While a call ends, frames are dropped (3.2.7.2)."""
        talk = ClientTalk().start().tell(DISCONNECT)
        sent = len(talk.sent)
        talk.ppp(LCP, configure(REQUEST, 1)).ppp(LCP, plain(9, 1, bytes(4)))
        self.assertEqual(sent, len(talk.sent))
