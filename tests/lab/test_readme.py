"""What the README tells a person to type, and the example configurations in etc/."""

import re
import shlex
import sys
from pathlib import Path

from iphttps.lab.laboratory import LINK_UP, LISTENING
from iphttps.lab.network import GATEWAY_NAME, PRIVATE_HOST
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase

ROOT = Path(__file__).parents[2]


def block(name: str) -> str:
    """Return a block of commands from the README, for this laboratory's server and installation."""
    found = re.search(rf"^```sh {name}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None, f"no block {name} in the README"
    programs = str(Path(sys.executable).parent)
    return found[1].replace("vpn.example.org", GATEWAY_NAME).replace("/opt/iphttps/bin", programs)


class ReadmeTests(LabCase):
    """The first steps."""

    def setUp(self) -> None:
        """Make the certificates as the README says."""
        super().setUp()
        self.lab.gateway.run("sh", "-ec", f"cd {self.lab.directory}\n{block('ca')}")

    def test_readme(self) -> None:
        """Its server and its client, with its certificates, make a tunnel."""
        server = self.lab.program(self.lab.gateway, "server", *shlex.split(block("server").replace("\\\n", "")))
        server.wait_for(LISTENING)
        client = self.lab.program(self.lab.clients[0], "client", *shlex.split(block("client").replace("\\\n", "")))
        client.wait_for(LINK_UP)
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
        """What stands commented out in an example is the default of that option, and no option is left out."""
        for role in ("server", "client"):
            text = (ROOT / "etc" / f"{role}.toml").read_text()
            shown = self.lab.gateway.run(
                str(Path(sys.executable).with_name("twistd")), f"iphttps-{role}", "--help"
            ).stdout
            named = set(re.findall(r"^#?([a-z0-9-]+) = ", text, re.MULTILINE))
            options = set(re.findall(r"--([a-z0-9-]+)", shown.split("Options:")[1])) - {"config", "help", "version"}
            self.assertEqual(options, named)
            defaults = dict(re.findall(r"--([a-z0-9-]+)=(?:(?!--).)*?\[default:\s+([^]]+)\]", shown, re.DOTALL))
            for name, value in re.findall(r"^#([a-z0-9-]+) = (.*)$", text, re.MULTILINE):
                # Without a default an option is not given, or a flag not set.
                missing = ("", "[]") if f"--{name}=" in shown else ("false",)
                self.assertIn(value.strip('"'), (defaults[name],) if name in defaults else missing, name)
