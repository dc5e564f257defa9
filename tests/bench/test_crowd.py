"""The packets of the crowd of idle clients."""

from ipaddress import IPv6Address

from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from twisted.trial.unittest import SynchronousTestCase

from bench.idle_clients import icmpv6


class PacketTests(SynchronousTestCase):
    """Packets made by hand, against scapy."""

    def test_checksum(self) -> None:
        """A packet is what scapy makes of the same, so that no kernel drops it."""
        source, destination = "fe80::200:1:0:1234", "2001:db8:2::1"
        expected = IPv6(src=source, dst=destination, hlim=255) / ICMPv6EchoRequest()
        made = icmpv6(IPv6Address(source).packed, IPv6Address(destination).packed, bytes([128]) + bytes(7))
        self.assertEqual(bytes(expected), made)
