"""Our SSTP client with our server, both as daemons."""

import json
import re
import threading
import time
from ipaddress import IPv6Network
from pathlib import Path

from iphttps.app.users import editing
from iphttps.lab.laboratory import LINK_DOWN, LINK_UP, address_in, devices
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, GATEWAY_NAME_IPV4, PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import Transfer, transfer, wait_reachable
from tests.lab.case import LabCase
from tests.lab.test_control import NOBODY
from tests.lab.test_link_change import DEAD, SOON
from tests.lab.test_sstp import POOL, PREFIX, SERVER, SERVER_IPV6

INNER = "10.99.0.2"
INTERFACE = "sstp0"
SIZE = 20_000_000
TUNNEL_PREFIX = IPv6Network(PREFIX)


class SSTPClientCase(LabCase):
    """A server with SSTP, a user alice, and the client's daemon."""

    plugin = "sstp-client"

    def sstp_server(self, *flags: str, **choices: str) -> Program:
        """Start the server."""
        users = self.lab.directory / "users.toml"
        if not users.exists():
            editing.add(users, "alice", "secret")
        return self.server("--sstp-pool", POOL, "--sstp-prefix", PREFIX, "--sstp-users", str(users), *flags, **choices)

    def password(self, text: str = "secret") -> Path:
        """Write the password file."""
        path = self.lab.directory / "password"
        path.touch(0o600)
        path.write_text(f"{text}\n")
        return path

    def sstp_client(self, *flags: str, uri: str = f"https://{GATEWAY_NAME}", password: str = "secret") -> Program:
        """Start the client."""
        file = str(self.password(password))
        usual = ["--uri", uri, "--user", "alice", "--password-file", file, "--interface", INTERFACE]
        if uri.startswith("https:"):
            usual += ["--ca", str(self.lab.authority.certificate)]
        return self.lab.daemon(self.lab.clients[0], self.plugin, *usual, *self.reconnect, *flags)

    def up(self, *flags: str, **choices: str) -> Program:
        """Start the client, and wait until its link is up and reaches the server."""
        client = self.sstp_client(*flags, **choices)
        client.wait_for(LINK_UP)
        wait_reachable(self.lab.clients[0], SERVER)
        return client

    def shown(self, *words: str) -> str:
        """Return what `ip` shows on the client."""
        return self.lab.clients[0].run("ip", *words).stdout


