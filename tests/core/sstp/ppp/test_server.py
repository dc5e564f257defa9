"""Tests for iphttps.core.sstp.ppp.server: the phases of a link, packet by packet."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.packet import MAXIMUM_FRAME
from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.chap import Response
from iphttps.core.sstp.ppp.commands import Reason
from iphttps.core.sstp.ppp.frame import ADDRESS_AND_CONTROL, ProtocolNumber, build, parse
from iphttps.core.sstp.ppp.lcp import Authentication
from iphttps.core.sstp.ppp.mschapv2_authenticator import Verify
from iphttps.core.sstp.ppp.options import Option
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.core.sstp.ppp.server import (
    Command,
    Ended,
    IPv4Up,
    IPv6Up,
    NetworkDown,
    Offer,
    Phase,
    PPPServer,
)
from tests.core.sstp.ppp.support import ACK, CODE_REJECT, NAK, PROTOCOL_REJECT, REQUEST, answer, configure, plain
from tests.core.sstp.scripted import ASSIGNED, DNS, IDENTIFIER, MSCHAPV2, OFFER, OWN, PAP, SUGGESTED, numbers

LCP, CHAP, IPCP, IPV6CP = ProtocolNumber.LCP, ProtocolNumber.CHAP, ProtocolNumber.IPCP, ProtocolNumber.IPV6CP
SUCCESS = b"S=" + b"0" * 40
ALICE = AuthenticateRequest(1, b"alice", b"secret")


def packets(commands: Sequence[Command]) -> list[tuple[int, bytes]]:
    """Return the protocols and packets of the frames among commands."""
    found = [(each, parse(each)) for each in commands if isinstance(each, bytes)]
    return [(where[0], frame[where[1] :]) for frame, where in found if where]


def words(commands: Sequence[Command]) -> list[Command]:
    """Return the commands that are no frames."""
    return [each for each in commands if not isinstance(each, bytes)]


class LinkCase(SynchronousTestCase):
    """A server's side, and a client's packets."""

    def setUp(self) -> None:
        """Make a server that takes both kinds of authentication."""
        self.server = self.make(MSCHAPV2, PAP)

    def make(self, *demanded: Authentication) -> PPPServer:
        """Return a server that has not started."""
        return PPPServer(numbers(), b"server", demanded)

    def receive(self, number: int, packet: bytes, now: float = 0.0) -> list[Command]:
        """Have the server receive a packet."""
        return self.server.receive(build(number, packet), now)

    def established(self, *options: Option, authentication: Authentication = MSCHAPV2) -> list[Command]:
        """Have a client negotiate LCP with these options; return what the server then says."""
        self.server = self.make(authentication)
        ((number, request),) = packets(self.server.start(0.0))
        self.assertEqual((LCP, REQUEST, Phase.ESTABLISH), (number, request[0], self.server.phase))
        self.assertEqual([], self.receive(LCP, answer(request)))
        commands = self.receive(LCP, configure(REQUEST, 1, *options))
        self.assertIs(Phase.AUTHENTICATE, self.server.phase)
        return commands

    def authenticated(self, offer: Offer = OFFER) -> list[Command]:
        """Have a client authenticate itself; return what the server then says."""
        _, (_, challenge) = packets(self.established())
        commands = self.receive(CHAP, Response(challenge[1], bytes(16), bytes(24), b"alice").encode())
        self.assertIsInstance(commands[0], Verify)
        return self.server.accept(offer, 0.0, SUCCESS)

    def up(self) -> None:
        """Have a client bring both families up."""
        _, (_, ipcp), (_, ipv6cp) = packets(self.authenticated())
        self.receive(IPCP, answer(ipcp))
        self.assertEqual([IPv4Up(ASSIGNED)], words(self.receive(IPCP, configure(REQUEST, 1, (3, ASSIGNED)))))
        self.receive(IPV6CP, answer(ipv6cp))
        self.assertEqual([IPv6Up(IDENTIFIER)], words(self.receive(IPV6CP, configure(REQUEST, 1, (1, IDENTIFIER)))))


class PhaseTests(LinkCase):
    """The phases of RFC 1661 section 3.2."""

    def test_dead(self) -> None:
        """Before the start nothing is received, and no timer runs."""
        for frame in (build(LCP, configure(REQUEST, 1)), b"", b"\xff\x03", b"\xff\x03\xc0"):
            self.assertEqual([], self.server.receive(frame, 0.0))
        self.assertEqual((Phase.DEAD, None, []), (self.server.phase, self.server.deadline, self.server.expired(9.0)))
        self.assertEqual([], self.server.accept(OFFER, 0.0))

    def test_compressed(self) -> None:
        """Frames are compressed as the client has asked for, LCP's never (RFC 1661 6.5, 6.6)."""
        for options, start in (((), ADDRESS_AND_CONTROL + b"\xc2\x23"), (((8, b""), (7, b"")), b"\xc2\x23")):
            ack, challenge = self.established(*options)
            assert isinstance(ack, bytes)
            assert isinstance(challenge, bytes)
            self.assertEqual(ADDRESS_AND_CONTROL + b"\xc0\x21", ack[:4])
            self.assertEqual(start, challenge[: len(start)])

    def test_early(self) -> None:
        """IPCP and IPV6CP before authentication, and credentials before LCP, are silently discarded (RFC 1661 3.5)."""
        self.server.start(0.0)
        early = [(number, configure(REQUEST, 1)) for number in (IPCP, IPV6CP)]
        for number, packet in (
            *early,
            (CHAP, Response(1, bytes(16), bytes(24), b"a").encode()),
            (0xC023, ALICE.encode()),
        ):
            self.assertEqual([], self.receive(number, packet), number)
        for authentication in (MSCHAPV2, PAP):
            self.established(authentication=authentication)
            for number, packet in early:
                self.assertEqual([], self.receive(number, packet), number)
            self.assertIs(Phase.AUTHENTICATE, self.server.phase)

    def test_unknown(self) -> None:
        """Protocol-Reject, cut to what the client receives, and only while LCP is open (RFC 1661 5.7)."""
        for number in (0x80FD, 0xC227, 0xC029, 0x0000, 0xC022):
            self.established((1, (1280).to_bytes(2)))
            ((protocol, rejected),) = packets(self.receive(number, bytes(1400)))
            self.assertEqual((LCP, PROTOCOL_REJECT, 1280), (protocol, rejected[0], len(rejected)))
            self.assertEqual(number.to_bytes(2), rejected[4:6])

    def test_other_authentication(self) -> None:
        """The protocol that was not agreed on is rejected like an unknown one."""
        for authentication, other in ((MSCHAPV2, ProtocolNumber.PAP), (PAP, CHAP)):
            self.established(authentication=authentication)
            packet = ALICE.encode() if other == ProtocolNumber.PAP else Response(1, bytes(16), bytes(24), b"a").encode()
            ((_, rejected),) = packets(self.receive(other, packet))
            self.assertEqual((PROTOCOL_REJECT, False), (rejected[0], self.server.awaits_verdict))

    def test_longest(self) -> None:
        """No answer is longer than a data packet carries, whatever the client says that it receives."""
        for number, packet in ((LCP, plain(9, 1, bytes(4085))), (0x7F, bytes(4090)), (LCP, plain(77, 1, bytes(4085)))):
            self.established((1, b"\xff\xff"))
            for frame in self.server.receive(build(number, packet, acfc=True, pfc=True), 0.0):
                assert isinstance(frame, bytes)
                self.assertLessEqual(len(frame), MAXIMUM_FRAME)

    def test_close(self) -> None:
        """The owner may terminate the link in each phase; Ended follows the acknowledgement, or two time-outs."""
        for come in (self.established, self.authenticated, self.up):
            for acknowledged in (True, False):
                come()
                ((_, request),) = packets(self.server.close(1.0))
                self.assertEqual((5, Phase.TERMINATE), (request[0], self.server.phase))
                if acknowledged:
                    commands = self.receive(LCP, plain(6, request[1]))
                else:
                    self.assertEqual([], words(self.server.expired(4.0)))
                    commands = self.server.expired(7.0)
                self.assertEqual([Ended("PPP: it was closed on this side")], commands)
                self.assertIsNone(self.server.deadline)
        self.up()
        self.assertEqual([NetworkDown(IPCP), NetworkDown(IPV6CP)], words(self.server.close(1.0)))
        self.server = self.make(MSCHAPV2)
        self.server.start(0.0)
        self.server.close(1.0)
        self.assertIs(Phase.TERMINATE, self.server.phase)

    def test_peer_terminates(self) -> None:
        """The owner is told that the client has terminated the link, after the pause (RFC 1661 4.4)."""
        self.up()
        self.assertEqual([(LCP, plain(6, 8))], packets(self.receive(LCP, plain(5, 8), 1.0)))
        self.assertEqual([], self.server.expired(3.75))
        self.assertEqual([Ended("the client terminated the PPP link", peer=True)], self.server.expired(4.0))

    def test_over(self) -> None:
        """After the end no new negotiation leads anywhere."""
        self.authenticated()
        self.assertEqual([Ended("the client negotiates the PPP link again")],
                         words(self.receive(LCP, configure(REQUEST, 2))))  # fmt: skip
        self.assertIs(Phase.TERMINATE, self.server.phase)
        again = packets(self.server.expired(3.0))
        self.assertEqual([], words(self.receive(LCP, answer(again[0][1]), 3.0)))
        self.assertEqual((State.OPENED, Phase.TERMINATE), (self.server.lcp.state, self.server.phase))
        self.assertEqual([], self.receive(IPCP, configure(REQUEST, 1)))
        self.receive(LCP, configure(REQUEST, 3))
        self.assertIs(Phase.TERMINATE, self.server.phase)


