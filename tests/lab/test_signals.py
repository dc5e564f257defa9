"""Signals in the first two seconds of a daemon, at sixty moments for each: it ends in order, nothing is left."""

import sys
from pathlib import Path

from iphttps.lab.laboratory import CLIENT_URI, INTERFACE, LISTEN_URI, TUNNEL_PREFIX
from iphttps.lab.namespaces import Namespace
from tests.lab.case import LabCase

MOMENTS = 60


class SignalTests(LabCase):
    """SIGTERM, SIGINT and SIGHUP while a daemon starts."""

    def strike(self, host: Namespace, plugin: str, *flags: str) -> None:
        """Run a daemon so many times, and require that each run has left the host as it was."""
        directory = self.lab.directory / plugin
        directory.mkdir()
        program = self.lab.program(
            host, plugin, sys.executable, str(Path(__file__).with_name("signalled.py")), str(directory), "1",
            str(MOMENTS), plugin, *flags,
        )  # fmt: skip
        self.assertEqual(0, program.wait_ended(400.0))
        self.assertTrue(program.text.endswith(f"0 of {MOMENTS} wrong\n"), program.text)

    def test_server(self) -> None:
        """The server undoes forwarding and all else, whenever it is told to end."""
        identity = self.lab.server_identity
        self.strike(
            self.lab.gateway, "iphttps-server", "--uri", LISTEN_URI, "--authentication", "none",
            "--interface", INTERFACE, "--prefix", TUNNEL_PREFIX, "--certificate", str(identity.certificate),
            "--private-key", str(identity.private_key),
        )  # fmt: skip

    def test_client(self) -> None:
        """The client leaves no interface and no control socket."""
        self.strike(
            self.lab.clients[0], "iphttps-client", "--uri", CLIENT_URI, "--interface", INTERFACE,
            "--ca", str(self.lab.authority.certificate),
        )  # fmt: skip
