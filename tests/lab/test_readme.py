"""The commands in the README, and the example configurations in etc/."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from iphttps.lab import privilege
from iphttps.lab.laboratory import LINK_UP, LISTENING
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab.case import LabCase
from tests.lab.machines import Machine
from tests.lab.test_five_minutes import MachineCase
from tests.test_packaging import BUILT, SOURCES

ROOT = Path(__file__).parents[2]
INSTALLING = 240.0
# With several jobs trial gives its own path to its workers, which a new user's Python does not have.
FRESH = "unset PYTHONPATH"
POLLED = 15.0
"""Seconds within which the server must have seen what has changed, with some patience."""


def block(name: str) -> str:
    """Return a block of commands from the README, for this laboratory's server."""
    found = re.search(rf"^```sh {name}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, f"no block {name} in the README"
    return found[1].replace("vpn.example.org", GATEWAY_NAME)


class NewUserTests(MachineCase):
    """Somebody who has only the README, two clients and a gateway."""

    clients = 2

    def setUp(self) -> None:
        """Install it as the README says, from a copy of the checkout."""
        super().setUp()
        self.other_machine = self.machine("other", 2)
        self.path = self.lab.directory / "bin"  # for /usr/local/bin
        self.path.mkdir()
        if privilege.INSIDE in os.environ:
            # In a user namespace there is no network, and so no index of packages.
            (self.path / "iphttps").symlink_to(Path(sys.executable).with_name("iphttps"))
            return
        checkout = self.lab.directory / "checkout"
        checkout.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, checkout / name, ignore=BUILT)
            else:
                shutil.copy(ROOT / name, checkout)
        script = block("install").replace("/opt", str(self.lab.directory)).replace("/usr/local/bin", str(self.path))
        done = subprocess.run(
            ["sh", "-ec", f"{FRESH}\n{script.replace('python3', os.path.realpath(sys.executable))}"],
            cwd=checkout, capture_output=True, text=True, timeout=INSTALLING,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def typed(self, machine: Machine, command: str, stdin: str | None = None, status: int = 0) -> str:
        """Give a command to a shell of a machine; return what it said."""
        script = f'{FRESH}; PATH="{self.path}:$PATH"; {command}'
        done = machine.run("sh", "-c", script, stdin=stdin, check=False)
        self.assertEqual(status, done.returncode, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def sessions(self) -> dict[str, Any]:
        """Return the number of each client's session, by its name."""
        shown = json.loads(self.typed(self.gateway, "iphttps clients --json"))["clients"]
        return {one["identity"].partition(" ")[0]: one["number"] for one in shown}

    def shown_certificate(self) -> str:
        """Return the serial number of the certificate that clients are shown now."""
        asked = f"openssl s_client -connect {GATEWAY_IPV4}:443 </dev/null 2>/dev/null | openssl x509 -noout -serial"
        return self.lab.clients[1].run("sh", "-c", asked).stdout

    def test_readme(self) -> None:
        """Installed, set up and enrolled as it says, two clients have tunnels; all that it has for later works too."""
        passphrases = {}
        for command in block("gateway").splitlines():
            for name in ("alice", "bob") if "alice" in command else ("",):
                said = self.typed(self.gateway, command.replace("alice", name))
                if name:
                    (passphrases[name],) = re.findall(r"^passphrase: (.*)$", said, re.MULTILINE)
        for name, machine in (("alice", self.client_machine), ("bob", self.other_machine)):
            shutil.copy(self.gateway.home / f"{name}.iphttps", machine.home)
            for command in block("client").splitlines():
                stdin = f"{passphrases[name]}\n" if "join" in command else None
                self.typed(machine, command.replace("alice", name), stdin)
            wait_reachable(machine.host, PRIVATE_HOST)
        before = self.sessions()
        self.assertEqual({"CN=alice", "CN=bob"}, before.keys())
        for command in block("later").splitlines():
            if " renew " in command:
                self.renewed_under_traffic(command)
                self.assertEqual(before, self.sessions())
            else:
                self.assertIn("alice", self.typed(self.gateway, command))
        wait_until(lambda: self.sessions().keys() == {"CN=bob"}, "the end of alice's session alone", POLLED)
        self.assertEqual(before["CN=bob"], self.sessions()["CN=bob"])
        self.assertEqual(0, ping(self.lab.clients[1], PRIVATE_HOST).lost)
        self.typed(self.client_machine, "iphttps status", status=1)
        for command in block("control").splitlines():
            self.typed(self.gateway, command.replace("disconnect 7", f"disconnect {before['CN=bob']}"))

    def renewed_under_traffic(self, command: str) -> None:
        """Renew the server's certificate while a client sends without a pause, and lose nothing."""
        traffic = Program(
            self.lab.clients[0], "ping", "ping", "-n", "-i", "0.01", "-s", "1000", PRIVATE_HOST,
            output=self.lab.directory / "traffic",
        )  # fmt: skip
        traffic.wait_for("icmp_seq=20 ")
        old = self.shown_certificate()
        self.assertIn("serial=", old)
        self.typed(self.gateway, command)
        wait_until(lambda: self.shown_certificate() not in ("", old), "the new certificate", POLLED)
        traffic.wait_for("time=", since=traffic.mark())
        traffic.kill()
        # All that was answered, in order; what was on its way at the end does not count.
        answered = [int(number) for number in re.findall(r"icmp_seq=(\d+) .* time=", traffic.text)]
        self.assertEqual(list(range(1, len(answered) + 1)), answered)


class ReadmeTests(LabCase):
    """The daemons alone."""

    def setUp(self) -> None:
        """Make the certificates as the README says."""
        super().setUp()
        self.lab.gateway.run("sh", "-ec", f"cd {self.lab.directory}\n{block('openssl')}")

    def test_twistd(self) -> None:
        """Its server and its client, with its certificates, make a tunnel."""
        for role, host, ready in (
            ("server", self.lab.gateway, LISTENING),
            ("client", self.lab.clients[0], LINK_UP),
        ):
            command = block(f"twistd-{role}").replace("\\\n", "")
            command = command.replace("/opt/iphttps/bin", str(Path(sys.executable).parent))
            self.lab.program(host, role, *shlex.split(command)).wait_for(ready)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def test_examples(self) -> None:
        """The example configurations work as they are, once the files they name are there."""
        for role, host in (("server", self.lab.gateway), ("client", self.lab.clients[0])):
            text = (ROOT / "etc" / f"{role}.toml").read_text().replace("/etc/iphttps", str(self.lab.directory))
            text = text.replace("client.pem", "alice.pem").replace("client.key", "alice.key")
            config = self.lab.directory / f"{role}.toml"
            config.write_text(text.replace("vpn.example.org", GATEWAY_NAME))
            daemon = self.lab.daemon(host, f"iphttps-{role}", "--config", str(config))
            daemon.wait_for(LISTENING if role == "server" else LINK_UP)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def test_defaults_in_the_examples(self) -> None:
        """Each option is in the example, commented out with its default."""
        for role in ("server", "client"):
            text = (ROOT / "etc" / f"{role}.toml").read_text()
            shown = self.lab.gateway.run(
                str(Path(sys.executable).with_name("twistd")), f"iphttps-{role}", "--help"
            ).stdout
            named = set(re.findall(r"^#?([a-z0-9-]+) = ", text, re.MULTILINE))
            options = set(re.findall(r"\n {6}(?:-\w, )?--([a-z0-9-]+)", shown.split("Options:")[1])) - {
                "config",
                "root",
                "help",
                "version",
            }
            self.assertEqual(options, named)
            defaults = dict(
                re.findall(
                    r"\n {6}(?:-\w, )?--([a-z0-9-]+)=(?:(?!\n {2,6}-).)*?\[default:\s+([^]]+)\]", shown, re.DOTALL
                )
            )
            for name, value in re.findall(r"^#([a-z0-9-]+) = (.*)$", text, re.MULTILINE):
                # Without a default an option is not given, or a flag not set.
                missing = ("", "[]") if f"--{name}=" in shown else ("false",)
                self.assertIn(value.strip('"'), (defaults[name],) if name in defaults else missing, name)
