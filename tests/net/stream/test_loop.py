"""Tests for iphttps.net.stream.compiled: the compiled loops give what Python gives, whatever a peer sends."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import flows, ipv4
from iphttps.core.ip.batch import Batch, Framer
from iphttps.core.iphttps import link
from iphttps.core.loops import Loops
from iphttps.core.sstp import framing, policy
from iphttps.core.sstp.codec import MAXIMUM_PACKET, SSTPCodec
from iphttps.core.sstp.packet import MessageType, data_packet, message
from iphttps.core.sstp.policy import Sources
from iphttps.core.sstp.table import Table
from iphttps.net.stream.compiled import LOOPS

assert LOOPS is not None, "the compiled part is missing: `.venv/bin/python setup.py build_ext --inplace` builds it"
COMPILED: Loops = LOOPS

ADDRESSES = [bytes((10, 99, 0, last)) for last in range(1, 8)] + [b"\xe0\0\0\1", bytes(4)]
WIDE = [bytes.fromhex("20010db8000300000000000000000000")[:-1] + bytes((last,)) for last in range(1, 8)]
WIDE += [bytes.fromhex("fe800000000000000000000000000001"), bytes.fromhex("ff020000000000000000000000000001")]


def _ipv6(source: bytes, destination: bytes, next_header: int, payload: bytes) -> bytes:
    return b"\x60\0\0\0" + len(payload).to_bytes(2) + bytes((next_header, 64)) + source + destination + payload


IPV4 = st.builds(
    ipv4.packet, st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.sampled_from([1, 6, 17]),
    st.binary(max_size=60),
)  # fmt: skip
IPV6 = st.builds(
    _ipv6, st.sampled_from(WIDE), st.sampled_from(WIDE), st.sampled_from([6, 17, 58, 59]), st.binary(max_size=60)
)
PACKETS = st.lists(IPV4 | IPV6, max_size=12)
FRAMES = tuple(
    start + number for start in (b"\xff\x03", b"") for number in (b"\x00\x21", b"\x21", b"\x00\x57", b"\x57")
)
HEADERS = st.sampled_from([*FRAMES, b"\xff\x03\x80\x21", b"\xff\x03\x00\xfd", b"\xff", b""])


@st.composite
def streams(draw: st.DrawFn, pieces: st.SearchStrategy[bytes]) -> list[bytes]:
    """Draw a stream of these pieces, some of them several times, with some bits wrong, in pieces cut anywhere."""
    stream = bytearray()
    for piece in draw(st.lists(pieces, max_size=12)):
        stream += piece * draw(st.sampled_from([1, 1, 1, 2, 5, 70]))
    for place, wrong in draw(st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=3)):
        if stream:
            stream[place % len(stream)] ^= wrong
    places = sorted(place % (len(stream) + 1) for place in draw(st.lists(st.integers(0, 1 << 16), max_size=4)))
    return [bytes(stream[start:end]) for start, end in pairwise([0, *places, len(stream)])]


DATA = st.builds(
    lambda second, header, packet, padding: b"\x10" + bytes((second,)) + data_packet(header + packet + padding)[2:],
    st.sampled_from([0, 0, 0, 1, 2]), HEADERS, IPV4 | IPV6, st.sampled_from([b"", b"", b"", b"", bytes(3)]),
)  # fmt: skip
"""Data packets that look like others, and control packets and reserved bits that do ([MS-SSTP] 2.2.1)."""

WRONG_VERSION = st.builds(lambda packet: data_packet(FRAMES[2] + b"\x45" + packet[1:]), IPV6)
SAME_DATA = st.builds(lambda packet: data_packet(FRAMES[0 if packet[0] < 0x60 else 2] + packet), IPV4 | IPV6)
CONTROL = st.sampled_from([message(MessageType.ECHO_REQUEST), data_packet(bytes.fromhex("ff03c021 09010008 00000000"))])


def same(batch: Batch) -> tuple[bytes, list[int]]:
    """Return a batch as what can be compared."""
    return batch.data, list(batch.bounds)


class FramerTests(SynchronousTestCase):
    """The framing of IP-HTTPS (3.1.5.3)."""

    @given(streams(IPV6 | IPV4 | st.binary(max_size=50)))
    def test_any_stream(self, pieces: list[bytes]) -> None:
        """Each piece gives the same packets, the same rest and the same end as in Python alone (3.2.5.2.2)."""
        one, other = Framer(COMPILED), Framer()
        for piece in pieces:
            self.assertEqual(same(other.feed(piece)), same(one.feed(piece)))
            self.assertEqual((other.end, other._rest), (one.end, one._rest))

    def test_most(self) -> None:
        """A stream of packets without payload, the most that fit, has all bounds."""
        packet = _ipv6(WIDE[0], WIDE[1], 59, b"")
        self.assertEqual(list(range(0, 40001, 40)), list(COMPILED.scan(packet * 1000)))
        self.assertEqual([0], list(COMPILED.scan(b"")))


class CodecTests(SynchronousTestCase):
    """The stream of SSTP ([MS-SSTP] 2.2.3)."""

    def assert_same(self, pieces: Sequence[bytes], gate: bool) -> None:
        """Feed two codecs as a session does, and compare all that can be seen after each step."""
        codecs = SSTPCodec(COMPILED), SSTPCodec()
        for codec in codecs:
            codec.data_passes = gate
        for piece in pieces:
            feeding = piece
            while True:
                one, other = (
                    (same(codec.feed(feeding)), codec.control, codec.drops, codec.end, codec.pending,
                     codec._held[codec._at :], codec._expected)
                    for codec in codecs
                )  # fmt: skip
                self.assertEqual(other, one)
                for codec in codecs:
                    codec.data_passes ^= bool(len(codec.control) & 1)
                    codec.control.clear()
                if not codecs[0].pending:
                    break
                feeding = b""

    @given(streams(DATA | WRONG_VERSION | CONTROL | st.binary(max_size=20)), st.booleans())
    def test_any_stream(self, pieces: list[bytes], gate: bool) -> None:
        """Each piece gives the same packets, control items, drops, rest and end as in Python alone."""
        self.assert_same(pieces, gate)

    @given(streams(SAME_DATA | CONTROL))
    def test_good_stream(self, pieces: list[bytes]) -> None:
        """So does a stream of packets with the same PPP header, as nearly all are."""
        self.assert_same(pieces, True)

    @given(PACKETS.filter(bool), st.booleans(), st.booleans(), st.booleans())
    def test_encode(self, packets: list[bytes], acfc: bool, pfc: bool, listed: bool) -> None:
        """Packets are encoded alike, with each header of PPP (RFC 1661 6.5, 6.6), and read again."""
        batch = Batch.of(packets)
        if not listed:
            batch = Batch(batch.data, memoryview(array("I", batch.bounds)))
        one, other = SSTPCodec(COMPILED), SSTPCodec()
        for codec in (one, other):
            codec.compress(address_and_control=acfc, protocol=pfc)
            codec.data_passes = True
        stream = one.encode(batch)
        self.assertEqual(other.encode(batch), stream)
        self.assertEqual(packets, list(one.feed(stream)))

    def test_longest(self) -> None:
        """The longest packet is encoded; one byte more is the caller's fault, as in Python (2.2.1)."""
        longest = _ipv6(WIDE[0], WIDE[1], 59, bytes(MAXIMUM_PACKET - 40))
        for encode in (COMPILED.encode, framing.encode):
            self.assertEqual(b"\x10\0\x0f\xff", encode(longest, (0, len(longest)), FRAMES[0], FRAMES[2])[:4])
            self.assertRaises(IndexError, encode, longest + b"\0", (0, len(longest) + 1), FRAMES[0], FRAMES[2])
            self.assertRaises(IndexError, encode, b"", (0, 0), FRAMES[0], FRAMES[2])