class AuthenticationTests(LinkCase):
    """The exchange between client and owner."""

    def test_pap_repeated(self) -> None:
        """A repeated request, which has another Identifier, gets the same answer without a look (RFC 1334 2.2.1)."""
        number = ProtocolNumber.PAP
        self.established(authentication=PAP)
        self.assertEqual([ALICE], self.receive(number, ALICE.encode()))
        for packet in (AuthenticateRequest(2, b"alice", b"secret"), AuthenticateRequest(3, b"alice", b"other"),
                       AuthenticateRequest(4, b"bob", b"secret")):  # fmt: skip
            self.assertEqual([], self.receive(number, packet.encode()))
        self.assertEqual(b"alice", self.server.user)
        self.assertEqual((number, b"\x02\x02\x00\x05\x00"), packets(self.server.accept(OFFER, 0.0))[0])
        self.assertEqual([], self.receive(number, AuthenticateRequest(5, b"bob", b"secret").encode()))
        repeated = packets(self.receive(number, AuthenticateRequest(6, b"alice", b"secret").encode()))
        self.assertEqual([(number, b"\x02\x06\x00\x05\x00")], repeated)
        self.assertEqual([], self.receive(number, b"\x01\x07\x00\x03"))

    def test_rejected(self) -> None:
        """After the verdict nothing but the end is left; a repeated response is not answered."""
        _, (_, challenge) = packets(self.established())
        response = Response(challenge[1], bytes(16), bytes(24), b"bob").encode()
        self.receive(CHAP, response)
        commands = self.server.reject(0.0, 649, "the user is unknown")
        self.assertEqual([Ended("the user is unknown")], words(commands))
        ((number, failure),) = packets(commands)
        self.assertEqual((CHAP, 4, b"E=649 "), (number, failure[0], failure[4:10]))
        self.assertEqual([], self.receive(CHAP, response))
        for verdict in (self.server.reject(0.0, 691, "again"), self.server.accept(OFFER, 0.0, SUCCESS)):
            self.assertEqual([], verdict)

    def test_closing(self) -> None:
        """Credentials that come when the link is terminated are discarded."""
        self.established(authentication=PAP)
        self.server.close(1.0)
        self.assertEqual([], self.receive(ProtocolNumber.PAP, ALICE.encode()))

    def test_accepted_once(self) -> None:
        """A second verdict changes nothing; a repeated response gets Success again (RFC 1994 4.1)."""
        success = packets(self.authenticated())[0]
        self.assertEqual([], self.server.reject(0.0, 691, "too late"))
        self.assertEqual([], self.server.accept(OFFER, 0.0, SUCCESS))
        response = Response(1, bytes(16), bytes(24), b"alice").encode()
        self.assertEqual([success], packets(self.receive(CHAP, response)))
        self.assertIs(Phase.NETWORK, self.server.phase)

    def test_challenge_again(self) -> None:
        """The challenge is sent again in time, and the deadline is that of whatever comes first."""
        challenge = packets(self.established())[1]
        self.assertEqual(3.0, self.server.deadline)
        self.assertEqual([], self.server.expired(2.75))
        self.assertEqual([challenge], packets(self.server.expired(3.0)))

    def test_rejected_protocol(self) -> None:
        """A Protocol-Reject of the authentication protocol terminates the link (RFC 1661 5.7)."""
        for number in (CHAP, ProtocolNumber.PAP):
            self.established()
            ((_, request),) = packets(self.receive(LCP, plain(PROTOCOL_REJECT, 1, number.to_bytes(2))))
            self.assertEqual(5, request[0])
            self.assertEqual([Ended(f"PPP: {Reason.AUTHENTICATION_REFUSED.value}")],
                             self.receive(LCP, plain(6, request[1])))  # fmt: skip


