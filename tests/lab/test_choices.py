"""The options for when to connect, to which server, and how to detect a dead one."""

import os
import signal
import time

from iphttps.lab.laboratory import CLIENT_URI, LINK_UP
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase
from tests.lab.test_control import ControlCase

CLOSED = f"https://{GATEWAY_NAME}:444/IPHTTPS"
"""A port without a listener."""


class SeveralServersTests(LabCase):
    """Several URIs, of which one has no server."""

    reconnect = ()  # thirty seconds would be noticed

    def test_next(self) -> None:
        """When one server fails the next is tried at once, and only when all have failed the timer runs (3.1.2.1)."""
        self.server()
        client = self.client(1, "--uri", CLIENT_URI, uri=CLOSED)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.assertIn(f"connecting to {CLOSED}", client.text)
        self.assertNotIn("next attempt in", client.text)

    def test_fastest(self) -> None:
        """The server that answers fastest is tried first, wherever it stands in the list."""
        self.server()
        client = self.client(1, "--uri", CLIENT_URI, "--select", "fastest", uri=CLOSED)
        self.assertNotIn(f"connecting to {CLOSED}", client.text)


class WhenTests(ControlCase):
    """The conditions for initialization (3.1.3)."""

    def begin(self, *flags: str) -> Program:
        """Start a client with a control socket and these flags."""
        return self.lab.client(1, "--control", str(self.socket("client1")), *self.reconnect, *flags)

    def test_command(self) -> None:
        """With --when command nothing is tried before the user asks for it; then the user may also disable it."""
        self.server()
        client = self.begin("--when", "command")
        client.wait_for("DISABLED -> ENABLED")
        self.assertIn("ENABLED", self.command("status", name="client1", status=1))
        self.command("enable", name="client1")
        client.wait_for(LINK_UP)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.assertRegex(self.command("status", name="client1"), r"router +fe80::\S+, round trip [0-9.]+ ms")
        self.command("disable", name="client1")
        client.wait_for("LINK_UP -> DISABLED")
        self.assertEqual(1, client.text.count("connecting to"))

    def test_blocked(self) -> None:
        """With --when blocked the tunnel is built where the probe is out of reach, as the network is at the time."""
        self.server()
        client = self.begin("--when", "blocked", "--probe", f"{GATEWAY_IPV4}:443")
        client.wait_for("is reachable directly: no tunnel is needed")
        self.assertNotIn("connecting to", client.text)
        client.stop()
        client = self.begin("--when", "blocked", "--probe", f"{GATEWAY_IPV4}:444")
        client.wait_for("is not reachable directly: connection refused")
        client.wait_for(LINK_UP)


class KeepaliveTests(LabCase):
    """Dead peers that no FIN announces."""

    def test_frozen_server(self) -> None:
        """A server that does nothing any more is found out by the question that an idle client asks, soon (3.1.5.4)."""
        server, client = self.server(), self.client(1, "--keepalive", "2")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        # A hang-up costs no session, and is answered.
        os.kill(client.pid, signal.SIGHUP)
        client.wait_for("SIGHUP ignored")
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        client.wait_for("the router on the link does not answer")
        self.assertLess(time.monotonic() - began, 2 + 3 + 2)
        mark = client.mark()
        os.kill(server.pid, signal.SIGCONT)
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
