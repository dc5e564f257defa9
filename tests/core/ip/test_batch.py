"""Tests for iphttps.core.ip.batch."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import EMPTY, Batch, Framer, malformed
from tests.support import echo, every_cut, packet, udp


def _whole(first: int, rest: bytes, payload: bytes) -> bytes:
    return bytes((0x60 | first,)) + rest[:3] + len(payload).to_bytes(2, "big") + rest[3:] + payload


PACKETS = st.builds(_whole, st.integers(0, 15), st.binary(min_size=37, max_size=37), st.binary(max_size=300))
RUBBISH = st.builds(
    lambda first, rest: bytes((first,)) + rest,
    st.integers(0, 255).filter(lambda first: first >> 4 != 6),
    st.binary(max_size=100),
)

NO_PAYLOAD = packet("fe80::a", "fe80::1", Raw(b""), nh=59)
SAMPLE = [udp("2001:db8:2::a", "2001:db8:1::5"), NO_PAYLOAD, echo("fe80::a", "fe80::1")]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut the stream at places anywhere, which may coincide and so make empty pieces."""
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


def fed(framer: Framer, pieces: Iterable[bytes]) -> list[bytes]:
    """Feed the pieces, and return the packets that come out."""
    return [found for piece in pieces for found in framer.feed(piece)]


LONGEST = 40 + 0xFFFF
"""The longest packet that a Payload Length can announce, in bytes (RFC 8200 section 3)."""


class BatchTests(SynchronousTestCase):
    """Runs of packets."""

    def test_end_to_end(self) -> None:
        """Packets laid end to end are the HTTP entity body (3.1.5.3)."""
        batch = Batch.of(iter(SAMPLE))
        self.assertEqual(b"".join(SAMPLE), batch.data)
        self.assertEqual(SAMPLE, list(batch))
        self.assertEqual(len(SAMPLE), len(batch))

    def test_joined(self) -> None:
        """Batches laid end to end are one batch of the same packets; one alone stays as it is."""
        first, second, third = Batch.of(SAMPLE[:2]), Batch.of(SAMPLE[2:]), Batch.of(SAMPLE)
        self.assertEqual(Batch.of(SAMPLE * 2), Batch.joined([first, second, third]))
        self.assertIs(first, Batch.joined([first]))

    def test_portions(self) -> None:
        """A batch is cut into portions of the same packets, in order, each a batch like any other."""
        batch = Batch.of(SAMPLE * 3)
        for most in (1, 2, 4, len(batch), 2 * len(batch)):
            portions = list(batch.portions(most))
            self.assertEqual(batch, Batch.joined(portions))
            self.assertEqual([list(portion) for portion in portions], [list(Batch.of(portion)) for portion in portions])
            self.assertLessEqual(max(map(len, portions)), most)
        self.assertEqual([], list(EMPTY.portions(1)))

    def test_nothing(self) -> None:
        """No packets make a batch that counts as false, and has one bound, zero."""
        for batch in (EMPTY, Batch.of([])):
            self.assertEqual((b"", [0], []), (batch.data, list(batch.bounds), list(batch)))
            self.assertFalse(batch)


IPV4 = [
    bytes(IP(src="192.0.2.1", dst="192.0.2.2") / ICMP()),
    bytes(IP(src="192.0.2.1", dst="192.0.2.2", options=[IPOption_NOP()] * 40) / Raw(bytes(1000))),
    bytes(IP(proto=253)),
]
BOTH = [IPV4[0], *SAMPLE, *IPV4[1:], SAMPLE[0]]


