"""Tests for iphttps.core.sstp.table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv4
from iphttps.core.ip.batch import Batch
from iphttps.core.sstp.table import Outward, Table, is_multicast
from tests.support import PRIVATE_HOST, address, udp

A4, B4, C4 = bytes((192, 0, 2, 2)), bytes((192, 0, 2, 3)), bytes((192, 0, 2, 4))
A6, B6 = "2001:db8:2::a", "2001:db8:2::b"
HOST4 = bytes((198, 51, 100, 1))


def to(destination: bytes) -> bytes:
    """Return a packet of the family of the destination."""
    return ipv4.packet(HOST4, destination, 17, bytes(8))


TO_A, TO_B, TO_C = to(A4), to(B4), to(C4)
TO_A6, TO_B6, TO_C6 = udp(PRIVATE_HOST, A6), udp(PRIVATE_HOST, B6), udp(PRIVATE_HOST, "2001:db8:2::c")
ALL6, ALL4, BROADCAST = udp(PRIVATE_HOST, "ff02::1"), to(bytes((224, 0, 0, 251))), to(b"\xff" * 4)


class TableTests(SynchronousTestCase):
    """From the host's kernel to sessions."""

    def setUp(self) -> None:
        """Have two sessions with addresses of both families; one is known by 0, which is as good as any other."""
        self.table: Table[int] = Table()
        for held, key in ((A4, 0), (address(A6), 0), (B4, 1), (address(B6), 1)):
            self.table.add(held, key)

    def test_one(self) -> None:
        """A batch for one address goes to its holder as it is."""
        for packet, key in ((TO_A, 0), (TO_B, 1), (TO_A6, 0)):
            batch = Batch.of([packet] * 3)
            routed = self.table.route(batch)
            self.assertEqual(Outward(((key, batch),)), routed)
            self.assertIs(batch, routed.sessions[0][1])

    def test_sorted(self) -> None:
        """Each session gets its packets of both families in one batch, in order."""
        routed = self.table.route(Batch.of([TO_B, TO_A, TO_A6, TO_B6, TO_A]))
        self.assertEqual(Outward(((1, Batch.of([TO_B, TO_B6])), (0, Batch.of([TO_A, TO_A6, TO_A])))), routed)

    def test_everyone(self) -> None:
        """Multicast of both families and broadcast go to all sessions."""
        self.assertEqual(Outward(everyone=Batch.of([ALL6])), self.table.route(Batch.of([ALL6])))
        routed = self.table.route(Batch.of([ALL6, TO_A, ALL4, BROADCAST]))
        self.assertEqual(Outward(((0, Batch.of([TO_A])),), Batch.of([ALL6, ALL4, BROADCAST])), routed)

    def test_unknown(self) -> None:
        """Packets to an unassigned address are returned, for an ICMP error (RFC 4443 section 3.1)."""
        routed = self.table.route(Batch.of([TO_C, TO_A, TO_C6]))
        self.assertEqual(Outward(((0, Batch.of([TO_A])),), unknown=Batch.of([TO_C, TO_C6])), routed)

    def test_removed(self) -> None:
        """A freed address is held by nobody, however often it is freed."""
        for _ in range(2):
            self.table.remove(A4)
        self.assertEqual(Outward(unknown=Batch.of([TO_A])), self.table.route(Batch.of([TO_A])))
        self.assertEqual((None, 1), (self.table.holder(A4), self.table.holder(B4)))

    def test_multicast(self) -> None:
        """224.0.0.0/4, 255.255.255.255 and ff00::/8 are for several nodes (RFC 1112, RFC 919, RFC 4291)."""
        several = [first for first in range(256) if is_multicast(bytes((first, 255, 255, 255)))]
        self.assertEqual([*range(224, 240), 255], several)
        self.assertEqual([255], [first for first in range(256) if is_multicast(bytes((first, *bytes(15))))])

    @given(st.lists(st.sampled_from([TO_A, TO_B, TO_C, TO_A6, TO_B6, TO_C6, ALL6, BROADCAST]), min_size=1))
    def test_nothing_is_lost(self, packets: list[bytes]) -> None:
        """Each packet of any batch goes one way, and in order."""
        table: Table[str] = Table()
        for held, key in ((A4, "a"), (address(A6), "a"), (B4, "b"), (address(B6), "b")):
            table.add(held, key)
        routed = table.route(Batch.of(packets))
        ways = {"a": (TO_A, TO_A6), "b": (TO_B, TO_B6)}
        for key, own in ways.items():
            sent = [each for receiver, batch in routed.sessions if receiver == key for each in batch]
            self.assertEqual([each for each in packets if each in own], sent)
        self.assertEqual([each for each in packets if each in (ALL6, BROADCAST)], list(routed.everyone))
        self.assertEqual([each for each in packets if each in (TO_C, TO_C6)], list(routed.unknown))
        self.assertEqual(
            len(packets), sum(len(batch) for _, batch in routed.sessions) + len(routed.everyone) + len(routed.unknown)
        )
