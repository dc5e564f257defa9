"""The SSTP server, beside IP-HTTPS on one port, with real clients: sstpc, and pppd on a kernel of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from iphttps.app.control.ask import ask
from iphttps.app.users import editing
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program
from iphttps.lab.traffic import transfer, wait_reachable
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


class TogetherTests(SSTPCase):
    """Two users of SSTP and a client of IP-HTTPS, on one port."""

    clients = 3

    def test_at_once(self) -> None:
        """All three have traffic at the same time, and each what is its own; one that leaves disturbs nobody."""
        control = self.lab.directory / "control.sock"
        self.sstp_server("--control", str(control))
        editing.add(self.lab.directory / "users.toml", "bob", "secret")
        self.client(3)
        wait_reachable(self.lab.clients[2], PRIVATE_HOST)
        alice = SstpGuest(self.lab, self.lab.clients[0])
        alice.connect(tls=TLS.V12)
        alice.guest.wait_reachable(SERVER)
        alice.guest.run("ip", "route", "add", POOL, "dev", "ppp0")
        bob = Sstpc(self.lab, self.lab.clients[1], "bob")
        bob.connect()
        bob.ping(SERVER)
        shown = {client["identity"]: client for client in ask(control, "GET", "/clients")["clients"]}
        self.assertEqual(["iphttps", "sstp", "sstp"], sorted(client["protocol"] for client in shown.values()))
        (its,) = [address for address in shown["alice"]["addresses"] if address.startswith("10.99.0.")]
        with ThreadPoolExecutor() as pool:
            down = pool.submit(alice.guest.exchange, self.lab.gateway, SERVER, 10_000_000, 10_000_000, 200.0)
            beside = pool.submit(transfer, self.lab.clients[2], self.lab.private, PRIVATE_HOST, 10_000_000)
            pings, active = 0, set()
            while not (down.done() and beside.done()):
                bob.ping(SERVER, size=1300)
                bob.ping(its)  # from one user to another, through the kernel
                pings += 1
                clients = ask(control, "GET", "/clients")["clients"]
                active |= {client["number"] for client in clients if min(client["rates"].values()) > 1000}
            self.assertTrue(down.result().intact, down.result())
            self.assertTrue(beside.result().intact, beside.result())
        self.assertGreater(pings, 1)
        self.assertEqual({1, 2, 3}, active)
        bob.close()
        self.assertTrue(alice.guest.exchange(self.lab.gateway, SERVER, 1000, 1000).intact)
        wait_reachable(self.lab.clients[2], PRIVATE_HOST)