def _ipv4(first: int, rest: bytes, payload: bytes) -> bytes:
    length = 20 + len(payload)
    header = min(5 + first, length // 4)
    return bytes((0x40 | header, rest[0])) + length.to_bytes(2, "big") + rest[1:] + payload


EITHER = st.one_of(
    PACKETS, st.builds(_ipv4, st.integers(0, 10), st.binary(min_size=17, max_size=17), st.binary(max_size=300))
)


class FramerTests(SynchronousTestCase):
    """From a byte stream to packets."""

    def test_every_cut(self) -> None:
        """A receiver MUST delimit packets by the Payload Length, however the stream is cut (3.1.5.3, 3.2.5.2.2)."""
        for pieces in every_cut(b"".join(SAMPLE)):
            framer = Framer()
            self.assertEqual(SAMPLE, fed(framer, pieces))
            self.assertIsNone(framer.end)

    @given(st.lists(PACKETS), st.lists(st.integers(min_value=0)))
    def test_any_cut(self, packets: list[bytes], places: list[int]) -> None:
        """Any packets, in any pieces, come out the same and in the same order (3.1.5.3, 3.2.5.2.2)."""
        framer = Framer()
        self.assertEqual(packets, fed(framer, cut(b"".join(packets), places)))
        self.assertIsNone(framer.end)

    @given(st.lists(PACKETS), RUBBISH, st.lists(st.integers(min_value=0)))
    def test_rubbish(self, packets: list[bytes], rubbish: bytes, places: list[int]) -> None:
        """Non-IPv6 packets MUST be discarded, those before them are still good (3.1.5.3, 3.2.5.2.2)."""
        framer = Framer()
        self.assertEqual(packets, fed(framer, cut(b"".join(packets) + rubbish, places)))
        self.assertEqual(DropReason.NOT_IPV6, framer.end)
        self.assertEqual([], list(framer.feed(SAMPLE[0])))

    def test_versions(self) -> None:
        """A packet of any version but 6 is a non-IPv6 packet, known by its first byte (3.1.5.3, 3.2.5.2.2)."""
        for version in range(16):
            framer = Framer()
            framer.feed(bytes((version << 4,)))
            self.assertEqual(None if version == 6 else DropReason.NOT_IPV6, framer.end, version)

    def test_length_too_large(self) -> None:
        """A Payload Length larger than what follows leaves the packet unfinished, and the session alone (3.2.2)."""
        framer = Framer()
        long = packet("2001:db8:2::a", "2001:db8:1::5", Raw(b"short"), plen=0xFFFF, nh=59)
        self.assertEqual([], fed(framer, [long, b"", bytes(65000)]))
        self.assertIsNone(framer.end)

    def test_length_too_small(self) -> None:
        """A Payload Length smaller than the packet ends it there; what follows must be a header (3.2.5.2.2)."""
        framer = Framer()
        short = packet("2001:db8:2::a", "2001:db8:1::5", Raw(bytes(6)), plen=2, nh=59)
        self.assertEqual([short[:42]], fed(framer, [short]))
        self.assertEqual(DropReason.NOT_IPV6, framer.end)

    def test_longest(self) -> None:
        """A Payload Length of 65535 is one packet, and the next one is in step (RFC 8200 section 3)."""
        longest = packet("2001:db8:2::a", "2001:db8:1::5", Raw(bytes(0xFFFF)), nh=59)
        self.assertEqual(LONGEST, len(longest))
        stream = longest + SAMPLE[0]
        for at in (1, 39, 40, 41, LONGEST - 1, LONGEST, LONGEST + 1):
            self.assertEqual([longest, SAMPLE[0]], fed(Framer(), [stream[:at], stream[at:]]), at)

    def test_many_at_once(self) -> None:
        """Many packets in one piece come out in one batch, whose data is the piece (3.2.5.2.2)."""
        stream = NO_PAYLOAD * 1000
        batch = Framer().feed(stream)
        self.assertEqual([NO_PAYLOAD] * 1000, list(batch))
        self.assertEqual(stream, batch.data)


class BothVersionsTests(SynchronousTestCase):
    """If IPv4 is carried beside IPv6, the first four bits of a packet tell which it is (RFC 791 section 3.1)."""

    def test_every_cut(self) -> None:
        """Packets of both versions come out as they are, however the stream is cut."""
        for pieces in every_cut(b"".join(BOTH)):
            framer = Framer(ipv4=True)
            self.assertEqual(BOTH, fed(framer, pieces))
            self.assertIsNone(framer.end)

    @given(st.lists(EITHER), st.lists(st.integers(min_value=0)))
    def test_any_cut(self, packets: list[bytes], places: list[int]) -> None:
        """Any packets of both versions, in any pieces, come out the same and in the same order."""
        framer = Framer(ipv4=True)
        self.assertEqual(packets, fed(framer, cut(b"".join(packets), places)))
        self.assertIsNone(framer.end)

    def test_faults(self) -> None:
        """Another version, or a header that contradicts itself, ends the stream; what came before is good."""
        short, narrow = b"\x45\0\0\x13" + bytes(16), b"\x44" + IPV4[0][1:]
        for rubbish, fault in (
            (b"\x50", DropReason.NOT_IP),
            (b"\0" * 50, DropReason.NOT_IP),
            (short, DropReason.WRONG_LENGTH),
            (narrow, DropReason.WRONG_LENGTH),
        ):
            framer = Framer(ipv4=True)
            self.assertEqual(BOTH, list(framer.feed(b"".join(BOTH) + rubbish)))
            self.assertEqual(fault, framer.end)
            self.assertEqual(EMPTY, framer.feed(BOTH[0]))

    def test_ipv6_alone(self) -> None:
        """An IP-HTTPS stream takes no IPv4: what is not IPv6 is discarded (3.1.5.3, 3.2.5.2.2)."""
        for ipv4 in IPV4:
            framer = Framer()
            self.assertEqual([SAMPLE[0]], list(framer.feed(SAMPLE[0] + ipv4 + SAMPLE[0])))
            self.assertEqual(DropReason.NOT_IPV6, framer.end)
            self.assertEqual(DropReason.NOT_IPV6, malformed(ipv4))

    @given(st.one_of(st.binary(max_size=100), EITHER, st.builds(bytes.__add__, EITHER, st.binary(max_size=3))))
    def test_malformed(self, data: bytes) -> None:
        """A packet of either version is whole exactly if it leaves the peer's framing in step."""
        framer = Framer(ipv4=True)
        packets = list(framer.feed(data))
        in_step = packets == [data] and framer.end is None
        self.assertEqual(in_step, malformed(data, ipv4=True) is None)

    def test_reasons(self) -> None:
        """A malformed packet has the same drop reason as with IPv6."""
        for data, reason in (
            (b"", DropReason.NOT_IP),
            (IPV4[0][:19], DropReason.NOT_IP),
            (SAMPLE[0][:39], DropReason.NOT_IP),
            (b"\x55" + IPV4[0][1:], DropReason.NOT_IP),
            (IPV4[0] + b"\0", DropReason.WRONG_LENGTH),
            (IPV4[0][:-1], DropReason.WRONG_LENGTH),
            (b"\x44" + IPV4[0][1:], DropReason.WRONG_LENGTH),
            (SAMPLE[0] + b"\0", DropReason.WRONG_LENGTH),
            (IPV4[0], None),
            (SAMPLE[0], None),
        ):
            self.assertEqual(reason, malformed(data, ipv4=True))


class MalformedTests(SynchronousTestCase):
    """The check before a packet joins the stream."""

    @given(PACKETS)
    def test_whole(self, whole: bytes) -> None:
        """Bytes that are exactly one IPv6 packet can be sent (3.1.5.3)."""
        self.assertIsNone(malformed(whole))

    @given(st.one_of(st.binary(max_size=100), PACKETS, st.builds(bytes.__add__, PACKETS, st.binary(max_size=3))))
    def test_agrees_with_framer(self, data: bytes) -> None:
        """Nothing may be sent that would make the peer's framing lose step (3.1.5.3)."""
        framer = Framer()
        packets = list(framer.feed(data))
        in_step = packets == [data] and framer.end is None
        self.assertEqual(in_step, malformed(data) is None)

    def test_not_ipv6(self) -> None:
        """Data of another version, or shorter than a header, is no IPv6 packet (3.1.5.3)."""
        ipv4 = b"\x45" + SAMPLE[0][1:]
        for data in (b"", SAMPLE[0][:39], ipv4, bytes(14) + SAMPLE[0]):
            self.assertEqual(DropReason.NOT_IPV6, malformed(data))

    def test_wrong_length(self) -> None:
        """A packet whose Payload Length does not match its size is not sent (3.1.5.3)."""
        jumbo = packet("fe80::a", "fe80::1", Raw(bytes(56)), plen=0, nh=0)
        too_long = bytes(IPv6(src="fe80::a", dst="fe80::1", plen=9999) / Raw(b"x"))
        for data in (jumbo, too_long, SAMPLE[0] + b"\0", SAMPLE[0][:-1]):
            self.assertEqual(DropReason.WRONG_LENGTH, malformed(data))
