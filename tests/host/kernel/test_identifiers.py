"""Tests for iphttps.host.kernel.identifiers, in a namespace."""

from __future__ import annotations

from iphttps.host.device.tun import TunDevice
from iphttps.host.kernel.addresses import addresses
from iphttps.host.kernel.identifiers import keep_identifiers
from iphttps.host.kernel.network import LinuxNetwork, NetworkConfig
from iphttps.host.kernel.settings import read
from iphttps.host.kernel.undo import CONF
from iphttps.lab.poll import wait_until

from ..support import NamespaceCase

TUNNEL = "iphttps-test"


class IdentifierTests(NamespaceCase):
    """Devices of one name, one after the other."""

    def link_local(self, secret: bytes | None) -> str:
        """Return the link-local address that a new device forms with this secret."""
        device = TunDevice(TUNNEL)
        try:
            LinuxNetwork().apply(NetworkConfig(TUNNEL, up=True, stable_secret=secret))
            return str(wait_until(lambda: addresses(TUNNEL), "a link-local address")[0])
        finally:
            device.close()

    def test_same(self) -> None:
        """With the same secret each device has the same identifier, with another one or none another (RFC 7217)."""
        mine, other = bytes(range(16)), bytes(16)
        self.assertEqual(self.link_local(mine), self.link_local(mine))
        self.assertNotEqual(self.link_local(mine), self.link_local(other))
        self.assertNotEqual(self.link_local(None), self.link_local(None))

    def test_set(self) -> None:
        """Setting it again changes nothing; without the interface there is an error."""
        device = TunDevice(TUNNEL)
        for _ in range(2):
            keep_identifiers(TUNNEL, bytes(range(16)))
            self.assertEqual("2", read(CONF / TUNNEL / "addr_gen_mode"))
        device.close()
        self.assertRaises(OSError, keep_identifiers, TUNNEL, bytes(16))
