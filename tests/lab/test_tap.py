"""TAP devices: what the tests of the tunnel ask of TUN is asked of TAP on both sides, and of one at each end."""

import json
from typing import Any

from iphttps.lab.laboratory import INTERFACE
from iphttps.lab.programs import Program
from tests.lab import test_kernels, test_lifecycle, test_tunnel, test_witness
from tests.lab.raw import RawCase


class TapTests(test_tunnel.TunnelTests):
    """A client and a server that both have a TAP device."""

    server_device = client_device = "tap"

    def tunnel(self) -> tuple[Program, Program]:
        """Start both, and check that there is Ethernet on their hosts."""
        daemons = super().tunnel()
        for host in (self.lab.gateway, self.lab.clients[0]):
            (link,) = json.loads(host.run("ip", "-json", "link", "show", INTERFACE).stdout)
            self.assertEqual("ether", link["link_type"])
        return daemons


class AddressTests(test_witness.AddressTests):
    """What the kernel of a client with a TAP device sends into the tunnel."""

    client_device = "tap"


class TapServerTests(test_tunnel.SeveralClientsTests):
    """A server with a TAP device, and clients of both kinds."""

    server_device = "tap"

    def client(self, number: int = 1, *flags: str, **choices: Any) -> Program:
        """Start a client, the second one with a TAP device."""
        return super().client(number, "--device", "tap" if number == 2 else "tun", *flags, **choices)


class TunServerTests(test_kernels.DuplicateTests):
    """A server with a TUN device, and two clients with TAP devices that want the same address."""

    client_device = "tap"


class PrivilegeTests(RawCase):
    """Both daemons with TAP devices after `twistd --uid` has given up being root."""

    server_device = client_device = "tap"

    test_server = test_lifecycle.ServerEndTests.test_nothing_is_left_without_root
    unprivileged = test_lifecycle.ServerEndTests.unprivileged
