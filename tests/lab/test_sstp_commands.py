"""The commands for an SSTP client, `iphttps join`, `up`, `status` and `connect`, with a server that `setup` made."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal

from iphttps.lab.laboratory import devices
from iphttps.lab.network import GATEWAY_NAME
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping
from tests.app.schema import violations
from tests.lab.test_five_minutes import IPHTTPS, ROOT, MachineCase


def documented(name: str) -> list[list[str]]:
    """Return the words of the `iphttps` commands in a block of docs/sstp.md, for the gateway of the laboratory."""
    found = re.search(rf"^```sh {name}\n(.*?)^```$", (ROOT / "docs" / "sstp.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return [line.split()[1:] for line in found[1].replace("vpn.example.org", GATEWAY_NAME).splitlines()]


class SSTPCommandTests(MachineCase):
    """A gateway set up with --sstp, and a client with files of its own."""

    def setUp(self) -> None:
        """Set up the gateway, and enrol alice."""
        super().setUp()
        *commands, enrol = documented("gateway")
        for words in commands:
            self.gateway.iphttps(*words)
        said = self.gateway.iphttps(*enrol)
        (self.password,) = re.findall(r"^password: (.*)$", said, re.MULTILINE)
        shutil.copy(self.gateway.home / "alice-sstp.iphttps", self.client_machine.home)
        self.address = json.loads(self.gateway.iphttps("status", "--json"))["sstp"]["addresses"][0].partition("/")[0]

    def test_joined(self) -> None:
        """The commands of docs/sstp.md: join, up, and status with what was negotiated; down leaves nothing behind."""
        machine = self.client_machine
        join, up, status = documented("client")
        machine.iphttps(*join, stdin=f"{self.password}\n")
        self.assertIn(f"sstp-client/{GATEWAY_NAME} is up: LINK_UP", machine.iphttps(*up))
        said = machine.iphttps(*status)
        self.assertRegex(said, r"(?m)^login +alice by MS-CHAPv2$")
        self.assertRegex(said, r"(?m)^crypto binding +SHA-256$")
        self.assertNotIn(self.password, said)
        self.assertEqual(0, ping(machine.host, self.address, 3).lost)
        value = json.loads(machine.iphttps("status", "--json"))
        self.assertEqual([], violations("status", value))
        self.assertEqual(("sstp-client", self.address), (value["role"], value["router"]["address"]))
        self.assertEqual((self.address, {}), (value["sstp"]["peer"], value["sstp"]["missing"]))
        self.assertIn("password-file", machine.iphttps("config"))
        machine.iphttps("down")
        self.assertNotIn("sstp0", devices(machine.host))

    def test_wrong_password(self) -> None:
        """A wrong password is shown to the server once; status names the reason, Windows' code, and what to do."""
        machine = self.client_machine
        machine.iphttps("join", "alice-sstp.iphttps", stdin=f"{self.password}\n")
        self.gateway.iphttps("users", "passwd", "alice", "--password-stdin", stdin="another\n")
        done = machine.run(IPHTTPS, "up", "--timeout", "20", check=False)
        self.assertIn("login: the server rejected the login: the user name or the password is wrong", done.stderr)

        def failure() -> dict[str, object] | None:
            found = json.loads(machine.iphttps("status", "--json", check=False))["last_failure"]
            return found if isinstance(found, dict) else None

        found = wait_until(failure, "a failure")
        self.assertEqual(("login", "691"), (found["stage"], found["code"]))

    def test_connect(self) -> None:
        """A first try says what is wrong, or prints each step; Ctrl-C ends it, and no interface and no file is left."""
        host = self.client_machine.host
        authority = self.gateway.directory / "etc" / "iphttps" / "server-ca" / "ca.pem"
        before = sorted(self.client_machine.home.iterdir())
        trying = ("env", f"IPHTTPS_SSTP_PASSWORD={self.password}", IPHTTPS, "connect", f"sstp://alice@{GATEWAY_NAME}")
        done = host.run(*trying, check=False, deadline=60)
        self.assertEqual((1, True), (done.returncode, done.stderr.startswith("iphttps: certificate check: ")), done)
        self.assertIn("Windows error code 0x800B0109", done.stderr)
        command = self.lab.program(host, "connect", *trying, "--ca", str(authority))
        command.wait_for("connected: sstp0 ")
        self.assertEqual(0, ping(host, self.address, 3).lost)
        os.kill(command.pid, signal.SIGINT)
        self.assertEqual(0, command.wait_ended())
        self.assertNotIn("sstp0", devices(host))
        self.assertEqual(before, sorted(self.client_machine.home.iterdir()))

    def test_killed(self) -> None:
        """If the command is killed, its daemon ends too and restores the host."""
        host = self.client_machine.host
        authority = self.gateway.directory / "etc" / "iphttps" / "server-ca" / "ca.pem"
        words = (IPHTTPS, "connect", f"sstp://alice@{GATEWAY_NAME}", "--ca", str(authority))
        command = self.lab.program(host, "connect", "env", f"IPHTTPS_SSTP_PASSWORD={self.password}", *words)
        command.wait_for("connected: sstp0 ")
        os.kill(command.pid, signal.SIGKILL)
        wait_until(lambda: "sstp0" not in devices(host), "the end of the daemon")
