"""Tests for iphttps.core.sstp.client_call: whole calls, with our own server."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.failure import Stage
from iphttps.core.sstp.client_call import LinkDown, LinkUp, Negotiated
from iphttps.core.sstp.crypto_binding import HashProtocol
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.ppp.chap import Response, parse
from iphttps.core.sstp.ppp.client import SETTLE, IPv4Addresses, IPv6Identifiers
from iphttps.core.sstp.ppp.frame import ProtocolNumber, build
from iphttps.core.sstp.ppp.login import Login
from iphttps.core.sstp.ppp.mschapv2 import authenticator_response, nt_password_hash
from iphttps.core.sstp.ppp.server import IDENTIFIER, Offer
from iphttps.core.sstp.states import State
from tests.core.sstp.client_talk import ALICE, ClientTalk, client_call
from tests.core.sstp.ppp.support import ACK, NAK, REQUEST, configure, plain
from tests.core.sstp.scripted import ASSIGNED, DNS, MSCHAPV2, OFFER, OWN, PAP, SUGGESTED

M, S = MessageType, State
IPCP, IPV6CP, LCP = ProtocolNumber.IPCP, ProtocolNumber.IPV6CP, ProtocolNumber.LCP
IPV4 = IPv4Addresses(ASSIGNED, OWN, (DNS,))


class UpTests(SynchronousTestCase):
    """From the answer to the HTTP request to packets (3.2.1.1.1, 3.2.7)."""

    def test_up(self) -> None:
        """Request, PPP, the binding, both families: the link is up, and the server agrees (3.2.7.1)."""
        talk = ClientTalk()
        self.assertEqual((S.CLIENT_CALL_DISCONNECTED, Stage.SSTP, None), (talk.call.state, talk.call.stage, talk.link))
        talk.start()
        self.assertEqual((S.CLIENT_CALL_CONNECTED, S.SERVER_CALL_CONNECTED), (talk.call.state, talk.server.state))
        assert talk.link
        assert talk.link.ipv6
        self.assertEqual([LinkUp(IPV4, IPv6Identifiers(talk.link.ipv6.identifier, IDENTIFIER), 1400)], talk.said)
        self.assertEqual([M.CALL_CONNECT_REQUEST, M.CALL_CONNECTED], talk.messages)
        self.assertTrue(talk.call.data_passes)
        self.assertFalse(talk.call.ends)
        self.assertIsNone(talk.call.reason)
        self.assertEqual(60.0, talk.call.deadline)

    def test_negotiated(self) -> None:
        """Status shows method, MRU, compression and hash protocol once they are negotiated."""
        talk = ClientTalk()
        self.assertEqual(Negotiated(None, 1500, False, False, None, ()), talk.call.negotiated)
        talk.start()
        self.assertEqual(Negotiated("MS-CHAPv2", 1400, False, False, HashProtocol.SHA256, ()), talk.call.negotiated)

    def test_no_data_before_the_binding(self) -> None:
        """Data frames pass in Client_Call_Connected only (3.2.7.1, 3.2.7.2)."""
        states = set()

        def watch(number: int, packet: bytes) -> None:
            states.add((talk.call.state, talk.call.data_passes))

        talk = ClientTalk(edit=watch)
        talk.start()
        self.assertIn((S.CLIENT_CONNECT_ACK_RECEIVED, False), states)
        self.assertEqual({S.CLIENT_CALL_CONNECTED}, {state for state, passes in states if passes})

    def test_every_cut(self) -> None:
        """The server's stream may be cut anywhere."""
        whole: list[bytes] = []

        def record(number: int, packet: bytes) -> None:
            whole.append(packet)

        ClientTalk(edit=record).start()
        for at in range(1, 48):
            talk = ClientTalk()
            talk.serve(talk.server.start(0.0))
            talk.act(talk.call.start(0.0))
            while talk.to_client or talk.to_server:
                while talk.to_server:
                    talk.server_takes(talk.to_server.pop(0))
                data = b"".join(talk.to_client)
                talk.to_client.clear()
                for start in range(0, len(data), at):
                    talk.take(data[start : start + at])
            self.assertIsNotNone(talk.link, at)

    def test_hash_protocols(self) -> None:
        """SHA-256 is preferred; SHA-1 is used if one side allows nothing else (3.2.5.3.2)."""
        sha1, sha256 = HashProtocol.SHA1, HashProtocol.SHA256
        for (mine, theirs), chosen in {
            ((sha1, sha256), (sha1, sha256)): sha256,
            ((sha1,), (sha1, sha256)): sha1,
            ((sha1, sha256), (sha1,)): sha1,
            ((sha256,), (sha256,)): sha256,
        }.items():
            talk = ClientTalk(client_call(hashes=mine), hashes=theirs).start()
            self.assertIsNotNone(talk.link)
            self.assertIs(chosen, talk.call.negotiated.hash_protocol)

    def test_families(self) -> None:
        """A server may offer one family only; status shows the reason why the other is missing."""
        talk = ClientTalk(offer=Offer(OWN, ASSIGNED)).start()
        assert talk.link
        self.assertEqual((IPv4Addresses(ASSIGNED, OWN), None), (talk.link.ipv4, talk.link.ipv6))
        self.assertEqual((("IPv6", "the peer does not support the protocol"),), talk.call.negotiated.missing)
        talk = ClientTalk(offer=Offer(identifier=SUGGESTED)).start()
        assert talk.link
        self.assertIsNone(talk.link.ipv4)
        self.assertIsNotNone(talk.link.ipv6)

    def test_identifier(self) -> None:
        """A client that proposes the same interface identifier again has the same addresses (RFC 5072 section 4.1)."""
        mine = bytes(range(2, 10))
        talk = ClientTalk(client_call(identifier=mine))
        talk.start()
        assert talk.link
        self.assertEqual(IPv6Identifiers(mine, IDENTIFIER), talk.link.ipv6)

    def test_address(self) -> None:
        """A client requests the address that it had before, and takes what it gets (RFC 1332 section 3.3)."""
        asked: list[bytes] = []

        def claim(address: bytes) -> bool:
            asked.append(address)
            return address[3] == 7

        for last, given in ((7, 7), (8, ASSIGNED[3])):
            talk = ClientTalk(client_call(address=bytes((10, 99, 0, last))), offer=replace(OFFER, claim=claim))
            talk.start()
            assert talk.link
            assert talk.link.ipv4
            self.assertEqual(given, talk.link.ipv4.address[3])
        self.assertEqual({bytes((10, 99, 0, 7)), bytes((10, 99, 0, 8))}, set(asked))

    def test_silent_family(self) -> None:
        """The client gives up a family that the server does not negotiate within 10 s."""
        talk = ClientTalk(edit=lambda number, packet: () if number == IPV6CP else None).start()
        self.assertEqual(([], Stage.ADDRESSES), (talk.said, talk.call.stage))
        talk.wait(SETTLE - 0.5)
        self.assertEqual([], talk.said)
        talk.wait(1.0)
        self.assertEqual([LinkUp(IPV4, None, 1400)], talk.said)
        self.assertEqual((("IPv6", "the peer does not answer"),), talk.call.negotiated.missing)

    def test_late_addresses(self) -> None:
        """While neither family is open the client waits for both, longer than that."""
        silent = True
        talk = ClientTalk(edit=lambda number, packet: () if silent and number in (IPCP, IPV6CP) else None).start()
        talk.wait(SETTLE + 2.0)
        silent = False
        talk.wait(4.0)
        assert talk.link
        self.assertEqual(IPV4, talk.link.ipv4)
        self.assertIsNotNone(talk.link.ipv6)

    def test_pap(self) -> None:
        """With PAP, if it is allowed, the HLAK is zero, and the server accepts the binding (3.2.5.2.2)."""
        talk = ClientTalk(client_call(allow_pap=True), demanded=(PAP,)).start()
        self.assertIsNotNone(talk.link)
        self.assertEqual("PAP", talk.call.negotiated.authentication)

    def test_mschapv2_is_better(self) -> None:
        """The client asks for MS-CHAPv2 if the server accepts both methods, even if PAP is allowed."""
        talk = ClientTalk(client_call(allow_pap=True), demanded=(MSCHAPV2, PAP)).start()
        self.assertEqual("MS-CHAPv2", talk.call.negotiated.authentication)
        talk = ClientTalk(demanded=(PAP, MSCHAPV2)).start()
        self.assertEqual("MS-CHAPv2", talk.call.negotiated.authentication)

    def test_domain(self) -> None:
        """The user's name is sent as given; a Windows domain before it is not hashed (RFC 2759 section 8.2)."""
        talk = ClientTalk(client_call(Login(b"EXAMPLE\\alice", nt_password_hash("secret"))))
        talk.judges = False
        talk.start()
        self.assertEqual(b"EXAMPLE\\alice", talk.server.ppp.user)

    def test_odd_peer(self) -> None:
        """The client rejects callback and multilink, and accepts the other options, such as MRU 4091 (RFC 1661 6)."""
        asked = ((1, b"\x0f\xfb"), (3, MSCHAPV2.value), (5, b"abcd"), (7, b""), (8, b""))
        odd = ((13, b"\x06"), (17, b"\x06\x4e"), (19, b"\x01xyz"))

        def windows(number: int, packet: bytes) -> list[bytes] | None:
            if number == LCP and packet[0] == REQUEST:
                return [configure(REQUEST, packet[1] + 100, *asked, *odd), configure(REQUEST, packet[1], *asked)]
            return None

        talk = ClientTalk(edit=windows)
        talk.serve(talk.server.start(0.0))
        talk.act(talk.call.start(0.0))
        talk.server_takes(talk.to_server.pop(0))
        while talk.to_client:
            talk.take(talk.to_client.pop(0))
        answers = [each for each in talk.frames(LCP) if each[0] in (ACK, NAK, 4)]
        self.assertEqual([configure(4, 101, *odd), configure(ACK, 1, *asked)], answers)
        self.assertEqual(Negotiated("MS-CHAPv2", 4087, True, True, HashProtocol.SHA256, ()), talk.call.negotiated)

    def test_small_mru(self) -> None:
        """The MTU is the MRU of the server, if that is less than 1400 (RFC 1661 6.1)."""
        for mru, mtu in ((1280, 1280), (1399, 1399), (1452, 1400), (4091, 1400)):

            def smaller(number: int, packet: bytes, mru: int = mru) -> list[bytes] | None:
                if number == LCP and packet[0] == REQUEST:
                    return [packet[:6] + mru.to_bytes(2) + packet[8:]]
                return None

            talk = ClientTalk(edit=smaller)
            talk.owner.call = talk.server
            talk.serve(talk.server.start(0.0))
            talk.act(talk.call.start(0.0))
            talk.server_takes(talk.to_server.pop(0))
            while talk.to_client:
                talk.take(talk.to_client.pop(0))
            self.assertEqual(mtu, talk.call.ppp.mtu)

    def test_without_tls(self) -> None:
        """Without TLS there is no certificate, and its hash is zeros (3.2.7.2)."""
        talk = ClientTalk(client_call(certificate=b"")).start()
        connected = next(each for each in talk.sent if each[1] and each[5] == M.CALL_CONNECTED)
        self.assertEqual(bytes(32), connected[48:80])


