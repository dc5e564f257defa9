"""Tests for iphttps.core.sstp.ppp.ipcp; scapy builds the peer's requests."""

from __future__ import annotations

from scapy.layers.ppp import (
    PPP_IPCP,
    PPP_IPCP_Option,
    PPP_IPCP_Option_DNS1,
    PPP_IPCP_Option_DNS2,
    PPP_IPCP_Option_IPAddress,
    PPP_IPCP_Option_NBNS1,
    PPP_IPCP_Option_NBNS2,
)
from scapy.packet import Packet
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp.automaton import State
from iphttps.core.sstp.ppp.commands import Layer, Reason
from iphttps.core.sstp.ppp.ipcp import ClientIPCP, ServerIPCP, is_host
from tests.core.sstp.ppp.support import ACK, NAK, REJECT, REQUEST, answer, configure, dissected, opened, started

OWN, ASSIGNED, DNS, DNS2 = (bytes((10, 0, 0, last)) for last in (1, 2, 53, 54))
ZERO = bytes(4)


def ipcp(code: int, identifier: int, *options: Packet) -> bytes:
    """Build a packet of IPCP."""
    return bytes(PPP_IPCP(code=code, id=identifier, options=list(options)))


class ServerTests(SynchronousTestCase):
    """The server's side."""

    def answers(self, *asked: Packet, dns: tuple[bytes, ...] = (DNS,)) -> Packet:
        """Return what a server says to a request."""
        protocol = ServerIPCP(OWN, ASSIGNED, dns)
        started(protocol)
        (command,) = protocol.receive(ipcp(REQUEST, 5, *asked), 0.0)
        return dissected(command, PPP_IPCP)

    def options(self, *asked: Packet, dns: tuple[bytes, ...] = (DNS,)) -> tuple[int, list[tuple[int, str]]]:
        """Return its code, with type and value of each option."""
        packet = self.answers(*asked, dns=dns)
        return packet.code, [(each.type, each.data) for each in packet.options]

    def test_own_address(self) -> None:
        """The server announces its own address (RFC 1332 3.3)."""
        request = dissected(started(ServerIPCP(OWN, ASSIGNED)), PPP_IPCP)
        self.assertEqual([(3, "10.0.0.1")], [(each.type, each.data) for each in request.options])

    def test_address(self) -> None:
        """A request for 0.0.0.0 or a wrong address gets a Nak with the right one (RFC 1332 3.3)."""
        for wrong in ("0.0.0.0", "10.0.0.1", "192.0.2.1"):
            self.assertEqual((NAK, [(3, "10.0.0.2")]), self.options(PPP_IPCP_Option_IPAddress(data=wrong)))
        self.assertEqual((ACK, [(3, "10.0.0.2")]), self.options(PPP_IPCP_Option_IPAddress(data="10.0.0.2")))

    def test_claimed(self) -> None:
        """Another address that the client requests is assigned if the owner agrees; 0.0.0.0 is no request for one."""
        asked: list[bytes] = []

        def claim(address: bytes) -> bool:
            asked.append(address)
            return address == DNS2

        protocol = ServerIPCP(OWN, ASSIGNED, (), claim)
        started(protocol)
        for wanted, code in (("0.0.0.0", NAK), ("10.0.0.53", NAK), ("10.0.0.54", ACK), ("10.0.0.2", NAK)):
            (command,) = protocol.receive(ipcp(REQUEST, 5, PPP_IPCP_Option_IPAddress(data=wanted)), 0.0)
            self.assertEqual(code, dissected(command, PPP_IPCP).code, wanted)
        self.assertEqual([DNS, DNS2, ASSIGNED], asked)
        self.assertEqual(DNS2, protocol.assigned)

    def test_address_length(self) -> None:
        """An address of another length than 4 is answered by the right one (RFC 1661 6)."""
        for wrong in (b"", b"\x0a\x00\x00", ASSIGNED + b"\x00"):
            self.assertEqual(
                (NAK, [(3, "10.0.0.2")]), self.options(PPP_IPCP_Option(type=3, len=len(wrong) + 2, data=wrong))
            )

    def test_address_not_asked_for(self) -> None:
        """A client that requests no address gets it in a Nak, too (RFC 1661 5.3)."""
        self.assertEqual((NAK, [(3, "10.0.0.2")]), self.options())

    def test_dns(self) -> None:
        """DNS servers are told as far as there are some, and rejected beyond that (RFC 1877 1.1, 1.3)."""
        asked = (PPP_IPCP_Option_DNS1(data="0.0.0.0"), PPP_IPCP_Option_DNS2(data="0.0.0.0"))
        right = PPP_IPCP_Option_IPAddress(data="10.0.0.2")
        both = [(129, "10.0.0.53"), (131, "10.0.0.54")]
        self.assertEqual((NAK, both), self.options(right, *asked, dns=(DNS, DNS2)))
        self.assertEqual((REJECT, [(131, "0.0.0.0")]), self.options(right, *asked))
        self.assertEqual((NAK, [(129, "10.0.0.53")]), self.options(right, asked[0]))
        self.assertEqual((REJECT, [(129, "0.0.0.0"), (131, "0.0.0.0")]), self.options(right, *asked, dns=()))
        granted = (PPP_IPCP_Option_DNS1(data="10.0.0.53"), PPP_IPCP_Option_DNS2(data="10.0.0.54"))
        self.assertEqual((ACK, [(3, "10.0.0.2"), *both]), self.options(right, *granted, dns=(DNS, DNS2)))

    def test_rejected(self) -> None:
        """NBNS, header compression, the old option 1 and unknown options are rejected."""
        nbns = (PPP_IPCP_Option_NBNS1(data="0.0.0.0"), PPP_IPCP_Option_NBNS2(data="0.0.0.0"))
        self.assertEqual((REJECT, [(130, "0.0.0.0"), (132, "0.0.0.0")]), self.options(*nbns))
        for kind, value in ((1, OWN + ASSIGNED), (2, b"\x00\x2d\x0f\x01"), (4, OWN), (0, b""), (255, b"")):
            packet = self.answers(PPP_IPCP_Option(type=kind, len=len(value) + 2, data=value))
            self.assertEqual(configure(REJECT, 5, (kind, value)), bytes(packet))

    def test_not_negotiable(self) -> None:
        """The server keeps its own address whatever the peer suggests, but does not insist on telling it."""
        protocol = ServerIPCP(OWN, ASSIGNED)
        started(protocol)
        (request,) = protocol.receive(configure(NAK, 1, (3, DNS)), 0.0)
        self.assertEqual(configure(REQUEST, 2, (3, OWN)), request)
        self.assertEqual([configure(REQUEST, 3)], protocol.receive(configure(REJECT, 2, (3, OWN)), 0.0))


