"""ICMP errors of IPv4; scapy is the witness."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip.icmpv4 import fragmentation_needed, host_unreachable

OWN = bytes((10, 99, 0, 1))
SENDER, GONE = "198.51.100.1", "10.99.0.9"


def packet(payload: Any, **fields: Any) -> bytes:
    """Build a packet for a client that is not there."""
    return bytes(IP(**{"src": SENDER, "dst": GONE, **fields}) / payload)


class ErrorTests(SynchronousTestCase):
    """The packets that get an error, and its content."""

    def check(self, error: bytes | None, original: bytes, code: int, mtu: int) -> None:
        """Compare an error with the one that scapy builds."""
        assert error
        found = IP(error)
        self.assertEqual((found.src, found.dst, found.len), ("10.99.0.1", SENDER, len(error)))
        self.assertEqual((found[ICMP].type, found[ICMP].code, found[ICMP].nexthopmtu), (3, code, mtu))
        whole = IP(src="10.99.0.1", dst=SENDER, ttl=64, id=0) / ICMP(type=3, code=code, nexthopmtu=mtu) / original[:548]
        self.assertEqual(error, bytes(whole))

    def test_unreachable(self) -> None:
        """Host unreachable goes to the sender, with the packet (RFC 792, RFC 1812 section 4.3.2.3)."""
        for original in (
            packet(UDP() / b"x"),
            packet(UDP() / bytes(1300)),
            packet(ICMP(type=8)),
            packet(b"", proto=17),
        ):
            self.check(host_unreachable(original, OWN), original, 1, 0)

    def test_too_long(self) -> None:
        """Fragmentation needed says the MTU (RFC 1191 section 4); a packet that may be fragmented gets none."""
        original = packet(UDP() / bytes(1372), flags="DF")
        self.check(fragmentation_needed(original, OWN, 1300), original, 4, 1300)
        self.assertIsNone(fragmentation_needed(packet(UDP() / bytes(1372)), OWN, 1300))

    def test_none(self) -> None:
        """Nothing answers an ICMP error, a later fragment, or one whose ends are no single hosts (RFC 1122 3.2.2)."""
        originals = [packet(ICMP(type=kind)) for kind in (3, 4, 5, 11, 12)]
        originals += [packet(UDP(), frag=1), packet(b"", proto=1)]
        originals += [packet(UDP(), src=each) for each in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255")]
        originals += [packet(UDP(), dst=each) for each in ("224.0.0.1", "255.255.255.255")]
        self.assertEqual([host_unreachable(each, OWN) for each in originals], [None] * len(originals))

    @given(st.binary(min_size=20, max_size=80))
    def test_any(self, original: bytes) -> None:
        """Any packet gives an error of bounded length, or none."""
        self.assertLessEqual(len(host_unreachable(original, OWN) or b""), 576)
