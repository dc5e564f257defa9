"""The SSTP client with servers that are not ours: sstpd with slirp, and sstpd with pppd and the PPP of Linux."""

from __future__ import annotations

import json
import sys
import tempfile
from ipaddress import IPv6Network
from pathlib import Path

from iphttps.lab.laboratory import LINK_UP, address_in
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_NAME_IPV4
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import wait_reachable
from tests.lab import exchange_end
from tests.lab.sstp_server import (
    ADVERTISED,
    BOUND,
    PPPD_CLIENT,
    PPPD_SERVER,
    PPPD_SERVER_IPV6,
    SLIRP_SERVER,
    PppdServer,
    SlirpServer,
)
from tests.lab.test_sstp_client import INTERFACE, SIZE, SSTPClientCase
from tests.lab.uml import Exchange

REJECTED = "the server rejected the login: the user name or the password is wrong"
WITHHELD = "is not sent for"
"""The client's sentences if the server rejects the password, and if it is not sent again."""


def exchange(connecting: Namespace, address: str, listening: Namespace, own: str) -> Exchange:
    """Connect by TCP to an address, which is another one for the host that listens, and send SIZE bytes each way."""
    script = sys.executable, str(exchange_end.__file__)
    with tempfile.TemporaryDirectory(prefix="iphttps-exchange-") as directory:
        output = Path(directory) / "listener"
        other = Program(listening, "the other end", *script, "listen", own, str(SIZE), output=output)
        port = other.wait_for("port ").split()[1]
        done = connecting.run(*script, "connect", address, port, str(SIZE), deadline=300)
        other.wait_ended()
        return Exchange(json.loads(done.stdout), json.loads(other.text.splitlines()[-1]))


class ForeignCase(SSTPClientCase):
    """A client of a server that is not ours."""

    def connect(self, password: str = "secret") -> Program:
        """Start the client of alice."""
        return self.sstp_client(uri=f"https://{GATEWAY_NAME_IPV4}", password=password)


class SlirpTests(ForeignCase):
    """sstpd on a host, with MS-CHAPv2 and slirp, which has IPv4 only and does not answer IPV6CP at all."""

    def test_traffic(self) -> None:
        """The compound MAC is right, a ping is answered, and 20 MB arrive intact each way ([MS-SSTP] 3.2.5.2)."""
        server = SlirpServer(self.lab, self.lab.gateway)
        host = self.lab.clients[0]
        self.connect().wait_for(LINK_UP)
        server.program.wait_for(BOUND)
        wait_reachable(host, SLIRP_SERVER)
        exchanged = exchange(host, SLIRP_SERVER, self.lab.gateway, "127.0.0.1")
        self.assertTrue(exchanged.intact, exchanged)
        self.assertEqual((SIZE, SIZE), (exchanged.ours["received"], exchanged.theirs["received"]))

    def test_wrong_password(self) -> None:
        """The server rejects a wrong password, and the client says so (RFC 2759 section 6)."""
        server = SlirpServer(self.lab, self.lab.gateway)
        client = self.connect("wrong")
        client.wait_for(REJECTED)
        client.wait_for(WITHHELD)
        wait_until(lambda: "the name or the password is wrong" in server.ppp_log, "the server's word about it")
        self.assertNotIn(BOUND, server.program.text)


class PppdTests(ForeignCase):
    """sstpd in a guest, with a real pppd and the PPP of Linux."""

    def test_traffic(self) -> None:
        """Pings of both families are answered, and 20 MB by IPv4 arrive intact each way; the compound MAC is right."""
        server = PppdServer(self.lab, self.lab.gateway)
        host = self.lab.clients[0]
        self.connect().wait_for(LINK_UP)
        server.guest.wait_for(BOUND)
        wait_reachable(host, PPPD_SERVER)
        wait_reachable(host, f"{server.link_local}%{INTERFACE}")
        server.advertise()
        address_in(host, IPv6Network(ADVERTISED), INTERFACE)
        wait_reachable(host, PPPD_SERVER_IPV6)
        exchanged = server.guest.exchange(host, PPPD_CLIENT, SIZE, SIZE, deadline=300)
        self.assertTrue(exchanged.intact, exchanged)
        self.assertEqual((SIZE, SIZE), (exchanged.ours["received"], exchanged.theirs["received"]))

    def test_wrong_password(self) -> None:
        """A real pppd rejects a wrong password, and the client says so (RFC 2759 section 6)."""
        server = PppdServer(self.lab, self.lab.gateway)
        client = self.connect("wrong")
        client.wait_for(REJECTED)
        client.wait_for(WITHHELD)
        server.guest.wait_for("Peer alice failed CHAP authentication")
        self.assertNotIn(BOUND, server.guest.console.text)
