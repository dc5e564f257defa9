"""A server that serves SSTP alone, without IP-HTTPS: its host, and a client."""

from __future__ import annotations

from iphttps.app.users import editing
from iphttps.lab.laboratory import INTERFACE, devices
from iphttps.lab.network import GATEWAY_NAME
from tests.lab.case import LabCase
from tests.lab.ppp_peer import IPCP
from tests.lab.sstpc import Sstpc


class AloneTests(LabCase):
    """A server without a prefix for IP-HTTPS, and without an authority for its clients."""

    def test_ping(self) -> None:
        """A client without a certificate gets through; there is no interface of IP-HTTPS, and its path is not found."""
        users = self.lab.directory / "users.toml"
        editing.add(users, "alice", "secret")
        server = self.server(
            "--prefix", "", "--client-ca", "", "--sstp-pool", "10.99.0.0/24", "--sstp-users", str(users)
        )  # fmt: skip
        client = Sstpc(self.lab, self.lab.clients[0])
        client.connect(GATEWAY_NAME, IPCP)
        server.wait_for("client 1 (alice, ")
        client.ping("10.99.0.1")
        self.assertIn("sstp0", devices(self.lab.gateway))
        self.assertNotIn(INTERFACE, devices(self.lab.gateway))
        self.lab.client(1, "--reconnect-initial", "600").wait_for("404")