class LinkTests(SSTPClientCase):
    """The link while it is up, and the state of the host after it."""

    def test_both_families(self) -> None:
        """Both families reach the server, and 20 MB each way arrive intact ([MS-SSTP] 3.2)."""
        self.sstp_server()
        self.up()
        host, gateway = self.lab.clients[0], self.lab.gateway
        inner = address_in(host, TUNNEL_PREFIX, INTERFACE)
        wait_reachable(host, SERVER_IPV6)
        for there, here in ((SERVER, INNER), (SERVER_IPV6, inner)):
            for moved in (transfer(host, gateway, there, SIZE), transfer(gateway, host, here, SIZE)):
                self.assertTrue(moved.intact, moved)
        self.assertIn("mtu 1400", self.shown("link", "show", INTERFACE))

    def test_raw(self) -> None:
        """An http:// URI takes no TLS: the stream follows the request as it is (design section 8)."""
        self.sstp_server("--sstp-certificate-hash", "00" * 32, uri="http://*:80/IPHTTPS", authentication="none")
        client = self.up(uri=f"http://{GATEWAY_NAME}")
        self.assertIn("plain HTTP", client.text)

    def test_one_family(self) -> None:
        """A server of one family alone gives that one, and no route of the other leads into the tunnel."""
        users = self.lab.directory / "users.toml"
        editing.add(users, "alice", "secret")
        host = self.lab.clients[0]
        for flag, network, address in (("--sstp-pool", POOL, SERVER), ("--sstp-prefix", PREFIX, SERVER_IPV6)):
            server = self.server(flag, network, "--sstp-users", str(users))
            client = self.sstp_client("--default-route", "yes")
            client.wait_for(LINK_UP)
            wait_reachable(host, address)
            self.assertIs(flag == "--sstp-pool", f"0.0.0.0/1 dev {INTERFACE}" in self.shown("route"))
            self.assertIs(flag == "--sstp-prefix", f"8000::/1 dev {INTERFACE}" in self.shown("-6", "route"))
            client.stop()
            server.stop()

    def test_routes(self) -> None:
        """--route leads through the tunnel, in both families; a restart of the server brings all of it back."""
        server = self.sstp_server()
        client = self.up("--route", "10.20.0.0/16", "--route", PRIVATE_NETWORK)
        host = self.lab.clients[0]
        wait_reachable(host, PRIVATE_HOST)
        self.assertIn(f"10.20.0.0/16 dev {INTERFACE}", self.shown("route"))
        mark = client.mark()
        server.kill()
        client.wait_for(LINK_DOWN, since=mark)
        self.assertNotIn(INTERFACE, self.shown("route"))
        self.sstp_server()
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(host, PRIVATE_HOST)
        self.assertIn(f"10.20.0.0/16 dev {INTERFACE}", self.shown("route"))

    def test_default_route(self) -> None:
        """With --default-route everything goes through the tunnel but the connection itself, and all is undone."""
        self.sstp_server()
        host = self.lab.clients[0]
        host.ip("route add default via 192.0.2.1", f"route delete {GATEWAY_IPV4}")
        before = self.shown("route"), self.shown("-6", "route"), self.shown("address", "show", "outer")
        for ending in (Program.stop, Program.kill):
            client = self.up("--default-route", "yes", uri=f"https://{GATEWAY_NAME_IPV4}")
            # The gateway answers for its inner address outside the tunnel, too: to reach it shows nothing here.
            wait_until(lambda: INTERFACE in self.shown("route", "get", "203.0.113.77"), "the default route")
            self.assertIn(f"dev {INTERFACE}", self.shown("route", "get", GATEWAY_IPV4))
            wait_reachable(host, PRIVATE_HOST)
            moved = transfer(host, self.lab.gateway, SERVER, SIZE)
            self.assertTrue(moved.intact, moved)
            ending(client)
            wait_until(lambda: INTERFACE not in devices(host), "the interface's end")
            after = self.shown("route"), self.shown("-6", "route"), self.shown("address", "show", "outer")
            self.assertEqual(before, after)

    def test_without_root(self) -> None:
        """Under `twistd --uid` the client still sets addresses and routes, and again after the server was away."""
        server = self.sstp_server()
        host = self.lab.clients[0]
        before = self.shown("route"), self.shown("-6", "route")
        like = self.sstp_client("--default-route", "yes")
        like.kill()
        wait_until(lambda: INTERFACE not in devices(host), "the interface's end")
        at = like.command.index(self.plugin)
        client = self.lab.program(host, "nobody's", *like.command[:at], *NOBODY, *like.command[at:])
        client.wait_for(LINK_UP)
        wait_reachable(host, SERVER)
        mark = client.mark()
        server.kill()
        client.wait_for(LINK_DOWN, since=mark)
        self.sstp_server()
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(host, SERVER)
        self.assertIn(f"128.0.0.0/1 dev {INTERFACE}", self.shown("route"))
        client.stop()
        self.assertEqual(before, (self.shown("route"), self.shown("-6", "route")))

    def test_status(self) -> None:
        """The status shows what was negotiated, and the round trip by SSTP's echo."""
        self.sstp_server("--sstp-dns-server", "10.99.0.1")
        control = self.lab.directory / "client.sock"
        self.up("--control", str(control))
        asked = self.lab.clients[0].run("curl", "-s", "--unix-socket", str(control), "http://localhost/status")
        status = json.loads(asked.stdout)
        self.assertEqual(("LINK_UP", None), (status["state"], status["stage"]))
        self.assertEqual(f"{INNER}/32", status["addresses"][0])
        self.assertEqual(SERVER, status["router"]["address"])
        self.assertIsNotNone(status["router"]["round_trip"])
        self.assertEqual(
            ("MS-CHAPv2", "SHA-256", 1400, ["10.99.0.1"]),
            tuple(status["sstp"][key] for key in ("authentication", "binding", "mtu", "dns")),
        )
        self.assertNotIn("secret", asked.stdout)

    def test_scripts(self) -> None:
        """The scripts learn the address and the DNS server, and the one for the end runs before the link goes down."""
        self.sstp_server("--sstp-dns-server", "10.99.0.1")
        script = self.lab.directory / "script"
        script.write_text('#!/bin/sh\necho "$IPHTTPS_EVENT: $IPHTTPS_ADDRESSES, $IPHTTPS_DNS"\n')
        script.chmod(0o755)
        client = self.up("--up-script", str(script), "--down-script", str(script))
        client.wait_for(f"up: {INNER}/32, 10.99.0.1")
        client.stop()
        self.assertIn(f"down: {INNER}/32", client.text)


