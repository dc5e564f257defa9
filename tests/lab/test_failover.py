"""Two servers, of which one does not answer or is restarted: how long the client is without a tunnel."""

import os
import signal
import time

from iphttps.lab.laboratory import CLIENT_URI, LINK_DOWN, LINK_UP, LISTENING
from iphttps.lab.network import GATEWAY_NAME, PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase
from tests.lab.test_black_hole import HOLE
from tests.lab.test_sstp_client import SSTPClientCase

PORT = 444
SECOND_URI = f"https://{GATEWAY_NAME}:{PORT}/IPHTTPS"
SOON = 5.0
"""Seconds within which another server must have taken over."""

REJECTING = """
table inet rejecting {{
    chain input {{
        type filter hook input priority 0;
        meta nfproto ipv{family} tcp dport 443 reject with tcp reset
    }}
}}
"""


class FailoverCase(LabCase):
    """A client of two servers, with the usual half a minute between attempts."""

    reconnect = ()

    def second(self) -> Program:
        """Start the second server, with a link and a prefix of its own."""
        second = self.lab.server(
            "--interface", "iphttps1", "--prefix", "2001:db8:7::/64", uri=f"https://*:{PORT}/IPHTTPS"
        )
        second.wait_for(LISTENING)
        return second

    def assert_takes_over(self, client: Program, uri: str, since: int, began: float) -> None:
        """Check that the client is connected to this server, after a short while and without the timer."""
        client.wait_for(LINK_UP, since=since)
        self.assertLess(time.monotonic() - began, SOON)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.assertNotIn("next attempt in", client.text[since:])
        self.assertIn(f"connecting to {uri}", client.text[since:])


class FailoverTests(FailoverCase):
    """IP-HTTPS."""

    def test_dead_at_first(self) -> None:
        """A server whose host swallows everything delays the link by about a second (RFC 8305 section 5)."""
        self.lab.gateway.run("nft", "-f", "-", stdin=HOLE)
        self.second()
        client = self.lab.client(1, "--uri", SECOND_URI)
        client.wait_for("connecting to")
        self.assert_takes_over(client, SECOND_URI, 0, time.monotonic())

    def test_frozen(self) -> None:
        """A server that accepts connections, and does nothing more, delays the link no longer."""
        os.kill(self.server().pid, signal.SIGSTOP)
        self.second()
        client = self.lab.client(1, "--uri", SECOND_URI)
        client.wait_for("connecting to")
        self.assert_takes_over(client, SECOND_URI, 0, time.monotonic())

    def test_black_hole(self) -> None:
        """After a session that has fallen silent, the other server is tried first (3.1.5.4)."""
        self.server()
        self.second()
        client = self.client(1, "--uri", SECOND_URI, "--keepalive", "3")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.lab.gateway.run("nft", "-f", "-", stdin=HOLE)
        mark = client.mark()
        client.wait_for(LINK_DOWN, since=mark)
        self.assert_takes_over(client, SECOND_URI, mark, time.monotonic())

    def test_restarts(self) -> None:
        """Two restarts within a minute cost no half a minute while the other server is there (3.1.2.1)."""
        one, other = self.server(), self.second()
        client = self.client(1, "--uri", SECOND_URI)
        for uri in (SECOND_URI, CLIENT_URI):
            wait_reachable(self.lab.clients[0], PRIVATE_HOST)
            mark, began = client.mark(), time.monotonic()
            (one if uri == SECOND_URI else other).kill()
            self.assert_takes_over(client, uri, mark, began)
            if uri == SECOND_URI:
                one = self.server()

    def test_addresses(self) -> None:
        """The addresses of one name are servers as well: the lost one is tried last (3.1.2.1)."""
        self.server()
        client = self.client()
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        connections = self.lab.clients[0].run("ss", "-Htn", "dport = :443").stdout
        mark, began = client.mark(), time.monotonic()
        self.lab.gateway.run("nft", "-f", "-", stdin=REJECTING.format(family=6 if "]:443" in connections else 4))
        self.lab.program(self.lab.clients[0], "ping", "ping", PRIVATE_HOST)
        self.assert_takes_over(client, CLIENT_URI, mark, began)


class SSTPFailoverTests(SSTPClientCase, FailoverCase):
    """SSTP."""

    def test_dead_at_first(self) -> None:
        """A server whose host swallows everything delays the link by about a second (RFC 8305 section 5)."""
        self.lab.gateway.run("nft", "-f", "-", stdin=HOLE)
        self.sstp_server(uri=f"https://*:{PORT}/IPHTTPS")
        client = self.sstp_client("--uri", f"https://{GATEWAY_NAME}:{PORT}")
        client.wait_for("connecting to")
        began = time.monotonic()
        client.wait_for(LINK_UP)
        self.assertLess(time.monotonic() - began, SOON)
        self.assertNotIn("next attempt in", client.text)