class AgainTests(SynchronousTestCase):
    """The network layer of a link that is up changes."""

    def test_family_again(self) -> None:
        """If a family is negotiated again, the link goes down, and up again with the new result."""
        talk = ClientTalk().start()
        first = talk.link
        talk.ppp(IPCP, configure(REQUEST, 77, (3, OWN)))
        self.assertEqual([first, LinkDown(), first], talk.said)

    def test_family_gone(self) -> None:
        """A family that the server terminates is missing from then on."""
        talk = ClientTalk().start()
        assert talk.link
        talk.ppp(IPV6CP, plain(5, 9)).wait(4.0)
        self.assertEqual([LinkDown(), LinkUp(IPV4, None, 1400)], talk.said[1:])

    def test_challenged_again(self) -> None:
        """A server may challenge the client again; the new Success must have a valid S= (RFC 1994 section 4.1)."""
        talk = ClientTalk().start()
        responses = len(talk.frames(ProtocolNumber.CHAP))
        talk.answers = False
        talk.ppp(ProtocolNumber.CHAP, plain(1, 99, b"\x10" + b"c" * 16 + b"server"))
        self.assertEqual((responses + 1, False), (len(talk.frames(ProtocolNumber.CHAP)), talk.call.ends))
        talk.ppp(ProtocolNumber.CHAP, plain(3, 99, b"S=" + b"0" * 40))
        self.assertEqual(Stage.PPP, talk.reason.stage)
        self.assertEqual(LinkDown(), talk.said[-1])

    def test_proven_again(self) -> None:
        """A second valid Success changes nothing: the binding is from the first (3.2.7.1)."""
        talk = ClientTalk().start()
        said, messages = [*talk.said], talk.messages
        talk.answers = False
        talk.ppp(ProtocolNumber.CHAP, plain(1, 99, b"\x10" + b"c" * 16 + b"server"))
        response = parse(talk.frames(ProtocolNumber.CHAP)[-1])
        assert isinstance(response, Response)
        talk.ppp(ProtocolNumber.CHAP, plain(3, 99, authenticator_response(ALICE.nt_hash, b"c" * 16, response)))
        self.assertEqual((said, messages, False), (talk.said, talk.messages, talk.call.ends))

    def test_unknown_protocols(self) -> None:
        """CCP and unknown protocols get a Protocol-Reject (RFC 1661 5.7)."""
        talk = ClientTalk().start()
        for number in (ProtocolNumber.CCP, ProtocolNumber.EAP, 0x8053, 0xC029):
            talk.ppp(number, configure(REQUEST, 1))
            rejected = talk.frames(LCP)[-1]
            self.assertEqual((8, number), (rejected[0], int.from_bytes(rejected[4:6])))
        self.assertIsNotNone(talk.link)

    def test_oversize(self) -> None:
        """The answer to a frame longer than our MRU is not sent if it does not fit into a packet."""
        talk = ClientTalk().start()
        talk.call.ppp.lcp.peer_mru = 4200
        sent = len(talk.sent)
        talk.take(data_packet(build(0xC0FD, bytes(4000))))
        self.assertEqual(sent + 1, len(talk.sent))


