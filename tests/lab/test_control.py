"""The control socket of real daemons, through curl and the `iphttps` command, while packets flow."""

import json
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iphttps.lab.laboratory import INTERFACE, LINK_DOWN, LINK_UP, LISTENING, TUNNEL_PREFIX, addresses, devices
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import Pings, ping, wait_reachable
from tests.app.schema import differences, documented, violations
from tests.lab.case import LabCase
from tests.lab.raw import connect

COMMAND = str(Path(sys.executable).with_name("iphttps"))
NOBODY = ("--uid", "65534", "--gid", "65534")
SIGTERM = -15


class ControlCase(LabCase):
    """Daemons with control sockets, in a directory that they make."""

    def socket(self, name: str = "server") -> Path:
        """Return the path of a daemon's control socket."""
        return self.lab.directory / name / "control.sock"

    def controlled_server(self, *flags: str, **choices: Any) -> Program:
        """Start a server with a control socket."""
        return self.server("--control", str(self.socket()), *flags, **choices)

    def controlled_client(self, number: int = 1) -> Program:
        """Start a client with a control socket, which reaches the private host."""
        client = self.client(number, "--control", str(self.socket(f"client{number}")))
        wait_reachable(self.lab.clients[number - 1], PRIVATE_HOST)
        return client

    def command(self, *arguments: str, name: str = "server", status: int = 0) -> str:
        """Run `iphttps` against a daemon; return what it printed."""
        done = self.lab.gateway.run(COMMAND, *arguments, "--control", str(self.socket(name)), check=False)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stderr if status and not done.stdout else done.stdout

    def curl(self, path: str, *flags: str, name: str = "server") -> tuple[int, Any]:
        """Ask with curl; return the status of the answer, and its JSON."""
        done = self.lab.gateway.run(
            "curl", "-s", "-w", "\n%{http_code}", "--unix-socket", str(self.socket(name)), *flags, f"http://local{path}"
        )
        text, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(text)

    def client_list(self) -> list[dict[str, Any]]:
        """Return the server's clients."""
        return list(self.curl("/clients")[1]["clients"])

    def change_mode(self, mode: str) -> tuple[int, Any]:
        """Ask for another authentication mode."""
        return self.curl("/authentication", "-d", json.dumps({"mode": mode}))

    @contextmanager
    def pinging(self, number: int = 1, count: int = 40) -> Iterator[list[Pings]]:
        """Have a client ping the private host meanwhile; not one may be lost."""
        outcome: list[Pings] = []
        host = self.lab.clients[number - 1]
        thread = threading.Thread(target=lambda: outcome.append(ping(host, PRIVATE_HOST, count, 0.05)))
        thread.start()
        try:
            yield outcome
        finally:
            thread.join()
        self.assertEqual(0, outcome[0].lost)