class NetworkTests(LinkCase):
    """IPCP and IPV6CP."""

    def test_up(self) -> None:
        """Success, then both protocols begin with the addresses offered (RFC 1332, RFC 5072)."""
        (_, success), (ipcp, request), (ipv6cp, other) = packets(self.authenticated())
        self.assertEqual((3, IPCP, IPV6CP), (success[0], ipcp, ipv6cp))
        self.assertEqual((configure(REQUEST, 1, (3, OWN)), configure(REQUEST, 1, (1, bytes(7) + b"\1"))),
                         (request, other))  # fmt: skip
        nak = packets(self.receive(IPCP, configure(REQUEST, 5, (3, bytes(4)), (129, bytes(4)))))
        self.assertEqual([(IPCP, configure(NAK, 5, (3, ASSIGNED), (129, DNS)))], nak)
        nak = packets(self.receive(IPV6CP, configure(REQUEST, 5, (1, bytes(8)))))
        self.assertEqual([(IPV6CP, configure(NAK, 5, (1, SUGGESTED)))], nak)

    def test_down_and_up(self) -> None:
        """A client that negotiates IPCP again is down in between (RFC 1661 4.3)."""
        self.up()
        commands = self.receive(IPCP, configure(REQUEST, 2, (3, ASSIGNED)))
        self.assertEqual([NetworkDown(IPCP)], words(commands))
        request = packets(commands)[0][1]
        self.assertEqual([IPv4Up(ASSIGNED)], words(self.receive(IPCP, answer(request))))

    def test_nameless(self) -> None:
        """A client that refuses to name an interface identifier has the one suggested; an assertion failed here."""
        _, _, (_, request) = packets(self.authenticated())
        self.receive(IPV6CP, answer(request))
        codes = []
        for identifier in range(1, 7):
            commands = self.receive(IPV6CP, configure(REQUEST, identifier))
            codes.append(packets(commands)[0][1][0])
        self.assertEqual([NAK] * 5 + [ACK], codes)
        self.assertEqual([IPv6Up(SUGGESTED)], words(commands))

    def test_rejected(self) -> None:
        """Nothing more of a protocol that was rejected is sent, not even Terminate-Request (RFC 1661 5.7)."""
        for number in (IPCP, ProtocolNumber.IPV4):
            self.up()
            commands = self.receive(LCP, plain(PROTOCOL_REJECT, 1, number.to_bytes(2) + b"\x01\x01\x00\x04"))
            self.assertEqual([NetworkDown(IPCP)], commands)
            self.assertEqual(PROTOCOL_REJECT, packets(self.receive(IPCP, configure(REQUEST, 2)))[0][1][0])
            commands = self.receive(LCP, plain(PROTOCOL_REJECT, 2, IPV6CP.to_bytes(2)))
            ended = Ended("PPP: neither IPv4 nor IPv6 is left: the peer does not support the protocol")
            self.assertEqual([NetworkDown(IPV6CP), ended], commands)
            self.assertIs(Phase.TERMINATE, self.server.phase)
            self.assertIsNone(self.server.deadline)

    def test_rejected_unknown(self) -> None:
        """A Protocol-Reject of what was never sent changes nothing."""
        self.up()
        for number in (0x80FD, 0x4021, 0x0000):
            self.assertEqual([], self.receive(LCP, plain(PROTOCOL_REJECT, 1, number.to_bytes(2))))
        self.assertIs(Phase.NETWORK, self.server.phase)

    def test_code_reject(self) -> None:
        """A client that does not know Configure-Request of IPCP has no IPv4 (RFC 1661 5.6)."""
        self.authenticated()
        self.assertEqual([], self.receive(IPCP, plain(CODE_REJECT, 1, b"\x01\x01\x00\x04")))
        self.assertEqual(PROTOCOL_REJECT, packets(self.receive(IPCP, configure(REQUEST, 2)))[0][1][0])

    def test_silent(self) -> None:
        """A client that answers neither IPCP nor IPV6CP is out in the end."""
        self.authenticated()
        found: list[Command] = []
        while (deadline := self.server.deadline) is not None:
            found += words(self.server.expired(deadline))
        self.assertEqual([Ended("PPP: neither IPv4 nor IPv6 is left: the peer does not answer")], found)
        self.assertEqual(Phase.TERMINATE, self.server.phase)

    def test_terminated(self) -> None:
        """A client that terminates IPv4 keeps IPv6."""
        self.up()
        commands = self.receive(IPCP, plain(5, 9))
        self.assertEqual([NetworkDown(IPCP)], words(commands))
        self.assertEqual([(IPCP, plain(6, 9))], packets(commands))
        self.assertEqual([], self.server.expired(3.0))
        self.assertIs(Phase.NETWORK, self.server.phase)
