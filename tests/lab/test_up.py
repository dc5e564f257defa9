"""`iphttps up` and `iphttps down`: instances start, are really up when that is said, and end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from iphttps.app.instances.paths import Places
from iphttps.lab.laboratory import CLIENT_URI, INTERFACE, TUNNEL_PREFIX, addresses, devices
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping
from tests.lab.case import LabCase

COMMAND = str(Path(sys.executable).with_name("iphttps"))


class UpTests(LabCase):
    """A server on the gateway and a client, each configured in its place."""

    def setUp(self) -> None:
        """Configure both."""
        super().setUp()
        self.places = Places(self.lab.directory / "root")
        server, client = self.lab.server_identity, self.lab.authority.client("alice")
        # All paths are those that they would be on a machine of their own.
        self.server_values = {
            "uri": "https://*:443/IPHTTPS",
            "prefix": TUNNEL_PREFIX,
            "route": [PRIVATE_NETWORK],
            "certificate": self.given(server.certificate),
            "private-key": self.given(server.private_key),
            "client-ca": self.given(self.lab.authority.certificate),
            "control": "/run/iphttps/server-main.sock",
        }
        self.client_values = {
            "uri": CLIENT_URI,
            "ca": self.given(self.lab.authority.certificate),
            "certificate": self.given(client.certificate),
            "private-key": self.given(client.private_key),
        }
        self.configure("server", self.server_values)
        self.configure("client", self.client_values)
        self.addCleanup(self.end)

    def given(self, file: Path) -> str:
        """Give a file to the machine below the root, and return where it lies there."""
        path = Path("/etc/iphttps", file.name)
        copy = self.places.beneath(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
        return str(path)

    def end(self) -> None:
        """End what a test that failed has left running."""
        for path in self.places.run.glob("*.pid"):
            pid = int(path.read_text())
            started = Path(f"/proc/{pid}/cmdline")
            if started.exists() and f"--pidfile={path}" in started.read_text().split("\0"):
                os.kill(pid, signal.SIGKILL)

    def configure(self, role: str, values: dict[str, Any]) -> None:
        """Write a configuration."""
        path = self.places.config(role, "main")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))

    def command(self, host: Namespace, *arguments: str, status: int = 0) -> str:
        """Run `iphttps` on a host; return what it printed."""
        done = host.run(COMMAND, *arguments, "--root", str(self.places.root), check=False, deadline=60)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return (done.stderr if status else done.stdout).strip()

    def test_both(self) -> None:
        """When they are said to be up, the very first packet reaches the private host; down leaves nothing behind."""
        gateway, host = self.lab.gateway, self.lab.clients[0]
        self.assertEqual("server/main is up: LISTEN", self.command(gateway, "up", "server/main"))
        self.assertEqual("client/main is up: LINK_UP", self.command(host, "up", "client/main"))
        self.assertEqual(0, ping(host, PRIVATE_HOST, 3).lost)
        self.assertEqual("server/main is up: LISTEN", self.command(gateway, "up", "server/main"))  # nothing to do
        self.assertIn("alice", self.command(gateway, "clients", "server/main"))
        values = json.loads(self.command(gateway, "config", "server/main", "--json"))
        sources = {one["key"]: one["source"] for one in values["options"]}
        self.assertTrue(values["running"])
        self.assertEqual(("file", "command line"), (sources["prefix"], sources["control"]))
        # Its port, its interface and its socket are its own.
        self.assertNotIn("error", self.command(gateway, "check", "server/main"))
        for role, where in (("client", host), ("server", gateway)):
            self.assertEqual(f"{role}/main stopped", self.command(where, "down", f"{role}/main"))
            self.assertEqual(f"{role}/main is not running", self.command(where, "down", f"{role}/main"))
            self.assertNotIn(INTERFACE, devices(where))
        self.assertEqual([], list(self.places.run.iterdir()))

    def test_detection(self) -> None:
        """A client is up when Duplicate Address Detection has ended, not before: no packet is lost (RFC 4862 5.4)."""
        gateway, host = self.lab.gateway, self.lab.clients[0]
        host.setting("ipv6.conf.default.dad_transmits", "3")
        self.command(gateway, "up", "server/main")
        self.command(host, "up", "client/main")
        self.assertEqual(0, ping(host, PRIVATE_HOST, 3).lost)
        self.assertNotIn("tentative", host.run("ip", "-6", "address", "show", "dev", INTERFACE).stdout)
        self.command(host, "down", "client/main")
        self.command(gateway, "down", "server/main")

    def test_same_address(self) -> None:
        """A client has the same address after each start (RFC 7217)."""
        gateway, host = self.lab.gateway, self.lab.clients[0]
        self.command(gateway, "up", "server/main")
        found = set()
        for _ in range(3):
            self.command(host, "up", "client/main")
            found.add(frozenset(address["local"] for address in addresses(host)))
            self.command(host, "down", "client/main")
        self.assertEqual(1, len(found), found)

    def test_refused(self) -> None:
        """A failed start is reported in the daemon's own sentence."""
        gateway = self.lab.gateway
        self.configure("server", self.server_values | {"max-clients": 0})
        file = self.places.server_config("main")
        self.assertEqual(
            f"iphttps: server/main failed to start: {file}:8: max-clients takes a number of at least 1, not '0'",
            self.command(gateway, "up", "server/main", status=1),
        )
        self.configure("server", self.server_values | {"private-key": "/nowhere"})
        self.assertIn(f"{file}:5: private-key: cannot read", self.command(gateway, "up", "server/main", status=1))

    def test_not_in_time(self) -> None:
        """A client that cannot get through says what is in its way, and goes on trying."""
        host = self.lab.clients[0]
        said = self.command(host, "up", "client/main", "--timeout", "8", status=1)
        self.assertIn("client/main is running but not up after 8 s: TCP connection: connection refused", said)
        self.assertIn("next attempt in", said)
        self.command(host, "down", "client/main")

    def test_waiting(self) -> None:
        """A client that is not to connect yet is up, and it is said what it waits for."""
        self.configure("client", self.client_values | {"when": "command", "control": "/run/iphttps/client-main.sock"})
        said = self.command(self.lab.clients[0], "up", "client/main")
        self.assertIn("client/main is up: waiting for `iphttps enable`", said)
        self.command(self.lab.clients[0], "down", "client/main")

    def test_by_hand(self) -> None:
        """A daemon started in another way is not stopped, and a dead one is started again."""
        gateway = self.lab.gateway
        control = self.places.control("server", "main")
        control.parent.mkdir(parents=True)
        program = self.lab.daemon(
            *(gateway, "iphttps-server", "--root", str(self.places.root)),
            *("--config", "/etc/iphttps/server/main.toml", "--control", "/run/iphttps/server-main.sock"),
        )
        program.wait_for("STOPPED -> LISTEN")
        wait_until(control.exists, "the control socket")
        self.assertIn("was not started by `iphttps up`", self.command(gateway, "down", "server/main", status=1))
        program.stop()
        self.command(gateway, "up", "server/main")
        pid_file = self.places.pid_file("server", "main")
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        wait_until(lambda: INTERFACE not in devices(gateway), "the end of the interface")
        self.command(gateway, "up", "server/main")
        self.command(gateway, "down", "server/main")