class ServerControlTests(ControlCase):
    """The server, with two clients."""

    clients = 2

    def test_status(self) -> None:
        """Status and clients are as documented, and their counters rise while packets flow."""
        self.controlled_server()
        for number in (1, 2):
            self.controlled_client(number)
        before = self.curl("/status")[1]
        for name in ("status", "clients", "configuration"):
            self.assertEqual([], violations(name, self.curl(f"/{name}")[1]))
        with self.pinging():
            self.assertIn("LISTEN", self.command("status"))
            self.assertIn("client2", self.command("clients"))
        after = json.loads(self.command("status", "--json"))
        self.assertEqual([], differences(documented("server"), after))
        self.assertEqual({"now": 2, "maximum": 1000}, after["clients"])
        self.assertEqual((INTERFACE, TUNNEL_PREFIX), (after["interface"], after["prefix"]))
        for part in ("device", "link"):
            for way in ("packets_in", "packets_out"):
                self.assertGreaterEqual(after["counters"][part][way], before["counters"][part][way] + 40)
        clients = json.loads(self.command("clients", "--json"))
        self.assertEqual([], differences(documented("clients"), clients))
        for client, host in zip(clients["clients"], self.lab.clients, strict=True):
            self.assertIn(host.label, client["identity"])
            self.assertEqual({a["local"] for a in addresses(host)}, set(client["addresses"]))
            self.assertEqual("TLSv1.3", client["tls"]["version"])

    def test_disconnect(self) -> None:
        """A client that is disconnected comes back with another number; the other one notices nothing."""
        server = self.controlled_server()
        one = self.controlled_client(1)
        self.controlled_client(2)
        mark = one.mark()
        with self.pinging(2):
            self.assertIn("client1", self.command("disconnect", "1"))
            one.wait_for(LINK_DOWN, since=mark)
            one.wait_for(LINK_UP, since=mark)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.assertEqual([2, 3], [client["number"] for client in self.client_list()])
        server.wait_for("disconnected by the operator")
        self.assertIn("no client with ID 1", self.command("disconnect", "1", status=1))

    def test_disable_and_enable(self) -> None:
        """Disabled, the server has no clients and rejects new ones; enabled, they come back (3.2.4.1, 3.2.4.2)."""
        self._disable_and_enable(self.controlled_server())

    def _disable_and_enable(self, server: Program) -> None:
        daemons = [self.controlled_client(number) for number in (1, 2)]
        for _ in range(2):
            marks = [daemon.mark() for daemon in daemons]
            for _ in range(2):
                self.assertEqual("server: DISABLED\n", self.command("disable"))
                self.assertRaises(ConnectionRefusedError, connect, self.lab.clients[0], GATEWAY_IPV6, 443)
            self.assertEqual([], self.client_list())
            self.assertIn("DISABLED", self.command("status", status=1))
            for daemon, mark in zip(daemons, marks, strict=True):
                daemon.wait_for(LINK_DOWN, since=mark)
            for _ in range(2):
                self.assertEqual("server: LISTEN\n", self.command("enable"))
            for daemon, mark in zip(daemons, marks, strict=True):
                daemon.wait_for(LINK_UP, since=mark)
            for host in self.lab.clients:
                wait_reachable(host, PRIVATE_HOST)
        self.assertTrue(server.running)

    def test_port_taken(self) -> None:
        """A server whose port another program took meanwhile says so, and stays disabled."""
        self.controlled_server()
        self.command("disable")
        thief = self.lab.program(self.lab.gateway, "thief", sys.executable, "-m", "http.server", "--bind", "::", "443")
        wait_until(lambda: self._listens(), "the other program on port 443")
        self.assertIn("another program", self.command("enable", status=1))
        self.assertIn("DISABLED", self.command("status", status=1))
        thief.kill()
        self.command("enable")

    def _listens(self) -> bool:
        return "443" in self.lab.gateway.run("ss", "-Hltn", "sport", "=", ":443").stdout

    def test_authentication(self) -> None:
        """A change of the mode ends every session, and new ones are under the new mode (3.2.7.1)."""
        self._change_there_and_back(self.controlled_server())

    def _change_there_and_back(self, server: Program) -> None:
        daemons = [self.controlled_client(number) for number in (1, 2)]
        for mode, identities, on_link in (("none", [None, None], False), ("certificates", ["CN=", "CN="], True)):
            numbers = {client["number"] for client in self.client_list()}
            marks = [daemon.mark() for daemon in daemons]
            status, answer = self.change_mode(mode)
            self.assertEqual((200, mode, "LISTEN"), (status, answer["authentication"], answer["state"]))
            for daemon, mark in zip(daemons, marks, strict=True):
                daemon.wait_for(LINK_DOWN, since=mark)
                daemon.wait_for(LINK_UP, since=mark)
            for host in self.lab.clients:
                wait_reachable(host, PRIVATE_HOST)
                # Off the link, the prefix is behind the router.
                route = host.run("ip", "-6", "route", "show", TUNNEL_PREFIX, "dev", INTERFACE).stdout
                self.assertEqual(on_link, "via fe80::1" not in route, route)
            # 3.2.5.2.2: in mode None link-local unicast reaches nobody but the server.
            (other,) = (a["local"] for a in addresses(self.lab.clients[1]) if a["scope"] == "link")
            reached = ping(self.lab.clients[0], f"{other}%{INTERFACE}", 3).received > 0
            self.assertEqual(on_link, reached)
            clients = self.client_list()
            self.assertEqual(set(), numbers & {client["number"] for client in clients})
            self.assertEqual(identities, [c["identity"] and c["identity"][:3] for c in clients])
        self.assertIn("authentication mode changed", server.text)
        mark = daemons[0].mark()
        self.assertEqual(200, self.change_mode("certificates")[0])  # it is already
        with self.pinging():
            self.assertNotIn(LINK_DOWN, daemons[0].text[mark:])

    def test_mode_impossible(self) -> None:
        """A mode that cannot be entered is rejected with a sentence, and no session ends."""
        self.controlled_server(authentication="none")
        self.controlled_client(1)
        with self.pinging():
            status, answer = self.change_mode("certificates")
            self.assertEqual(409, status)
            self.assertIn("--client-ca is missing", answer["error"])
            self.assertEqual(400, self.change_mode("nobody")[0])
        self.assertEqual([1], [client["number"] for client in self.client_list()])
        self.assertEqual("none", self.curl("/status")[1]["authentication"])


class UnprivilegedControlTests(ControlCase):
    """A server under `twistd --uid`: the socket is that user's, and port 443 can be listened on again."""

    clients = 2

    # What of the server's takes privileges.
    test_disable_and_enable = ServerControlTests.test_disable_and_enable
    _disable_and_enable = ServerControlTests._disable_and_enable
    test_port_taken = ServerControlTests.test_port_taken
    _listens = ServerControlTests._listens
    test_authentication = ServerControlTests.test_authentication
    _change_there_and_back = ServerControlTests._change_there_and_back

    def server(self, *flags: str, **choices: Any) -> Program:
        """Start a server that gives up being root."""
        like = self.lab.server(*flags, **choices)
        like.kill()
        at = like.command.index("iphttps-server")
        server = self.lab.program(self.lab.gateway, "nobody's", *like.command[:at], *NOBODY, *like.command[at:])
        server.wait_for(LISTENING)
        return server

    def test_owner(self) -> None:
        """The socket belongs to the daemon's user, who may ask, and is gone with the daemon."""
        server = self.controlled_server()
        found = self.socket().stat()
        self.assertEqual((65534, 65534, 0o600), (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)))
        asked = self.lab.gateway.run(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "curl", "-s", "--unix-socket", str(self.socket()), "http://local/status",
        )  # fmt: skip
        self.assertEqual("LISTEN", json.loads(asked.stdout)["state"])
        self.assertEqual(SIGTERM, server.stop())
        self.assertFalse(self.socket().exists())