class ClientTests(SynchronousTestCase):
    """The client's side."""

    def test_asks(self) -> None:
        """The client asks for an address and two DNS servers, and takes those of the Nak."""
        client = ClientIPCP()
        request = dissected(started(client), PPP_IPCP)
        self.assertEqual([3, 129, 131], [each.type for each in request.options])
        self.assertEqual({"0.0.0.0"}, {each.data for each in request.options})
        right = ((3, ASSIGNED), (129, DNS), (131, DNS2))
        (again,) = client.receive(configure(NAK, 1, *right), 0.0)
        self.assertEqual(configure(REQUEST, 2, *right), again)
        client.receive(configure(ACK, 2, *right), 0.0)
        self.assertEqual([configure(ACK, 1, (3, OWN)), Layer.UP], client.receive(configure(REQUEST, 1, (3, OWN)), 0.0))
        self.assertEqual((ASSIGNED, OWN, [DNS, DNS2]), (client.address, client.peer_address, client.dns))

    def test_former_address(self) -> None:
        """A client that had an address asks for that."""
        client = ClientIPCP(ASSIGNED)
        self.assertEqual(configure(REQUEST, 1, (3, ASSIGNED), (129, ZERO), (131, ZERO)), started(client))

    def test_no_dns(self) -> None:
        """A client whose DNS options are rejected, or answered with nothing of use, has none."""
        client = ClientIPCP(ASSIGNED)
        started(client)
        (again,) = client.receive(configure(REJECT, 1, (131, ZERO), (131, ZERO)), 0.0)
        self.assertEqual(configure(REQUEST, 2, (3, ASSIGNED), (129, ZERO)), again)
        (again,) = client.receive(configure(NAK, 2, (129, b"\x01"), (131, DNS)), 0.0)
        self.assertEqual(configure(REQUEST, 3, (3, ASSIGNED), (129, ZERO)), again)
        self.assertEqual([], client.dns)

    def test_no_address(self) -> None:
        """A client that is granted 0.0.0.0, or whose request for an address is rejected, gives up."""
        for code in (ACK, REJECT):
            client = ClientIPCP()
            (command,) = client.receive(answer(started(client), code), 0.0)
            self.assertEqual(5, dissected(command).code)
            self.assertEqual((Reason.NO_ADDRESS, State.CLOSING), (client.reason, client.state))

    def test_server_asks(self) -> None:
        """A client has nothing to assign: it rejects what is more than the server's own address."""
        for option in ((3, ZERO), (3, b"\x01"), (129, ZERO), (2, b"")):
            client = ClientIPCP()
            started(client)
            self.assertEqual([configure(REJECT, 1, option)], client.receive(configure(REQUEST, 1, option), 0.0))

    def test_silent_server(self) -> None:
        """A server need not tell its address."""
        client = ClientIPCP(ASSIGNED)
        opened(client)
        self.assertEqual((ASSIGNED, None), (client.address, client.peer_address))

    def test_hosts(self) -> None:
        """An address is one that a host may have (RFC 1122 section 3.2.1.3)."""
        for address in (ASSIGNED, b"\xc6\x33\x64\1", b"\xdf\xff\xff\xfe"):
            self.assertTrue(is_host(address))
        for address in (ZERO, b"\0\0\0\1", b"\x7f\0\0\1", b"\xe0\0\0\1", b"\xff\xff\xff\xff"):
            self.assertFalse(is_host(address))

    def test_nak_of_nothing(self) -> None:
        """A Nak of 0.0.0.0 for the address ends IPCP; for a DNS server it says that there is none (RFC 1332 3.3)."""
        protocol = ClientIPCP()
        request = started(protocol)
        protocol.receive(configure(NAK, request[1], (3, ASSIGNED), (129, ZERO), (131, DNS2)), 0.0)
        self.assertEqual((ASSIGNED, [DNS2], None), (protocol.address, protocol.dns, protocol.reason))
        for wrong, reason in ((ZERO, Reason.NO_ADDRESS), (b"\x7f\0\0\1", Reason.WRONG_ADDRESS)):
            protocol = ClientIPCP()
            request = started(protocol)
            protocol.receive(configure(NAK, request[1], (3, wrong)), 0.0)
            self.assertEqual((State.CLOSING, reason), (protocol.state, protocol.reason))
