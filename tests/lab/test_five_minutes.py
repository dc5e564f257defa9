"""docs/five-minutes.md, followed literally on two machines, and what may stand in its way."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from iphttps.lab.network import GATEWAY_NAME, PRIVATE_HOST, PRIVATE_NETWORK
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.case import LabCase
from tests.lab.machines import Machine

ROOT = Path(__file__).parents[2]
USER, NUMBER = "iphttps", 64111
IPHTTPS = str(Path(sys.executable).with_name("iphttps"))
CLOSED = """\
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state established,related accept
        iifname "outer*" meta l4proto ipv6-icmp accept
        iifname "private" meta l4proto ipv6-icmp accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
    }
}
"""


class MachineCase(LabCase):
    """A gateway and a client with files of their own."""

    def setUp(self) -> None:
        """Make the machines."""
        super().setUp()
        self.gateway = self.machine("gateway", 0)
        self.client_machine = self.machine("client", 1)

    def machine(self, name: str, number: int) -> Machine:
        """Make a machine of a host: of the gateway, or of the client with this number."""
        host = self.lab.clients[number - 1] if number else self.lab.gateway
        machine = Machine(host, self.lab.directory / name)
        self.addCleanup(machine.iphttps, "down", check=False)
        return machine

    def enrolled(self, name: str, *more: str) -> str:
        """Enrol a client on the gateway and bring the file to the other machine; return the passphrase."""
        said = self.gateway.iphttps("enrol", name, *more)
        shutil.copy(self.gateway.home / f"{name}.iphttps", self.client_machine.home)
        (passphrase,) = re.findall(r"^passphrase: (.*)$", said, re.MULTILINE)
        return f"{passphrase}\n"


class FiveMinutesTests(MachineCase):
    """The page."""

    def test_page(self) -> None:
        """Its commands, typed in their order, make a tunnel through which the private host answers, and end it."""
        text = (ROOT / "docs" / "five-minutes.md").read_text().replace("vpn.example.org", GATEWAY_NAME)
        passphrase = ""
        for where, commands in re.findall(r"^```sh (\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            for command in commands.splitlines():
                machine = self.gateway if where == "gateway" else self.client_machine
                words = command.split()
                if words[0] == "iphttps":
                    words[0] = IPHTTPS
                if "revoke" in words:
                    self.assertEqual(0, ping(self.lab.clients[0], PRIVATE_HOST).lost)
                said = machine.run(*words, stdin=passphrase if "join" in words else None).stdout
                if "enrol" in words:
                    (found,) = re.findall(r"^passphrase: (.*)$", said, re.MULTILINE)
                    passphrase = f"{found}\n"
                    shutil.copy(machine.home / "alice.iphttps", self.client_machine.home)
                if "list" in words:
                    self.assertRegex(said, r"(?m)^alice +client +valid +\d+ +20\d\d-")
                if "clients" in words:
                    self.assertIn("CN=alice", said)
        wait_until(lambda: "CN=alice" not in self.gateway.iphttps("clients"), "the end of alice's session", 20)
        self.assertNotEqual(0, self.client_machine.run(IPHTTPS, "status", check=False).returncode)

    def test_second_client(self) -> None:
        """Two enrolments on one machine are two clients; the second time each command changes nothing."""
        for _ in range(2):
            self.gateway.iphttps("setup", "--name", GATEWAY_NAME, "--route", PRIVATE_NETWORK)
        for name, more in (("alice", ()), ("bob", ("--instance", "second"))):
            passphrase = self.enrolled(name, "--key", "ecdsa")
            for _ in range(2):
                self.client_machine.iphttps("join", f"{name}.iphttps", *more, stdin=passphrase)
        self.gateway.iphttps("up")
        self.client_machine.iphttps("up", GATEWAY_NAME)
        self.client_machine.iphttps("up", "second")
        self.addCleanup(self.client_machine.iphttps, "down", "second", check=False)
        self.addCleanup(self.client_machine.iphttps, "down", GATEWAY_NAME, check=False)
        shown = self.gateway.iphttps("clients")
        self.assertIn("CN=alice", shown)
        self.assertIn("CN=bob", shown)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)


class UserTests(MachineCase):
    """Daemons with a user of their own, as with the package."""

    def test_user(self) -> None:
        """Keys are that user's alone, configurations root's; it runs with them, and sees a revocation by root."""
        if Path("/proc/self/uid_map").read_text().split()[2] == "1":
            raise SkipTest("There is but one user in this user namespace.")
        for machine in (self.gateway, self.client_machine):
            for name, line in (
                ("passwd", f"{USER}:x:{NUMBER}:{NUMBER}::/:/bin/false"),
                ("group", f"{USER}:x:{NUMBER}:"),
            ):
                with (machine.directory / "etc" / name).open("a") as file:
                    file.write(f"{line}\n")
        self.gateway.iphttps("setup", "--name", GATEWAY_NAME, "--route", PRIVATE_NETWORK)
        self.client_machine.iphttps("join", "alice.iphttps", stdin=self.enrolled("alice", "--key", "ecdsa"))
        for machine, path, owner in (
            (self.gateway, "etc/iphttps/server/main.key", NUMBER),
            (self.gateway, "etc/iphttps/server/main.toml", 0),
            (self.gateway, "etc/iphttps/server", 0),
            (self.gateway, "var/lib/iphttps/ca/ca.key", NUMBER),
            (self.client_machine, f"etc/iphttps/client/{GATEWAY_NAME}.key", NUMBER),
            (self.client_machine, "etc/iphttps/client", 0),
        ):
            self.assertEqual(owner, (machine.directory / path).stat().st_uid, path)
        self.gateway.iphttps("up")
        self.client_machine.iphttps("up")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        self.assertIn("CN=alice", self.gateway.iphttps("clients"))
        self.gateway.iphttps("ca", "revoke", "alice")
        wait_until(lambda: "CN=alice" not in self.gateway.iphttps("clients"), "the end of alice's session", 20)


class FirewallTests(MachineCase):
    """A packet filter that drops everything."""

    def test_commands(self) -> None:
        """The firewall commands printed by setup admit clients, who do not get through without them."""
        self.lab.gateway.run("nft", "-f", "-", stdin=CLOSED)
        said = self.gateway.iphttps("setup", "--name", GATEWAY_NAME, "--route", PRIVATE_NETWORK)
        self.gateway.iphttps("up")
        passphrase = self.enrolled("alice", "--key", "ecdsa")
        self.client_machine.iphttps("join", "alice.iphttps", stdin=passphrase)
        self.assertEqual(1, self.client_machine.run(IPHTTPS, "up", "--timeout", "1", check=False).returncode)
        for command in re.findall(r"`(nft [^`]*)`", said):
            self.lab.gateway.run(*command.split())
            if " forward " in command:  # "and the same with oifname"
                self.lab.gateway.run(*command.replace("iifname", "oifname").split())
        self.client_machine.iphttps("down")
        self.client_machine.iphttps("up")
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
