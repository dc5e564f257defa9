"""TAP devices: what the tests of the tunnel ask of TUN is asked of TAP on both sides, and of one at each end.

Of the laboratory's tests those are here again that depend on the device: the tunnel, the rules of the link, what
kernels make of it, bytes that are no packets, beginning and end. What concerns the connection alone - HTTP, TLS and
certificates, control, reloading, fronts - never meets a device. The attack tools have a TAP at their end anyway.
"""

import json
from typing import Any

from iphttps.lab.laboratory import INTERFACE
from iphttps.lab.programs import Program
from tests.lab import test_clauses, test_kernels, test_lifecycle, test_robustness, test_tunnel, test_witness
from tests.lab.raw import RawCase, RawClient


class TapTests(test_tunnel.TunnelTests):
    """A client and a server that both have a TAP device."""

    server_device = client_device = "tap"
    probing = False

    def tunnel(self) -> tuple[Program, Program]:
        """Start both, and check that there is Ethernet on their hosts."""
        daemons = super().tunnel()
        for host in (self.lab.gateway, self.lab.clients[0]):
            (link,) = json.loads(host.run("ip", "-json", "link", "show", INTERFACE).stdout)
            self.assertEqual("ether", link["link_type"])
        return daemons


class TapServerTests(test_tunnel.SeveralClientsTests):
    """A server with a TAP device, and clients of both kinds."""

    server_device = "tap"

    def client(self, number: int = 1, *flags: str, **choices: Any) -> Program:
        """Start a client, the second one with a TAP device."""
        return super().client(number, "--device", "tap" if number == 2 else "tun", *flags, **choices)


class NoneClauseTests(test_clauses.NoneClauseTests):
    """The rules of the link in mode None, kept by a server with a TAP device."""

    server_device = "tap"


class CertificatesClauseTests(test_clauses.CertificatesClauseTests):
    """The same in mode Certificates."""

    server_device = "tap"


class SourceClauseTests(test_clauses.SourceClauseTests):
    """The same in either mode."""

    server_device = "tap"


class ServerWitnessTests(test_witness.ServerWitnessTests):
    """Packets of a server with a TAP device."""

    server_device = "tap"


class ClientWitnessTests(test_witness.ClientWitnessTests):
    """Packets of a client with a TAP device."""

    client_device = "tap"


class AddressTests(test_witness.AddressTests):
    """Packets that the kernel of a client with a TAP device sends into the tunnel."""

    client_device = "tap"


class DuplicateTests(test_kernels.DuplicateTests):
    """Three TAP devices, and two clients that want the same address."""

    server_device = client_device = "tap"


class TunServerTests(test_kernels.DuplicateTests):
    """A server with a TUN device, and two clients with TAP devices that want the same address."""

    client_device = "tap"


class RogueTests(test_kernels.RogueTests):
    """A client with a TAP device that plays router, on the link of a server with another."""

    server_device = client_device = "tap"


class HostAdvertiseTests(test_kernels.HostAdvertiseTests):
    """Router Advertisements by a program on the server's host, which knows of Ethernet only."""

    server_device = "tap"


class PatienceTests(test_kernels.PatienceTests):
    """A client that has died at a server with a TAP device.

    To the kernel there the client is a neighbour on an Ethernet, of which it wants to know for itself whether it is
    still there; so both ask, as RFC 4861 section 7.3.3 says, who do not know of each other. A client that lives answers
    each, and for one that is dead it is three questions more, once. Nor could one ask for both: the kernel's entry
    is about its own neighbour, the cache's about whose an address is, and must not be kept by what the kernel thinks.
    """

    server_device = "tap"
    askers = 2

    def check_advertisement(self, raw: RawClient) -> None:
        """Leave it at the address: the advertisements are not the kernel's."""


class FramingTests(test_robustness.FramingTests):
    """Bytes that are no packets, from the wire and in Ethernet frames."""

    server_device = client_device = "tap"


class NeverReadingTests(test_robustness.NeverReadingTests):
    """A client that takes nothing from a server with a TAP device."""

    server_device = "tap"


class OwnRouterTests(test_lifecycle.OwnRouterTests):
    """A server with a TAP device, whose host has a router of its own."""

    server_device = "tap"


class LifeTests(RawCase):
    """Beginning and end of both daemons with TAP devices, also after `twistd --uid` has given up being root."""

    server_device = client_device = "tap"

    test_nothing_is_left = test_lifecycle.ServerEndTests.test_nothing_is_left
    test_server_without_root = test_lifecycle.ServerEndTests.test_nothing_is_left_without_root
    test_client_without_root = test_lifecycle.ServerEndTests.test_client_without_root
    unprivileged = test_lifecycle.ServerEndTests.unprivileged
    test_comes_back = test_lifecycle.ReconnectTests.test_comes_back
    test_client_end = test_lifecycle.ReconnectTests.test_client_end
    test_device_removed = test_lifecycle.ReconnectTests.test_device_removed
