"""The programs in examples/, run as docs/library.md says: the client talks to the server over loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from iphttps.lab.authority import Authority
from iphttps.lab.poll import wait_until

EXAMPLES = Path(__file__).parents[1] / "examples"


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether the port takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ExampleTests(SynchronousTestCase):
    """Each example runs, and is short enough to be read at once."""

    def start(self, name: str, *arguments: object) -> subprocess.Popen[str]:
        """Run an example; it ends with the test."""
        command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.communicate)
        self.addCleanup(program.terminate)
        return program

    def test_together(self) -> None:
        """The client opens a session with the server, and prints the Router Advertisement that arrives."""
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        authority = Authority(Path(directory.name))
        shown, port = authority.server("localhost"), free_port()
        server = self.start("server.py", port, shown.certificate, shown.private_key)
        wait_until(lambda: listens(port), "the example server listens")
        client = self.start("client.py", f"localhost:{port}", authority.certificate)
        assert client.stdout
        self.assertEqual("fe80::1 > ff02::1: next header 58, 96 bytes\n", client.stdout.readline())
        self.assertIsNone(server.poll())

    def test_length(self) -> None:
        """None is longer than a screen or so."""
        for path in EXAMPLES.glob("*.py"):
            self.assertLess(len(path.read_text().splitlines()), 70, path.name)
