"""A path that swallows every packet without a word, while programs on the client's host send on."""

import time

from iphttps.lab.laboratory import LINK_UP
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase
from tests.lab.test_sstp import SERVER
from tests.lab.test_sstp_client import SSTPClientCase

HOLE = """
table inet hole {
    chain input { type filter hook input priority 0; tcp dport 443 drop; }
    chain output { type filter hook output priority 0; tcp sport 443 drop; }
}
"""

KEEPALIVE = 3
SLACK = 2.0
"""Seconds that a busy machine may take longer."""


class BlackHoleCase(LabCase):
    """A client that pings through the tunnel, and a gateway that drops what belongs to the connection."""

    def noticed(self, client: Program, address: str, sentence: str) -> float:
        """Return the seconds until the client notices that the path swallows everything."""
        ping = self.lab.program(self.lab.clients[0], "ping", "ping", "-i", "0.2", address)
        ping.wait_for("bytes from")
        self.lab.gateway.run("nft", "-f", "-", stdin=HOLE)
        began = time.monotonic()
        client.wait_for(sentence)
        return time.monotonic() - began


class BlackHoleTests(BlackHoleCase):
    """IP-HTTPS."""

    def test_noticed(self) -> None:
        """Only what is received is a sign of life: a silent path is found out within keepalive and three seconds."""
        self.server()
        client = self.client(1, "--keepalive", str(KEEPALIVE))
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        seconds = self.noticed(client, PRIVATE_HOST, "the router on the link does not answer")
        self.assertLess(seconds, KEEPALIVE + 3 + SLACK)
        mark = client.mark()
        self.lab.gateway.run("nft", "delete", "table", "inet", "hole")
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)


class SSTPBlackHoleTests(SSTPClientCase, BlackHoleCase):
    """SSTP."""

    def test_noticed(self) -> None:
        """Only what is received is a sign of life: a silent path is found out within keepalive and three seconds."""
        self.sstp_server()
        client = self.up("--keepalive", str(KEEPALIVE))
        self.assertLess(self.noticed(client, SERVER, "the server does not answer"), KEEPALIVE + 3 + SLACK)
