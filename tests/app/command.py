"""The `iphttps` command as tests run it, and a daemon that only answers."""

from __future__ import annotations

import io
import json
import os
import socketserver
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.cli.entry import main
from iphttps.app.control import ask


class Answering(BaseHTTPRequestHandler):
    """Answers every request with what the test prepared, and notes it."""

    prepared: ClassVar[tuple[int, bytes]]
    seen: ClassVar[list[tuple[str, str, bytes]]]
    of_paths: ClassVar[dict[str, object]] = {}
    """Other answers, with status 200, by path."""

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, body))
        status, answer = self.prepared
        if self.path in self.of_paths:
            status, answer = 200, json.dumps(self.of_paths[self.path]).encode()
        if status == 0:
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        """Name the peer, who has no address."""
        return "local"


class CommandCase(SynchronousTestCase):
    """The command, and a daemon."""

    def setUp(self) -> None:
        """Start the daemon; forget what the environment says."""
        directory = tempfile.TemporaryDirectory(prefix="iphttps-cli-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.path = self.directory / "a.sock"
        Answering.seen = []
        self.serve(self.path)
        self.patch(os, "environ", {name: value for name, value in os.environ.items() if name != ask.VARIABLE})

    def serve(self, path: Path) -> None:
        """Answer on a socket."""
        server = socketserver.ThreadingUnixStreamServer(str(path), Answering)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)

    def run_bare(self, *arguments: str) -> tuple[int, str, str]:
        """Run the command; return its exit status and what it said on standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        status = main(arguments)
        return status, out.getvalue(), err.getvalue()

    def run_command(self, answer: object, *arguments: str, status: int = 200) -> tuple[int, str, str]:
        """Run it against a daemon that answers this."""
        Answering.prepared = status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return self.run_bare(*arguments, "--control", str(self.path))

    def complaint(self, outcome: tuple[int, str, str], status: int = 1) -> str:
        """Return the one sentence on standard error of a command that failed so."""
        self.assertEqual((status, "", 1), (outcome[0], outcome[1], outcome[2].count("\n")), outcome)
        self.assertTrue(outcome[2].startswith("iphttps: "))
        return outcome[2][len("iphttps: ") : -1]