class ProvenTests(SynchronousTestCase):
    """The check of each header against those that were accepted before."""

    @given(PACKETS, st.sets(st.integers(0, 11)), st.integers(1, 40))
    def test_any_packets(self, packets: list[bytes], known: set[int], times: int) -> None:
        """The answer is that of Python, for both families and for IP-HTTPS, which has IPv6 alone."""
        headers = {
            packet[6:40] if packet[0] >= 0x60 else packet[12:20]
            for number, packet in enumerate(packets)
            if number in known
        }
        batch = Batch.of(packets * times)
        self.assertEqual(
            policy._proven(batch.data, batch.bounds, headers), COMPILED.proven(batch.data, batch.bounds, headers)
        )
        of_ipv6 = Batch.of([packet for packet in packets if packet[0] >= 0x60])
        self.assertEqual(
            link._proven(of_ipv6.data, of_ipv6.bounds, headers), COMPILED.proven(of_ipv6.data, of_ipv6.bounds, headers)
        )

    @given(st.lists(PACKETS, max_size=6))
    def test_policy(self, batches: list[list[bytes]]) -> None:
        """The policy of SSTP forwards, drops, answers and remembers the same."""
        seen = []
        for loops in (COMPILED, None):
            rules: policy.Policy[int] = policy.Policy(Table(), frozenset(WIDE[:1]), WIDE[0][:8], loops=loops)
            sources = Sources(1)
            rules.assign_ipv4(sources, ADDRESSES[1])
            rules.assign_interface_id(sources, bytes(7) + b"\2")
            results = [rules.from_client(sources, Batch.of(packets)) for packets in batches]
            seen.append(
                (
                    [(same(each.host), same(each.replies), each.solicitations, dict(each.drops)) for each in results],
                    sources.proven,
                    sources.bound,
                )
            )
        self.assertEqual(seen[1], seen[0])


