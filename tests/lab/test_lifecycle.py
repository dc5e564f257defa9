"""Beginning, end, and what comes in between: reconnecting, privileges, the host's own network."""

import json
import socket
import sys
import time
from pathlib import Path

from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.layers.l2 import Ether

from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, LINK_UP, LISTENING, addresses, devices, tunnel_address
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.raw import RawCase, connect, inside

SIGTERM = -15
NOBODY = ("--uid", "65534", "--gid", "65534")


def settings(host: Namespace) -> str:
    """Return the IPv6 settings of all interfaces of a host, less what changes by itself."""
    return host.run("sh", "-c", "grep -r . /proc/sys/net/ipv6/conf | grep -v stable_secret | sort").stdout


class ServerEndTests(RawCase):
    """The server's shutdown."""

    def test_sigterm(self) -> None:
        """SIGTERM disconnects every client with close_notify and closes the port, within two seconds (3.2.7.3)."""
        server = self.server()
        sessions = [self.session() for _ in range(3)]
        begin = time.monotonic()
        self.assertEqual(SIGTERM, server.stop())
        self.assertLess(time.monotonic() - begin, 2)
        for session in sessions:
            self.assertTrue(session.read_to_end())
        self.assertRaises(ConnectionRefusedError, connect, self.lab.clients[0], GATEWAY_IPV6, 443)
        self.assertIn("LISTEN -> STOPPED", server.text)

    def test_nothing_is_left(self) -> None:
        """The server's changes on its host are undone: device, addresses, settings, forwarding."""
        gateway = self.lab.gateway
        gateway.setting("ipv6.conf.all.forwarding", "0")
        gateway.setting("ipv6.conf.outer1.accept_ra", "1")
        before = settings(gateway), devices(gateway)
        server = self.server()
        self.assertNotEqual(before, (settings(gateway), devices(gateway)))
        server.stop()
        self.assertEqual(before, (settings(gateway), devices(gateway)))

    def test_killed(self) -> None:
        """A killed server leaves no device; forwarding stays on, as docs/security.md says, and the next one starts."""
        gateway = self.lab.gateway
        gateway.setting("ipv6.conf.all.forwarding", "0")
        before = devices(gateway)
        self.server().kill()
        self.assertEqual((before, "1"), (devices(gateway), gateway.setting("ipv6.conf.all.forwarding")))
        self.assertEqual(SIGTERM, self.server().stop())
        self.assertEqual((before, "1"), (devices(gateway), gateway.setting("ipv6.conf.all.forwarding")))

    def test_nothing_is_left_without_root(self) -> None:
        """The same when `twistd --uid` has given up being root."""
        gateway = self.lab.gateway
        gateway.setting("ipv6.conf.all.forwarding", "0")
        before = settings(gateway), devices(gateway)
        server = self.unprivileged(gateway, "iphttps-server", self.lab.server())
        server.wait_for(LISTENING)
        self.client()
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        status = gateway.run("cat", f"/proc/{server.pid}/status").stdout
        self.assertIn("Uid:\t65534\t65534\t65534\t65534", status)
        self.assertIn("CapEff:\t0000000000001400", status)  # CAP_NET_ADMIN, CAP_NET_BIND_SERVICE
        self.assertEqual(SIGTERM, server.stop())
        self.assertEqual(before, (settings(gateway), devices(gateway)))

    def unprivileged(self, host: Namespace, plugin: str, like: Program) -> Program:
        """Start a daemon like another, which ends, but with `twistd --uid --gid`."""
        like.kill()
        flags = like.command[like.command.index(plugin) + 1 :]
        twistd = str(Path(sys.executable).with_name("twistd"))
        return self.lab.program(host, plugin, twistd, "-n", "--pidfile=", *NOBODY, plugin, *flags)

    def test_client_without_root(self) -> None:
        """The client works and tidies up when `twistd --uid` has given up being root."""
        self.server()
        host = self.lab.clients[0]
        client = self.unprivileged(host, "iphttps-client", self.lab.client(1, *self.reconnect))
        client.wait_for(LINK_UP)
        wait_reachable(host, PRIVATE_HOST)
        self.assertEqual(SIGTERM, client.stop())
        self.assertNotIn(INTERFACE, devices(host))


