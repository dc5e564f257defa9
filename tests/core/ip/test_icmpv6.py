"""Tests for iphttps.core.ip.icmpv6; scapy is the witness."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    ICMPv6Unknown,
    IPv6,
)
from scapy.packet import Packet, Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import icmpv6, ipv6
from tests.support import (
    ALL_NODES,
    NO_NEXT_HEADER,
    PRIVATE_HOST,
    SERVER,
    UNSPECIFIED,
    address,
    behind,
    packet,
    redirect,
    solicitation,
    udp,
)

NOBODY = "2001:db8:2::d"


class MessageTests(SynchronousTestCase):
    """The building of messages."""

    @given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=100))
    def test_message(self, kind: int, code: int, body: bytes) -> None:
        """A message is type, code, checksum and body, behind an IPv6 header (RFC 4443 section 2.1)."""
        message = ICMPv6Unknown(type=kind, code=code, msgbody=body)
        expected = bytes(IPv6(src=SERVER, dst=PRIVATE_HOST, hlim=255, nh=58) / message)
        self.assertEqual(expected, icmpv6.message(kind, code, body, address(SERVER), address(PRIVATE_HOST)))

    def test_hop_limit(self) -> None:
        """Neighbor Discovery needs Hop Limit 255; other messages have their own (RFC 4861 section 4)."""
        sent = icmpv6.message(128, 0, bytes(4), address(SERVER), address(PRIVATE_HOST), hop_limit=64)
        self.assertEqual(packet(SERVER, PRIVATE_HOST, ICMPv6EchoRequest(), hlim=64), sent)


class AddressUnreachableTests(SynchronousTestCase):
    """The error for a packet whose destination nobody has."""

    def answered(self, sent: bytes) -> bytes | None:
        """Return the error."""
        return icmpv6.address_unreachable(sent, address(SERVER))

    def silent(self, sent: bytes) -> None:
        """Assert that the packet is answered by no error."""
        self.assertIsNone(self.answered(sent))

    def error(self, source: str, **header: Any) -> Packet:
        """Return the beginning of the error for a packet from `source`."""
        return IPv6(src=SERVER, dst=source, hlim=64, **header) / ICMPv6DestUnreach(code=3)

    def test_whole(self) -> None:
        """Type 1, code 3, to the source, with four unused bytes and the packet itself (RFC 4443 section 3.1)."""
        for sent in (udp(PRIVATE_HOST, NOBODY), packet(PRIVATE_HOST, NOBODY, ICMPv6EchoRequest(data=b"ping"))):
            self.assertEqual(bytes(self.error(PRIVATE_HOST) / Raw(sent)), self.answered(sent))

    def test_cut(self) -> None:
        """It has as much of the packet as does not make it exceed the least MTU, 1280 (RFC 4443 section 3.1)."""
        for length in (1280 - 48 - 1, 1280 - 48, 1280 - 48 + 1, 1280, 1500, 65575):
            sent = ipv6.packet(address(PRIVATE_HOST), address(NOBODY), NO_NEXT_HEADER, bytes(length - 40))
            error = self.answered(sent)
            assert error is not None
            self.assertEqual(min(1280, 48 + length), len(error), length)
            self.assertEqual(bytes(self.error(PRIVATE_HOST) / Raw(sent[: 1280 - 48])), error)

    def test_least_packet(self) -> None:
        """A header alone is a packet too, and is answered (RFC 8200 section 4.7)."""
        sent = ipv6.packet(address(PRIVATE_HOST), address(NOBODY), NO_NEXT_HEADER, b"")
        self.assertEqual(bytes(self.error(PRIVATE_HOST) / Raw(sent)), self.answered(sent))

    def test_errors(self) -> None:
        """An ICMPv6 error MUST NOT be answered by another, known or not (RFC 4443 section 2.4 (e.1))."""
        inner = Raw(udp(NOBODY, PRIVATE_HOST))
        kinds = (ICMPv6DestUnreach(), ICMPv6PacketTooBig(), ICMPv6TimeExceeded(), ICMPv6ParamProblem())
        for message in (*kinds, ICMPv6Unknown(type=127), ICMPv6Unknown(type=0)):
            self.silent(packet(PRIVATE_HOST, NOBODY, message / inner, nh=58))

    def test_redirects(self) -> None:
        """A Redirect MUST NOT be answered by an error (RFC 4443 section 2.4 (e.2))."""
        self.silent(redirect(PRIVATE_HOST, NOBODY, SERVER, PRIVATE_HOST))

    def test_informational(self) -> None:
        """Informational messages are answered like any packet (RFC 4443 section 2.1)."""
        for message in (ICMPv6EchoRequest(), ICMPv6EchoReply(), ICMPv6Unknown(type=255), ICMPv6MLReport2()):
            sent = packet(PRIVATE_HOST, NOBODY, message, nh=58)
            self.assertEqual(bytes(self.error(PRIVATE_HOST) / Raw(sent)), self.answered(sent))
        self.assertIsNotNone(self.answered(solicitation(PRIVATE_HOST, NOBODY, NOBODY)))

    def test_nothing_behind_the_header(self) -> None:
        """An ICMPv6 packet without a type could be an error, and is not answered (RFC 4443 section 2.4)."""
        self.silent(ipv6.packet(address(PRIVATE_HOST), address(NOBODY), ipv6.ICMPV6, b""))

    def test_hidden_errors(self) -> None:
        """An error behind extension headers MUST NOT be answered either (RFC 4443 section 2.4 (e.1))."""
        error = packet(PRIVATE_HOST, NOBODY, ICMPv6TimeExceeded() / Raw(udp(NOBODY, PRIVATE_HOST)))
        for number in sorted(ipv6.EXTENSION_HEADERS):
            self.silent(behind(error, (number, bytes(7))))

    def test_multicast(self) -> None:
        """A packet to a multicast address MUST NOT be answered by this error (RFC 4443 section 2.4 (e.3))."""
        self.silent(udp(PRIVATE_HOST, "ff0e::1"))

    def test_source(self) -> None:
        """A packet whose source is not one node's address MUST NOT be answered (RFC 4443 section 2.4 (e.6))."""
        for source in (UNSPECIFIED, ALL_NODES):
            self.silent(udp(source, NOBODY))


class PacketTooBigTests(SynchronousTestCase):
    """The error for a packet that is longer than the MTU of the link that it would take."""

    def test_error(self) -> None:
        """It says the MTU, and has as much of the packet as fits into 1280 bytes (RFC 4443 section 3.2)."""
        sent = packet(PRIVATE_HOST, NOBODY, Raw(bytes(1360)), nh=17)
        expected = packet(SERVER, PRIVATE_HOST, ICMPv6PacketTooBig(mtu=1300) / Raw(sent[:1232]), hlim=64)
        self.assertEqual(expected, icmpv6.packet_too_big(sent, address(SERVER), 1300))

    def test_none(self) -> None:
        """Multicast and errors get none (section 2.4 (e))."""
        sent = packet(PRIVATE_HOST, NOBODY, ICMPv6PacketTooBig() / Raw(bytes(1360)))
        self.assertIsNone(icmpv6.packet_too_big(sent, address(SERVER), 1300))
        self.assertIsNone(icmpv6.packet_too_big(udp(PRIVATE_HOST, ALL_NODES), address(SERVER), 1300))