class SortTests(SynchronousTestCase):
    """Sorting packets from the host by their receivers."""

    @given(PACKETS, st.dictionaries(st.sampled_from([*ADDRESSES, *WIDE]), st.integers(0, 3)), st.integers(1, 9))
    def test_any_packets(self, packets: list[bytes], holders: dict[bytes, int], times: int) -> None:
        """Receivers, packets, order and bounds are those of Python, and each flow's receiver is asked for once."""
        batch = Batch.of(packets * times)
        for sources in (False, True):
            seen = []
            for sort in (COMPILED.sort, flows.sort):
                receiver = Mock(
                    side_effect=lambda flow, half=sources: holders.get(flow[len(flow) // 2 :] if half else flow)
                )
                found, rest = sort(batch.data, batch.bounds, sources, receiver)
                asked = [call.args for call in receiver.call_args_list]
                seen.append(([(each, data, list(bounds)) for each, data, bounds in found], rest, asked))
            self.assertEqual(seen[1], seen[0])

    def test_whole(self) -> None:
        """Packets that are all for one receiver are not copied."""
        batch = Batch.of([_ipv6(WIDE[0], WIDE[1], 59, b"")] * 3)
        ((receiver, data, bounds),), rest = COMPILED.sort(batch.data, batch.bounds, False, {WIDE[1]: 7}.get)
        self.assertEqual((7, []), (receiver, rest))
        self.assertIs(batch.data, data)
        self.assertIs(batch.bounds, bounds)

    def test_many_flows(self) -> None:
        """A flow for each packet, more than there are slots to look in, loses nothing."""
        packets = [_ipv6(WIDE[0], number.to_bytes(16), 59, b"") for number in range(3000)] * 2
        batch = Batch.of(packets)
        found, rest = COMPILED.sort(batch.data, batch.bounds, True, lambda flow: flow[-1] or None)
        expected = [packet for packet in packets if packet[39] == 5]
        self.assertEqual(expected, list(Batch(*next(each[1:] for each in found if each[0] == 5))))
        self.assertEqual([packet for packet in packets if not packet[39]], rest)

    def test_error(self) -> None:
        """An exception of the caller's function is raised."""
        batch = Batch.of([_ipv6(WIDE[0], WIDE[1], 59, b""), _ipv6(WIDE[0], WIDE[2], 59, b"")])
        self.assertRaises(ZeroDivisionError, COMPILED.sort, batch.data, batch.bounds, False, lambda flow: 1 // 0)
        self.assertRaises(TypeError, COMPILED.sort, batch.data, batch.bounds, False, lambda flow: [])


class ArgumentTests(SynchronousTestCase):
    """Arguments that no caller passes raise an error of Python's and touch no memory."""

    def test_bounds(self) -> None:
        """Bounds that exceed the data or decrease are a ValueError; so is an offset outside."""
        for bounds in ((0, 5), (3, 2), (0, 1 << 40), memoryview(bytes((0, 0, 0, 0, 9, 0, 0, 0))).cast("I")):
            self.assertRaises(ValueError, COMPILED.proven, b"1234", bounds, set())
            self.assertRaises(ValueError, COMPILED.encode, b"1234", bounds, b"\x21", b"\x57")
            self.assertRaises(ValueError, COMPILED.sort, b"1234", bounds, False, bool)
        for offset in (-1, 5):
            self.assertRaises(ValueError, COMPILED.decode, b"1234", offset, b"\x21")
        self.assertRaises(OverflowError, COMPILED.proven, b"1234", (0, -1), set())

    def test_few_bounds(self) -> None:
        """No bounds, or one, are no packets; an empty packet is not proven."""
        for bounds in ((), (0,), memoryview(b"").cast("B").cast("I")):
            self.assertTrue(COMPILED.proven(b"1234", bounds, set()))
            self.assertEqual(b"", COMPILED.encode(b"1234", bounds, b"\x21", b"\x57"))
        self.assertFalse(COMPILED.proven(b"1234", (0, 0), {b""}))
