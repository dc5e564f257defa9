"""Others change the interface that is the daemon's own."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from iphttps.lab.laboratory import INTERFACE, LINK_UP, LISTENING, TUNNEL_PREFIX, tunnel_address
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.app.schema import violations
from tests.lab.case import LabCase

ROUTES = [PRIVATE_NETWORK, TUNNEL_PREFIX]
COMMAND = str(Path(sys.executable).with_name("iphttps"))


class InterfaceTests(LabCase):
    """The interface of each role."""

    def each(self) -> Iterator[tuple[Namespace, Program]]:
        """Start both daemons anew; return the client's host and the client, then those of the server."""
        control = self.lab.directory / "{}" / "control.sock"
        server = self.lab.server("--control", str(control).format("server"))
        server.wait_for(LISTENING)
        client = self.lab.client(1, *self.reconnect, "--control", str(control).format("client"))
        client.wait_for(LINK_UP)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        wait_until(lambda: self.shown("client")[1]["routes"] == ROUTES, "the client's routes")
        yield self.lab.clients[0], client
        yield self.lab.gateway, server

    def shown(self, role: str) -> tuple[int, dict[str, Any]]:
        """Return what `iphttps status` ends with, and what it shows."""
        socket = self.lab.directory / role / "control.sock"
        done = self.lab.gateway.run(COMMAND, "status", "--json", "--control", str(socket), check=False)
        status = json.loads(done.stdout)
        self.assertEqual([], violations("status", status))
        return done.returncode, status

    def put_right(self, role: str, words: str) -> bool:
        """Tell whether a daemon shows this change, and that all is well again."""
        end, status = self.shown(role)
        change = status["interface_changed"]
        return end == 0 and words in change["change"] and change["put_right"]

    def wait_put_right(self, words: str) -> None:
        """Wait until both daemons show this change, and that it is put right; then packets pass again."""
        for role in ("client", "server"):
            wait_until(partial(self.put_right, role, words), f"{role} healthy after {words!r}")
        tunnel_address(self.lab.clients[0])
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def test_removed(self) -> None:
        """When somebody removes its interface, a daemon ends with status 1, so that a service manager restarts it."""
        for host, daemon in self.each():
            host.ip(f"link delete {INTERFACE}")
            self.assertEqual(1, daemon.wait_ended())
            self.assertIn("the interface was removed", daemon.text)

    def test_changed(self) -> None:
        """Taken down, or given another MTU or flag, the interface is put right, and packets pass again (3.2.3.1)."""
        both = list(self.each())
        for change, told in (
            ("mtu 1500", "its MTU is 1500"),
            ("mtu 1000", "its MTU is 1000"),  # IPv6 leaves it, with all addresses and settings
            ("down", "it is down"),
            ("arp off multicast off", "it has the flag NOARP, it lacks the flag MULTICAST"),
        ):
            for host, daemon in both:
                host.ip(f"link set {INTERFACE} {change}")
                daemon.wait_for(told)
            self.wait_put_right(told)

    def test_stripped(self) -> None:
        """Settings removed by another program are restored: addresses, routes, IPv6 itself."""
        both = list(self.each())
        for command, told in (("route", "route fe80::"), ("address", "address")):
            for host, daemon in both:
                host.run("ip", "-6", command, "flush", "dev", INTERFACE)
                daemon.wait_for(told)
            self.wait_put_right(told)
            self.assertEqual(ROUTES, self.shown("client")[1]["routes"])
        for host, _ in both:
            host.setting(f"ipv6.conf.{INTERFACE}.accept_ra", "0" if host in self.lab.clients else "1")
            host.setting(f"ipv6.conf.{INTERFACE}.disable_ipv6", "1")
            wait_until(partial(ipv6_enabled, host), "IPv6 on the interface")
        self.wait_put_right("address")

    def test_renamed(self) -> None:
        """Renamed, it ends the daemon with status 1."""
        for host, daemon in self.each():
            host.ip(f"link set {INTERFACE} down", f"link set {INTERFACE} name other")
            self.assertEqual(1, daemon.wait_ended())
            self.assertIn(f"the interface {INTERFACE} was renamed to other", daemon.text)

    def test_moved(self) -> None:
        """Moved to another network namespace, it ends the daemon with status 1."""
        for host, daemon in self.each():
            elsewhere = self.lab.program(host, "elsewhere", "unshare", "--net", "sh", "-c", "echo there; exec sleep 60")
            elsewhere.wait_for("there")
            host.ip(f"link set {INTERFACE} netns {elsewhere.pid}")
            self.assertEqual(1, daemon.wait_ended())
            self.assertIn("the interface was removed", daemon.text)


def ipv6_enabled(host: Namespace) -> bool:
    """Tell whether there is IPv6 on a host's interface."""
    return host.setting(f"ipv6.conf.{INTERFACE}.disable_ipv6") == "0"
