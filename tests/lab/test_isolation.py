"""Clients against each other: an address that is to be taken by congestion, and clients that are kept apart."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from scapy.layers.inet6 import ICMPv6ND_NS, IPv6

from iphttps.lab.errors import DeadlinePassed
from iphttps.lab.laboratory import INTERFACE, addresses, tunnel_address
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab import pouring
from tests.lab.case import LabCase
from tests.lab.raw import RawCase, RawClient, client_context
from tests.support import solicited_node

PROBES = 24
BETWEEN = 0.5
"""The number of an attacker's probes, and the seconds between them: 12 s, where 8 were enough before."""


class CongestionTests(RawCase):
    """A client floods another, slow one, and asks for its address meanwhile."""

    clients = 2

    def holders(self, control: Path) -> dict[str, str]:
        """Return the identity of the holder of each address, as the server tells."""
        shown = self.lab.gateway.run("curl", "-s", "--unix-socket", str(control), "http://localhost/clients").stdout
        found: list[dict[str, Any]] = json.loads(shown)["clients"]
        return {address: entry["identity"] for entry in found for address in entry["addresses"]}

    def test_address_stays(self) -> None:
        """The holder keeps its addresses: its own Neighbor Discovery does not queue behind the flood (RFC 4861 7.3)."""
        control = self.lab.directory / "server.sock"
        self.server("--control", str(control))
        attacker, victim = self.lab.clients
        self.client(2)
        wait_reachable(victim, PRIVATE_HOST)
        own = tunnel_address(victim)
        local = next(str(each["local"]) for each in addresses(victim) if str(each["local"]).startswith("fe80"))
        held = {address: who for address, who in self.holders(control).items() if address in (own, local)}
        self.assertEqual({own, local}, held.keys())
        # A quarter of 2 Mbit/s: the flood comes as fast as the gateway's processor takes it, and is to be as far above.
        shape = "tc qdisc add dev outer2 root tbf rate 500kbit burst 4kb latency 200ms"
        self.lab.gateway.run(*shape.split())
        mallory = self.lab.authority.client("mallory")
        # No Next Header (RFC 8200 section 4.7): the victim answers none of them, so they draw no sign of life from it.
        flood = bytes(IPv6(src="fe80::bad", dst=local, nh=59) / bytes(23))
        files = (self.lab.authority.certificate, mallory.certificate, mallory.private_key)
        command = (sys.executable, str(Path(pouring.__file__)), *map(str, files), GATEWAY_IPV6, flood.hex())
        pouring_ = self.lab.program(attacker, "pouring", *command)
        pouring_.wait_for("going")
        prober = RawClient.tls(attacker, GATEWAY_IPV6, client_context(self.lab.authority.certificate, mallory))
        self.addCleanup(prober.close)
        prober.post()
        for _ in range(PROBES):
            for target in (own, local):
                prober.send(IPv6(src="::", dst=solicited_node(target)) / ICMPv6ND_NS(tgt=target))
            with contextlib.suppress(DeadlinePassed):
                for _ in prober.packets(BETWEEN):
                    pass
        self.assertTrue(pouring_.running)
        self.assertEqual(held, {address: who for address, who in self.holders(control).items() if address in held})


class ApartTests(LabCase):
    """`--isolate`, with the kernel forwarding between clients."""

    clients = 2

    def reaches(self, *flags: str, authentication: str) -> bool:
        """Tell whether one client's echo request reaches the other's global address."""
        server = self.server(*flags, authentication=authentication)
        daemons = [self.client(1), self.client(2)]
        one, other = self.lab.clients
        for host in (one, other):
            wait_reachable(host, PRIVATE_HOST)
        one.ip(f"route replace 2001:db8:2::/64 via fe80::1 dev {INTERFACE}")
        reached = ping(one, tunnel_address(other), 3, 0.2).lost < 3
        for program in (*daemons, server):
            program.stop()
        return reached

    def test_isolated(self) -> None:
        """Clients reach each other by the host's kernel only where they are not kept apart."""
        self.assertFalse(self.reaches(authentication="none"))
        self.assertTrue(self.reaches("--isolate", "no", authentication="none"))
        self.assertTrue(self.reaches(authentication="certificates"))
        self.assertFalse(self.reaches("--isolate", "yes", authentication="certificates"))