class FailureTests(SSTPClientCase):
    """Each failure gives one sentence."""

    def test_wrong_password(self) -> None:
        """A wrong password is shown to the server once, then kept back; corrected, it is sent at once."""
        server = self.sstp_server()
        client = self.sstp_client(password="wrong-one")
        client.wait_for("the user name or the password is wrong")
        client.wait_for("is not sent for")
        self.assertEqual(1, server.text.count("rejected ["))
        self.assertNotIn("wrong-one", client.text)
        self.password()
        client.wait_for(LINK_UP)

    def test_conflicts(self) -> None:
        """An address or a route of a network that the host is attached to ends the attempt in a sentence."""
        self.sstp_server()
        host = self.lab.clients[0]
        client = self.sstp_client("--route", "192.0.2.0/30")
        client.wait_for("--route 192.0.2.0/30 would hide this host's own network 192.0.2.0/30 on outer")
        client.stop()
        host.ip("address add 10.99.0.77/24 dev outer")
        client = self.sstp_client()
        client.wait_for(f"the server assigns {INNER}, which lies in this host's own network 10.99.0.0/24 on outer")
        self.assertNotIn(INTERFACE, self.shown("route"))


class RoamingTests(SSTPClientCase):
    """The network under the client changes."""

    reconnect = ()

    def test_other_network(self) -> None:
        """After the move to another network the client is back within seconds, and the download goes on.

        Its addresses are the same: it requests them, and the server ends the old session, which is dead.
        """
        self.sstp_server()
        client = self.up(uri=f"https://{GATEWAY_NAME_IPV4}")
        host, gateway = self.lab.clients[0], self.lab.gateway
        inner = address_in(host, TUNNEL_PREFIX, INTERFACE)
        outcome: list[Transfer] = []
        download = threading.Thread(target=lambda: outcome.append(transfer(gateway, host, INNER, 200 << 20)))
        download.start()
        self.addCleanup(download.join)
        received = "cat", f"/sys/class/net/{INTERFACE}/statistics/rx_bytes"
        wait_until(lambda: int(host.run(*received).stdout) > SIZE, "a part of the download")
        gateway.ip("address add 192.0.2.201/30 dev outer1")
        mark, began = client.mark(), time.monotonic()
        host.ip(
            f"route delete {GATEWAY_IPV4}",
            "address delete 192.0.2.2/30 dev outer",
            "address add 192.0.2.202/30 dev outer",
            f"route add {GATEWAY_IPV4} via 192.0.2.201",
        )
        client.wait_for(LINK_UP, since=mark)
        self.assertTrue(download.is_alive(), "the download was over before it was disturbed")
        wait_reachable(host, SERVER)
        self.assertLess(time.monotonic() - began, SOON)
        self.assertIn(f"inet {INNER} peer {SERVER}/32", self.shown("address", "show", INTERFACE))
        self.assertEqual(inner, address_in(host, TUNNEL_PREFIX, INTERFACE))
        download.join()
        self.assertTrue(outcome[0].intact)

    def test_dead_path(self) -> None:
        """If the path of the old connection is dead, unanswered Echo Requests show it, and the client reconnects."""
        self.sstp_server()
        client = self.up()
        host, gateway = self.lab.clients[0], self.lab.gateway
        (port,) = re.findall(r":(\d+) +\S+:443 *$", host.run("ss", "-Htn", "dport = :443").stdout.strip(), re.MULTILINE)
        gateway.run("nft", "-f", "-", stdin=DEAD.format(port=port))
        mark, began = client.mark(), time.monotonic()
        host.ip("address add 203.0.113.7/24 dev outer")
        client.wait_for("the server does not answer", since=mark)
        client.wait_for(LINK_UP, since=mark)
        wait_reachable(host, SERVER)
        self.assertLess(time.monotonic() - began, SOON)
