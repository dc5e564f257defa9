"""SSTP's daemons killed in the middle of their work: what comes back, and what is left."""

from __future__ import annotations

import time

from iphttps.lab.laboratory import LINK_DOWN, LINK_UP, devices
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME_IPV4, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer, wait_reachable
from tests.lab.resolved import Resolved
from tests.lab.test_sstp import SERVER, SERVER_IPV6
from tests.lab.test_sstp_client import INNER, INTERFACE, SSTPClientCase

NAME_SERVER = "10.99.0.1"
NAMES = [f"dns {INTERFACE} {NAME_SERVER}", f"domain {INTERFACE} ~."]
"""What systemd-resolved is told: all names are looked up through the tunnel (resolvectl(1))."""

MEBIBYTE = 1 << 20

SETTINGS = "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | grep -v stable_secret | sort"


def shown(host: Namespace) -> dict[str, str]:
    """Return everything of a host's network that a client could have changed."""
    commands = (
        "ip link", "ip address", "ip -4 route show table all", "ip -6 route show table all", "ip -4 rule", "ip -6 rule",
        "nft list ruleset", "cat /etc/resolv.conf", SETTINGS,
    )  # fmt: skip
    return {command: host.run("sh", "-c", command).stdout for command in commands}


class ServerKilledTests(SSTPClientCase):
    """The server."""

    reconnect = ("--reconnect-initial", "1", "--reconnect-maximum", "2")
    longest = 2 * 1.2
    """Seconds between two attempts: the maximum and a fifth of it, as --help says."""

    def test_comes_back(self) -> None:
        """A server is killed and started again: the client is back by its timer, with the same IPv4 address."""
        server = self.sstp_server()
        client = self.up("--route", "10.20.0.0/16")
        host, gateway = self.lab.clients[0], self.lab.gateway
        mark = client.mark()
        server.kill()
        client.wait_for(LINK_DOWN, since=mark)
        client.wait_for("next attempt in 1.", since=mark)
        client.wait_for("connection refused", since=mark)
        self.assertNotIn(INTERFACE, self.shown("route"))
        self.assertNotIn(INNER, self.shown("address"))
        self.sstp_server()
        began = time.monotonic()
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(host, SERVER)
        wait_reachable(host, SERVER_IPV6)
        self.assertLess(time.monotonic() - began, self.longest + 5)
        self.assertIn(f"inet {INNER} peer {SERVER}/32", self.shown("address", "show", INTERFACE))
        self.assertIn(f"10.20.0.0/16 dev {INTERFACE}", self.shown("route"))
        for moved in (transfer(host, gateway, SERVER, MEBIBYTE), transfer(gateway, host, INNER, MEBIBYTE)):
            self.assertTrue(moved.intact, moved)


class ClientKilledTests(SSTPClientCase):
    """The client."""

    def setUp(self) -> None:
        """Give the client's host a default route, by which the server is reached, and a systemd-resolved."""
        super().setUp()
        self.host = self.lab.clients[0]
        self.host.ip("route add default via 192.0.2.1", f"route delete {GATEWAY_IPV4}")
        directory = self.lab.directory / "host"
        directory.mkdir()
        self.resolved = Resolved(self.lab, directory)
        self.files = self.lab.directory / "client"
        self.files.mkdir()

    def everything(self) -> Program:
        """Start a client that changes all that it can; wait until it has."""
        told = [*self.resolved.told, *NAMES]
        with self.resolved.there():
            client = self.up(
                "--default-route", "yes", "--route", "10.20.0.0/16", "--control", str(self.files / "client.sock"),
                uri=f"https://{GATEWAY_NAME_IPV4}",
            )  # fmt: skip
        wait_until(lambda: INTERFACE in self.shown("route", "get", "203.0.113.77"), "the default route of IPv4")
        wait_until(lambda: INTERFACE in self.shown("-6", "route", "get", PRIVATE_HOST), "the default route of IPv6")
        self.assertIn(f"10.20.0.0/16 dev {INTERFACE}", self.shown("route"))
        wait_reachable(self.host, PRIVATE_HOST)
        wait_until(lambda: self.resolved.told == told, "the name servers")
        return client

    def test_nothing_is_left(self) -> None:
        """Nothing is left in the host's network by SIGKILL, nor by the next client, which finds its own files in use.

        What systemd-resolved knows of an interface goes with the interface.
        """
        self.sstp_server("--sstp-dns-server", NAME_SERVER)
        before = shown(self.host)
        self.everything().kill()
        wait_until(lambda: INTERFACE not in devices(self.host), "the interface's end")
        self.assertEqual(before, shown(self.host))
        self.assertEqual(["client.sock"], [path.name for path in self.files.iterdir()])

        self.everything().stop()
        self.assertEqual(before, shown(self.host))
        self.assertEqual([*NAMES, *NAMES, f"revert {INTERFACE}"], self.resolved.told)
        self.assertEqual([], list(self.files.iterdir()))