class SocketTests(ControlCase):
    """The socket itself."""

    def test_other_user(self) -> None:
        """Another user gets nothing, though the file's mode would let him (RS-16)."""
        self.controlled_server()
        ask = ("setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "curl", "-s", "-i")
        for mode in (0o600, 0o666):
            self.socket().chmod(mode)
            asked = self.lab.gateway.run(*ask, "--unix-socket", str(self.socket()), "http://local/status", check=False)
            self.assertNotEqual(0, asked.returncode)
            self.assertEqual("", asked.stdout)
        self.assertIn("LISTEN", self.command("status"))

    def test_second_daemon(self) -> None:
        """If a daemon answers, a second one does not start, and changes nothing (LC-14)."""
        self.controlled_server()
        before = devices(self.lab.gateway)
        flags = ("--control", str(self.socket()), "--interface", "other0")
        second = self.lab.server(*flags, uri="http://*:80/", authentication="none")
        self.assertEqual(1, second.wait_ended())
        said = f"twistd iphttps-server: another daemon answers on {self.socket()}: stop it, or give --control another"
        self.assertTrue(second.text.splitlines()[-1].startswith(said), second.text)
        self.assertNotIn(LISTENING, second.text)
        self.assertEqual(before, devices(self.lab.gateway))
        self.assertIn("LISTEN", self.command("status"))

    def test_after_a_crash(self) -> None:
        """The socket of a daemon that was killed is replaced; before that the command says what happened (LC-10)."""
        self.controlled_server().kill()
        self.assertTrue(self.socket().exists())
        self.assertIn("no daemon listens there", self.command("status", status=1))
        server = self.controlled_server()
        self.assertIn("LISTEN", self.command("status"))
        self.assertEqual(SIGTERM, server.stop())
        self.assertFalse(self.socket().exists())

    def test_failed_start(self) -> None:
        """A daemon that cannot start leaves no socket behind."""
        server = self.lab.server("--control", str(self.socket()), uri="https://203.0.113.1:443/")
        self.assertEqual(1, server.wait_ended())
        self.assertFalse(self.socket().exists())


class ClientControlTests(ControlCase):
    """The client daemon."""

    def status(self) -> dict[str, Any]:
        """Return its status."""
        status: dict[str, Any] = self.curl("/status", name="client1")[1]
        self.assertEqual([], differences(documented("client"), status))
        return status

    def test_disable_and_enable(self) -> None:
        """Disabled, the client has no link; enabled, it has one again (3.1.4.1, 3.1.4.2)."""
        self.server()
        client = self.controlled_client()
        host = self.lab.clients[0]
        status = self.status()
        self.assertEqual(("LINK_UP", None), (status["state"], status["next_attempt"]))
        self.assertEqual({a["local"] for a in addresses(host)}, {a.split("/")[0] for a in status["addresses"]})
        for _ in range(2):
            mark = client.mark()
            for _ in range(2):
                self.assertEqual("client: DISABLED\n", self.command("disable", name="client1"))
            self.assertEqual([], addresses(host))
            self.assertIn("DISABLED", self.command("status", name="client1", status=1))
            self.command("enable", name="client1")
            self.command("enable", name="client1")
            client.wait_for(LINK_UP, since=mark)
            wait_reachable(host, PRIVATE_HOST)

    def test_without_a_server(self) -> None:
        """While there is no server, the status says why and when it is tried again; then it can be disabled too."""
        client = self.lab.client(1, "--control", str(self.socket("client1")))
        client.wait_for("next attempt in")
        status = self.status()
        self.assertEqual("LINK_DOWN", status["state"])
        self.assertIn("connection refused", status["last_failure"]["reason"])
        self.assertTrue(20 < status["next_attempt"]["seconds"] <= 36, status)
        self.assertIn("next attempt", self.command("status", name="client1", status=1))
        self.command("disable", name="client1")
        self.assertEqual(("DISABLED", None), (self.status()["state"], self.status()["next_attempt"]))
        self.server()
        self.command("enable", name="client1")
        client.wait_for(LINK_UP)

    def test_no_clients(self) -> None:
        """A client has no clients, and says what it has."""
        self.server()
        self.controlled_client()
        sentence = self.command("clients", name="client1", status=1)
        self.assertIn("the daemon is a client: only a server has clients", sentence)