class OwnRouterTests(RawCase):
    """The server's host has a router of its own."""

    def test_forwarding_does_not_cut_it_off(self) -> None:
        """A default route that the gateway learned from a Router Advertisement outlives turning on forwarding."""
        gateway = self.lab.gateway
        gateway.setting("ipv6.conf.all.forwarding", "0")
        gateway.setting("ipv6.conf.outer1.accept_ra", "1")
        self._advertise()
        wait_until(self._default_routes, "a default route on the gateway")
        self.server()
        self.assertEqual("1", gateway.setting("ipv6.conf.all.forwarding"))
        self.assertTrue(self._default_routes())
        gateway.run("ip", "-6", "route", "flush", "default")
        self._advertise()
        wait_until(self._default_routes, "the default route, learned again while forwarding")

    def _advertise(self) -> None:
        """Send a Router Advertisement from the first client's host, the neighbour on the outer side."""
        source = next(a["local"] for a in addresses(self.lab.clients[0], "outer") if a["scope"] == "link")
        packet = IPv6(src=str(source), dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=600)
        frame = Ether(src="02:00:00:00:00:01", dst="33:33:00:00:00:01") / packet
        with inside(self.lab.clients[0]), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as door:
            door.sendto(bytes(frame), ("outer", 0))

    def _default_routes(self) -> list[object]:
        shown = self.lab.gateway.run("ip", "-json", "-6", "route", "show", "default").stdout
        return list(json.loads(shown))


class ReconnectTests(RawCase):
    """The client's life."""

    def test_comes_back(self) -> None:
        """The client comes back by itself after the server was killed and restarted (3.1.5.4, 3.1.6)."""
        server, client = self.tunnel()
        host = self.lab.clients[0]
        address = tunnel_address(host)
        server.kill()
        client.wait_for(LINK_DOWN)
        mark = client.mark()
        self.assertEqual([], addresses(host))
        client.wait_for("next attempt in")
        self.server()
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(host, PRIVATE_HOST)
        self.assertEqual(address, tunnel_address(host))

    def test_comes_back_after_shutdown(self) -> None:
        """The same after the server said good-bye."""
        server, client = self.tunnel()
        mark = client.mark()
        server.stop()
        client.wait_for(LINK_DOWN, since=mark)
        mark = client.mark()
        self.server()
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def test_states(self) -> None:
        """The states of 3.1.1 and 3.2.1 are visible in the log, in the order of figure 6."""
        server, client = self.tunnel()
        client.stop()
        server.stop()
        changes = [line.split("] ", 1)[1] for line in client.text.splitlines() if " -> " in line]
        self.assertEqual(
            [
                "DISABLED -> ENABLED",
                "ENABLED -> LINK_DOWN",
                "LINK_DOWN -> ESTABLISHED",
                "ESTABLISHED -> LINK_UP",
                "LINK_UP -> DISABLED",
            ],
            changes,
        )
        changes = [line.split("] ", 1)[1] for line in server.text.splitlines() if " -> " in line]
        self.assertEqual(["STOPPED -> LISTEN", "LISTEN -> STOPPED"], changes)

    def test_client_end(self) -> None:
        """SIGTERM takes the client's link down at once and leaves nothing; the server forgets it (3.2.7.2)."""
        server, client = self.tunnel()
        begin = time.monotonic()
        self.assertEqual(SIGTERM, client.stop())
        self.assertLess(time.monotonic() - begin, 2)
        self.assertNotIn(INTERFACE, devices(self.lab.clients[0]))
        server.wait_for("disconnected: closed by the client")

    def test_device_removed(self) -> None:
        """When somebody removes its device, a daemon stops and says so."""
        server, client = self.tunnel()
        for host, daemon in ((self.lab.clients[0], client), (self.lab.gateway, server)):
            host.run("ip", "link", "delete", INTERFACE)
            daemon.wait_for("the interface was removed")
            daemon.wait_ended()
