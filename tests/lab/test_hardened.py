"""Clients' hosts that are in the way of their own tunnel."""

from __future__ import annotations

from iphttps.app.config.interface_settings import CLIENT
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.traffic import wait_reachable

from .case import LabCase

CLOSED = (
    "table inet f { chain input { type filter hook input priority 0; policy drop; ct state established accept; }; }"
)
HARDENED = {"accept_ra": 0, "accept_ra_rtr_pref": 0, "autoconf": 0, "max_addresses": 1, "router_solicitations": 0}


class HardenedTests(LabCase):
    """One client, whose host is hardened."""

    def test_settings(self) -> None:
        """The defaults for new interfaces do not keep the tunnel from its address and routes."""
        host = self.lab.clients[0]
        for name, value in HARDENED.items():
            self.assertIn(name, CLIENT)
            host.setting(f"ipv6.conf.default.{name}", str(value))
        self.server()
        self.client()
        wait_reachable(host, PRIVATE_HOST)

    def test_packet_filter(self) -> None:
        """A packet filter that drops the Router Advertisement is named; once it lets it in, the address comes."""
        host = self.lab.clients[0]
        host.run("nft", CLOSED)
        self.server()
        client = self.client()
        client.wait_for("this host's packet filter (firewall) drops input on")
        self.assertNotIn("no router has advertised itself", client.text)
        host.run("nft", "insert rule inet f input meta l4proto ipv6-icmp accept")
        wait_reachable(host, PRIVATE_HOST)
