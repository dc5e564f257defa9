"""Attack tools from a client's host, against the server and a second client: thc-ipv6 and ipv6toolkit, of Debian."""

import json
import threading
from collections.abc import Callable
from typing import Any

from iphttps.lab.laboratory import INTERFACE, TUNNEL_SERVER, addresses, tunnel_address
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.traffic import Transfer, ping, transfer
from tests.lab.case import LabCase

MEGABYTE = 1_000_000
DURATION = 0.4
"""The run time of each tool, in seconds: some send thousands of packets in that time."""

# The tools want Ethernet, so the attacker's device is a TAP; {victim} is the second client's address.
TOOLS = {
    "a false router": "atk6-fake_router26 -A 2001:db8:bad::/64 {device}",
    "many false routers": "atk6-flood_router26 {device}",
    "false advertisements for the victim's address": "atk6-fake_advertise6 {device} {victim}",
    "false advertisements for the server's address": "atk6-fake_advertise6 {device} {server}",
    "redirects": "atk6-redir6 {device} {victim} {private} fe80::1 {own}",
    "denial of new addresses": "atk6-dos-new-ip6 {device}",
    "many solicitations": "atk6-flood_solicitate6 {device}",
    "na6": "na6 -i {device} -t {victim} -d ff02::1 -o -z 1 -l",
    "ns6": "ns6 -i {device} -t {victim} -d ff02::1 -z 1 -l",
    "ra6": "ra6 -i {device} -d ff02::1 -P 2001:db8:bad::/64#LA -t 1800 -z 1 -l",
}


class AttackTests(LabCase):
    """One client attacks, the other works."""

    clients = 2

    def check_mode(self, authentication: str, expected: set[str]) -> None:
        """Run all tools while the victim pings and downloads; it must not notice, and the server must count."""
        control = self.lab.directory / "control.sock"
        self.server("--control", str(control), authentication=authentication)
        self.client(1, "--device", "tap")
        self.client(2)
        attacker, victim = self.lab.clients
        names = {
            "device": INTERFACE,
            "own": tunnel_address(attacker),
            "victim": tunnel_address(victim),
            "server": TUNNEL_SERVER,
            "private": PRIVATE_HOST,
        }
        routes = self.routes()
        pings = round(DURATION * len(TOOLS) / 0.05)
        # Not both at once: a download alone fills the queue in which a ping can then be lost.
        lost: list[int] = []
        moved: list[Transfer] = []
        self.attack(names, lambda: lost.append(ping(victim, PRIVATE_HOST, pings, 0.05).lost))
        self.attack(names, lambda: moved.append(transfer(self.lab.private, victim, names["victim"], 30 * MEGABYTE)))
        self.assertEqual([0], lost)
        self.assertTrue(moved[0].intact)
        self.assertEqual(routes, self.routes())
        self.assertNotIn("2001:db8:bad", json.dumps(addresses(victim)))
        drops = self.drops(control)
        self.assertLessEqual(expected, set(drops), drops)

    def attack(self, names: dict[str, str], work: Callable[[], None]) -> None:
        """Run all tools while the victim works."""
        working = threading.Thread(target=work)
        working.start()
        for tool in TOOLS.values():
            self.lab.clients[0].run("timeout", "-s", "KILL", str(DURATION), *tool.format(**names).split(), check=False)
        working.join()

    def routes(self) -> set[str]:
        """Return the victim's routes through the tunnel."""
        shown = self.lab.clients[1].run("ip", "-json", "-6", "route", "show", "dev", INTERFACE).stdout
        return {f"{route['dst']} via {route.get('gateway')}" for route in json.loads(shown)}

    def drops(self, control: Any) -> dict[str, int]:
        """Return what the server has dropped of the client that came first, by reason."""
        shown = self.lab.gateway.run("curl", "-s", "--unix-socket", str(control), "http://localhost/clients").stdout
        (attacker,) = [client for client in json.loads(shown)["clients"] if client["number"] == 1]
        return dict(attacker["counters"]["drops"])

    def test_certificates(self) -> None:
        """In mode Certificates the victim's ping and download go on, and the drops have their reasons."""
        self.check_mode("certificates", {"router_advertisement", "nd_target_held", "too_much"})

    def test_none(self) -> None:
        """In mode None too, where what is multicast gets no further than the server (3.2.5.2.2)."""
        self.check_mode("none", {"router_advertisement", "multicast", "too_much"})