class HeartbeatTests(SynchronousTestCase):
    """Echo and the Hello timer (3.1.2.3, 3.2.5.3.7)."""

    def test_echo(self) -> None:
        """An Echo Request is answered in Client_Call_Connected, and before, for servers that send it early."""
        echo, echoed = message(M.ECHO_REQUEST), message(M.ECHO_RESPONSE)
        talk = ClientTalk().start()
        talk.answers = False
        self.assertEqual(echoed, talk.tell(echo).sent[-1])
        for answers in (False, True):
            talk = ClientTalk(edit=lambda number, packet: () if number == LCP else None)
            talk.answers = answers
            talk.start()
            talk.answers = False  # the server has not asked
            talk.tell(echo)
            self.assertEqual((echoed, False), (talk.sent[-1], talk.call.ends))

    def test_hello(self) -> None:
        """After 60 s without a packet an Echo Request is sent; the server's answer counts as one (3.1.2.3)."""
        talk = ClientTalk().start()
        talk.server._machine.deadline = None  # so that its own Echo Request does not come first
        talk.call.heard(10.0)
        self.assertEqual(70.0, talk.call.deadline)
        talk.expire(69.0)
        self.assertNotIn(M.ECHO_REQUEST, talk.messages)
        talk.expire(70.0)
        self.assertEqual((M.ECHO_REQUEST, 130.0), (talk.messages[-1], talk.call.deadline))
        self.assertFalse(talk.call.ends)

    def test_unanswered(self) -> None:
        """Without a packet for another 60 s, the connection is dropped, and nothing is sent (3.1.2.3)."""
        talk = ClientTalk().start()
        talk.answers = False
        talk.server._machine.deadline = None
        talk.wait(119.0)
        self.assertEqual((M.ECHO_REQUEST, []), (talk.messages[-1], talk.dropped))
        talk.expire(120.0)
        self.assertEqual(M.ECHO_REQUEST, talk.messages[-1])
        self.assertEqual(["the server does not answer"], [each.sentence for each in talk.dropped])
        self.assertEqual((Stage.SSTP, "0x8007274C"), (talk.reason.stage, talk.reason.code))
        self.assertIsInstance(talk.said[-2], LinkDown)
