"""Real kernels, real TLS, real packets: what the tunnel is for."""

import json

from iphttps.lab.laboratory import INTERFACE, TUNNEL_SERVER, tunnel_address
from iphttps.lab.network import (
    GATEWAY_NAME_IPV4,
    GATEWAY_NAME_IPV6,
    PRIVATE_HOST,
    PRIVATE_NETWORK,
    PRIVATE_ROUTER,
)
from iphttps.lab.traffic import ping, transfer, wait_reachable
from tests.lab.case import LabCase

MEGABYTE = 1_000_000


class TunnelTests(LabCase):
    """One client, one server."""

    probing = True

    def reaches(self, address: str, size: int = 56) -> None:
        """Check that the first client's pings to an address are all answered."""
        self.assertEqual(0, ping(self.lab.clients[0], address, 5, size=size).lost, address)

    def test_reach(self) -> None:
        """The client reaches the private host, the server's own addresses and its link-local one (3)."""
        self.tunnel()
        for address in (PRIVATE_HOST, PRIVATE_ROUTER, TUNNEL_SERVER, f"fe80::1%{INTERFACE}"):
            self.reaches(address)

    def test_private_host_reaches_the_client(self) -> None:
        """The private host reaches the client, without having been spoken to (3.2.3.1)."""
        self.tunnel()
        address = tunnel_address(self.lab.clients[0])
        self.assertEqual(0, ping(self.lab.private, address).lost)

    def test_mtu(self) -> None:
        """The MTU is 1280 on both sides; longer packets are fragmented, none is lost (3.1.5.2, 3.2.3.1)."""
        self.tunnel()
        for host in (self.lab.clients[0], self.lab.gateway):
            (link,) = json.loads(host.run("ip", "-json", "link", "show", INTERFACE).stdout)
            self.assertEqual(1280, link["mtu"])
        self.reaches(PRIVATE_HOST, size=1232)
        ping(self.lab.clients[0], PRIVATE_HOST, 1, size=4000)  # from it the private host learns the path's MTU
        self.reaches(PRIVATE_HOST, size=4000)

    def test_packet_too_big(self) -> None:
        """A packet for the client that is longer than the link's MTU is answered Packet Too Big (RFC 8201)."""
        self.tunnel()
        address = tunnel_address(self.lab.clients[0])
        done = self.lab.private.run(
            "ping", "-n", "-c", "2", "-i", "0.1", "-W", "1", "-M", "do", "-s", "1400", address, check=False
        )
        self.assertIn("mtu=1280", done.stdout + done.stderr)

    def test_routes(self) -> None:
        """The client learns the server's routes, and no default route unless the server offers one (RFC 4191)."""
        self.tunnel()
        self.assertIn(PRIVATE_NETWORK, self.routes())
        self.assertNotIn("default", self.routes())

    def test_default_router(self) -> None:
        """With --default-router the client gets a default route (RFC 4861 section 6.2.3)."""
        self.server("--default-router")
        self.client()
        tunnel_address(self.lab.clients[0])
        self.assertIn("default", self.routes())

    def routes(self) -> list[str]:
        """Return the destinations of the first client's routes through the tunnel."""
        shown = self.lab.clients[0].run("ip", "-json", "-6", "route", "show", "dev", INTERFACE).stdout
        return [route["dst"] for route in json.loads(shown)]

    def test_bulk(self) -> None:
        """Ten megabytes over TCP arrive intact in each direction."""
        self.tunnel()
        client, private = self.lab.clients[0], self.lab.private
        address = tunnel_address(client)
        for sender, receiver, at in ((client, private, PRIVATE_HOST), (private, client, address)):
            moved = transfer(sender, receiver, at, 10 * MEGABYTE)
            self.assertEqual(10 * MEGABYTE, moved.received)
            self.assertTrue(moved.intact)


class ConnectionTests(LabCase):
    """The connection that the tunnel runs through."""

    def test_mode_none(self) -> None:
        """In mode None a client without a certificate gets an address and reaches the private host (3.2.1)."""
        self.server(authentication="none")
        self.client(1, "--certificate=", "--private-key=")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def test_families(self) -> None:
        """The HTTPS connection can be set up over an IPv4 or an IPv6 network (1.5)."""
        self.server()
        for name in (GATEWAY_NAME_IPV4, GATEWAY_NAME_IPV6):
            client = self.client(1, uri=f"https://{name}/IPHTTPS")
            wait_reachable(self.lab.clients[0], PRIVATE_HOST)
            client.stop()

    def test_plain_http(self) -> None:
        """HTTP is a transport as well, over IPv4 and over IPv6, with a warning (1.5, 5.1)."""
        server = self.server(uri="http://*:80/IPHTTPS", authentication="none")
        self.assertIn("plain HTTP", server.text)
        for name in (GATEWAY_NAME_IPV4, GATEWAY_NAME_IPV6):
            client = self.client(1, uri=f"http://{name}/IPHTTPS")
            self.assertIn("plain HTTP", client.text)
            wait_reachable(self.lab.clients[0], PRIVATE_HOST)
            client.stop()

    def test_other_port(self) -> None:
        """Any port will do, and any path that both ends agree on; its case does not matter (3.2.1)."""
        self.server(uri="https://*:8443/some/path")
        self.client(1, uri="https://gateway.example:8443/Some/PATH")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)


class SeveralClientsTests(LabCase):
    """Several clients at once."""

    clients = 3
    probing = True

    def start(self, authentication: str) -> list[str]:
        """Start a server and all clients, and return the clients' addresses."""
        self.server("--isolate", "no", authentication=authentication)
        for number in range(1, self.clients + 1):
            self.client(number)
        return [tunnel_address(client) for client in self.lab.clients]

    def check_everybody_reaches_everybody(self, authentication: str) -> None:
        """Ping from each client to the private host, the server and each other client.

        By link-local unicast clients reach each other in mode Certificates alone (3.2.5.2.2).
        """
        addresses = self.start(authentication)
        self.assertEqual(self.clients, len(set(addresses)))
        shown = self.lab.clients[1].run("ip", "-json", "-6", "address", "show", "dev", INTERFACE).stdout
        (other,) = (a["local"] for a in json.loads(shown)[0]["addr_info"] if a["scope"] == "link")
        lost = 0 if authentication == "certificates" else 3
        self.assertEqual(lost, ping(self.lab.clients[0], f"{other}%{INTERFACE}", 3).lost)
        for client, own in zip(self.lab.clients, addresses, strict=True):
            for address in (PRIVATE_HOST, TUNNEL_SERVER, *addresses):
                if address != own:
                    self.assertEqual(0, ping(client, address, 3).lost, f"{client.label} to {address}")

    def test_certificates(self) -> None:
        """In mode Certificates each client reaches the private host, the server and the others' addresses."""
        self.check_everybody_reaches_everybody("certificates")

    def test_none(self) -> None:
        """In mode None too, if they are not kept apart: the server is a router for global addresses (3.2.3.1)."""
        self.check_everybody_reaches_everybody("none")
