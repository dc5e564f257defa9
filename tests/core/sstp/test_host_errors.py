"""Errors for the host: which, from where, and how many."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.ip import ipv4, ipv6
from iphttps.core.ip.batch import EMPTY, Batch
from iphttps.core.ip.icmpv4 import fragmentation_needed, host_unreachable
from iphttps.core.ip.icmpv6 import address_unreachable, packet_too_big
from iphttps.core.ip.ipv4_fragments import fragments
from iphttps.core.sstp.host_errors import ERROR_BURST, ERROR_RATE, HostErrors

OWN_IPV4, OWN_IPV6 = bytes((10, 99, 0, 1)), bytes.fromhex("20010db8000300000000000000000001")
FAR_IPV4, FAR_IPV6 = bytes((198, 51, 100, 1)), bytes.fromhex("20010db8000100000000000000000080")


def one(length: int = 100, flags: int = ipv4.DONT_FRAGMENT) -> bytes:
    """Build a packet of IPv4 of this length."""
    return ipv4.packet(FAR_IPV4, bytes((10, 99, 0, 9)), 17, bytes(length - 20), flags=flags)


def six(length: int = 100) -> bytes:
    """Build a packet of IPv6 of this length."""
    return ipv6.packet(FAR_IPV6, OWN_IPV6[:15] + b"\x09", 17, bytes(length - 40), 64)


class ErrorTests(SynchronousTestCase):
    """Errors of both families."""

    def test_unreachable(self) -> None:
        """A packet for nobody gets the error of its family, from the server's address of that."""
        errors = HostErrors(OWN_IPV4, OWN_IPV6).unreachable(Batch.of([one(), six()]), 0.0)
        self.assertEqual(list(errors), [host_unreachable(one(), OWN_IPV4), address_unreachable(six(), OWN_IPV6)])

    def test_fitting(self) -> None:
        """Packets up to the MTU pass; the others get the error that says it."""
        errors = HostErrors(OWN_IPV4, OWN_IPV6)
        fitting = Batch.of([one(1300), six(1300)])
        self.assertEqual(errors.fitting(fitting, 1300, 0.0), (fitting, EMPTY, 0))
        free = one(1400, 0)
        found, said, missing = errors.fitting(Batch.of([one(1301), one(1300), six(1301), free, one()]), 1300, 0.0)
        self.assertEqual(list(found), [one(1300), *fragments(free, 1300), one()])
        self.assertEqual(
            (list(said), missing),
            ([fragmentation_needed(one(1301), OWN_IPV4, 1300), packet_too_big(six(1301), OWN_IPV6, 1300)], 2),
        )

    def test_no_address(self) -> None:
        """If the server has no address of a family, there is no error of it."""
        errors = HostErrors(b"", b"")
        self.assertEqual(errors.unreachable(Batch.of([one(), six()]), 0.0), EMPTY)
        self.assertEqual(errors.fitting(Batch.of([one(), six()]), 80, 0.0), (EMPTY, EMPTY, 2))

    def test_rate(self) -> None:
        """Their rate is limited (RFC 4443 section 2.4 (f)); what gets no error anyway does not count."""
        errors = HostErrors(OWN_IPV4, OWN_IPV6)
        self.assertEqual(len(errors.fitting(Batch.of([one(1400, 0)] * 50), 1300, 0.0)[1]), 0)
        self.assertEqual(len(errors.unreachable(Batch.of([one(), six()] * 20), 0.0)), int(ERROR_BURST))
        self.assertEqual(len(errors.unreachable(Batch.of([one()] * 20), 0.5)), int(ERROR_RATE / 2))
