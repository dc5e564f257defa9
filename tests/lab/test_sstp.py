"""The SSTP server, beside IP-HTTPS on one port, with real clients: sstpc, and pppd on a kernel of its own."""

from __future__ import annotations

from iphttps.app.users import editing
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase
from tests.lab.sstp_guest import TLS, SstpGuest
from tests.lab.sstpc import Sstpc

POOL, PREFIX = "10.99.0.0/24", "2001:db8:3::/64"
SERVER, SERVER_IPV6 = "10.99.0.1", "2001:db8:3::1"


class SSTPCase(LabCase):
    """A server with SSTP and IP-HTTPS, and a user alice."""

    clients = 2

    def sstp_server(self, *flags: str) -> Program:
        """Start the server."""
        users = self.lab.directory / "users.toml"
        editing.add(users, "alice", "secret")
        return self.server("--sstp-pool", POOL, "--sstp-prefix", PREFIX, "--sstp-users", str(users), *flags)


class SstpcTests(SSTPCase):
    """sstpc, with a PPP peer of the tests at its terminal."""

    def test_ping(self) -> None:
        """A user logs in, gets addresses of both families, and reaches the server ([MS-SSTP] 3.3)."""
        server = self.sstp_server()
        client = Sstpc(self.lab, self.lab.clients[0])
        client.connect()
        server.wait_for("client 1 (alice, ")
        client.ping(SERVER)
        client.ping(SERVER_IPV6, source=str(client.global_address()))

    def test_wrong_password(self) -> None:
        """A wrong password is rejected, and the log says so."""
        server = self.sstp_server()
        client = Sstpc(self.lab, self.lab.clients[0], password="wrong")
        client.connect()
        self.assertTrue(client.ppp.refused)
        server.wait_for("login failed: 'alice': the name or the password is wrong")


class GuestTests(SSTPCase):
    """sstpc with pppd and the PPP of Linux, beside an IP-HTTPS client."""

    def test_both(self) -> None:
        """20 MB each way by IPv4 and 5 MB by IPv6 arrive intact, beside a tunnel of IP-HTTPS on the same port."""
        self.sstp_server()
        self.client(2)
        client = SstpGuest(self.lab, self.lab.clients[0])
        client.connect(tls=TLS.V12)
        guest = client.guest
        guest.wait_reachable(SERVER)
        guest.wait_reachable(SERVER_IPV6)
        for address, size in ((SERVER, 20_000_000), (SERVER_IPV6, 5_000_000)):
            exchange = guest.exchange(self.lab.gateway, address, size, size, deadline=300)
            self.assertTrue(exchange.intact, exchange)
        wait_reachable(self.lab.clients[1], PRIVATE_HOST)
