"""Tests for iphttps.app.cli: what the command prints and how it ends, against a daemon that only answers."""

from __future__ import annotations

import io
import json
import os
import socket
import socketserver
import sys
import tempfile
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app import ask, tables
from iphttps.app.cli import main

from .schema import documented


class Answering(BaseHTTPRequestHandler):
    """Answers every request with what the test prepared, and notes it."""

    prepared: ClassVar[tuple[int, bytes]]
    seen: ClassVar[list[tuple[str, str, bytes]]]

    def do_GET(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, body))
        status, answer = self.prepared
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
        self.patch(ask, "DIRECTORY", self.directory / "none")
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


class StatusTests(CommandCase):
    """`iphttps status`."""

    def test_server(self) -> None:
        """A server's status as text, a line for each thing."""
        status, said, _ = self.run_command(documented("server"), "status")
        self.assertEqual((0, [("GET", "/status", b"")]), (status, Answering.seen))
        self.assertEqual(
            [
                "state           LISTEN for 1 h 23 min, since 2026-03-01 08:00:00 UTC",
                "listens at      https://*/IPHTTPS",
                "authentication  certificates",
                "interface       iphttps0, fe80::1/64 2001:db8:2::1/64, prefix 2001:db8:2::/64",
                "leads to        2001:db8:1::/64",
                "revoked         1 certificates, the list is valid until 2026-03-31 08:00:00 UTC",
                "clients         2 of at most 1000",
                "device          in 9 packets, 9 kB; out 7 packets, 700 B",
                "                1 dropped: not an IPv6 packet",
                "link            in 8 packets, 800 B; out 9 packets, 9 kB",
                "                1 dropped: a source address that somebody else holds",
            ],
            said.splitlines(),
        )

    def test_problem(self) -> None:
        """A daemon that does not do its work is a problem, with exit status 1."""
        for role, state in (("server", "DISABLED"), ("client", "LINK_DOWN"), ("client", "DISABLED")):
            status, said, _ = self.run_command({**documented(role), "state": state}, "status")
            self.assertEqual((1, True), (status, state in said))

    def test_json(self) -> None:
        """With --json the answer is printed as it is."""
        for role in ("server", "client"):
            _, said, _ = self.run_command(documented(role), "status", "--json")
            self.assertEqual(documented(role), json.loads(said))


class ClientsTests(CommandCase):
    """`iphttps clients`."""

    def test_table(self) -> None:
        """A row for each client, and one for each further address."""
        answer = documented("clients")
        other = {**answer["clients"][0], "number": 11, "identity": None, "addresses": [], "peer": "[2001:db8::7]:1"}
        status, said, _ = self.run_command({"clients": [answer["clients"][0], other]}, "clients")
        self.assertEqual((0, [("GET", "/clients", b"")]), (status, Answering.seen))
        self.assertEqual(
            [
                "ID  IDENTITY  PEER             FOR   ADDRESSES                         IN     OUT   DROPPED",
                "7   CN=alice  192.0.2.7:50178  45 s  fe80::5910:565f:6429:b7ef         800 B  9 kB  1",
                "                                     2001:db8:2:0:c342:bc93:6437:83cc",
                "11  -         [2001:db8::7]:1  45 s                                    800 B  9 kB  1",
            ],
            said.splitlines(),
        )

    def test_nobody(self) -> None:
        """Without clients it says so."""
        self.assertEqual((0, "no clients\n", ""), self.run_command({"clients": []}, "clients"))

    def test_escaped(self) -> None:
        """What a peer said about itself cannot reach the terminal as anything but printable text (CWE-150)."""
        answer = documented("clients")
        answer["clients"][0]["identity"] = "CN=\x1b[2J\r\nroot\u202e\x9b\x7f"
        _, said, _ = self.run_command(answer, "clients")
        self.assertEqual(3, said.count("\n"))
        self.assertTrue(said.replace("\n", "").isprintable())
        self.assertTrue(said.isascii())
        _, said, _ = self.run_command(answer["clients"][0], "disconnect", "7")
        self.assertTrue(said[:-1].isprintable())
        _, said, _ = self.run_command(answer, "clients", "--json")
        self.assertTrue(said.replace("\n", "").replace("\x7f", "").isprintable())
        refused = self.run_command({"error": "\x1b[2J"}, "enable", status=409)
        self.assertEqual("\\1B[2J", self.complaint(refused))


class OrderTests(CommandCase):
    """What the command has the daemon do."""

    def test_disconnect(self) -> None:
        """The client with the ID is disconnected, and named."""
        outcome = self.run_command(documented("clients")["clients"][0], "disconnect", "7")
        self.assertEqual((0, "client 7 (CN=alice, 192.0.2.7:50178) is disconnected\n", ""), outcome)
        self.assertEqual([("POST", "/clients/7/disconnect", b"")], Answering.seen)

    def test_switch(self) -> None:
        """A daemon is enabled or disabled, and what it is then is said."""
        for word in ("enable", "disable"):
            outcome = self.run_command(documented("server"), word)
            self.assertEqual((0, "server: LISTEN\n", ""), outcome)
        self.assertEqual([("POST", "/enable", b""), ("POST", "/disable", b"")], Answering.seen)
        connecting = {**documented("client"), "state": "LINK_DOWN", "stage": "connect"}
        self.assertIn("client: LINK_DOWN, connecting\n", self.run_command(connecting, "enable")[1])

    def test_refused(self) -> None:
        """The daemon's refusal is the sentence."""
        outcome = self.run_command({"error": "there is no client with this number"}, "disconnect", "8", status=404)
        self.assertEqual("there is no client with this number", self.complaint(outcome))


class TroubleTests(CommandCase):
    """Every error is one sentence, and never a traceback."""

    def test_wrong_usage(self) -> None:
        """Exit status 2, with what is wrong."""
        for arguments, word in (
            (("statuss",), "'status'"),
            (("status", "--jsn"), "--json"),
            (("status", "more"), "more"),
            (("disconnect",), "ID"),
            (("disconnect", "x"), "'x'"),
            (("disconnect", "0"), "0"),
            (("clients", "--control"), "--control"),
        ):
            self.assertIn(word, self.complaint(self.run_bare(*arguments), 2))

    def test_help(self) -> None:
        """Help is no error; no command at all is one, and shows the help."""
        status, said, _ = self.run_bare("--help")
        self.assertEqual((0, True), (status, "disconnect" in said))
        status, said, shown = self.run_bare()
        self.assertEqual((2, "", True), (status, said, "disconnect" in shown))
        self.assertEqual(0, self.run_bare("--version")[0])

    def test_not_there(self) -> None:
        """No socket, a dead one, something else, and one that is closed to us."""
        dead = self.directory / "dead.sock"
        with socket.socket(socket.AF_UNIX) as wire:
            wire.bind(str(dead))
        for path, words in (
            (self.directory / "b.sock", "there is no such socket"),
            (dead, "has the daemon died?"),
            (self.directory / ("x" * 200), "too long"),
            (self.directory, "has the daemon died?"),  # the kernel's word for what is no socket is the same
        ):
            self.assertIn(words, self.complaint(self.run_bare("status", "--control", str(path))))

    def test_hung_up(self) -> None:
        """A daemon that closes without an answer does not like who asks."""
        outcome = self.run_command(b"", "status", status=0)
        self.assertIn("only root and the user that it runs as", self.complaint(outcome))

    def test_no_answer(self) -> None:
        """A daemon that does not answer in time."""
        self.patch(ask, "DEADLINE", 0.2)
        path = self.directory / "silent.sock"
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(path))
            silent.listen(1)
            for _ in range(3):  # then the queue of those who wait to be accepted is full
                self.assertIn("does not answer", self.complaint(self.run_bare("status", "--control", str(path))))
                waiting = socket.socket(socket.AF_UNIX)
                self.addCleanup(waiting.close)
                waiting.setblocking(False)  # or it would wait itself, once the queue is full
                waiting.connect_ex(str(path))

    def test_no_daemon(self) -> None:
        """Something else that answers."""
        for answer in (b"<html>", b"[]", b"1", b"", b"\xff", b"[" * 100_000):
            self.assertIn("no daemon of iphttps", self.complaint(self.run_command(answer, "status")))
        self.assertIn("status 500", self.complaint(self.run_command({}, "status", status=500)))

    def test_other_version(self) -> None:
        """A daemon that answers something else than expected."""
        strange: tuple[Any, ...] = (
            {},
            {"role": "server"},
            {"role": "x", "state": "y"},
            {**documented("server"), "counters": None},
        )
        for answer in strange:
            self.assertIn("another version", self.complaint(self.run_command(answer, "status")))
        self.assertIn("another version", self.complaint(self.run_command({"clients": [1]}, "clients")))


class FindTests(CommandCase):
    """Which daemon is meant."""

    def setUp(self) -> None:
        """Have the daemon answer."""
        super().setUp()
        Answering.prepared = HTTPStatus.OK, json.dumps(documented("server")).encode()

    def test_environment(self) -> None:
        """The environment names the socket; the command line prevails."""
        os.environ[ask.VARIABLE] = str(self.path)
        self.assertEqual(0, self.run_bare("status")[0])
        self.assertIn("b.sock", self.complaint(self.run_bare("status", "--control", "b.sock")))

    def test_only_one(self) -> None:
        """Else it is the only one there is; the socket of a dead daemon does not count."""
        self.patch(ask, "DIRECTORY", self.directory)
        self.assertEqual(0, self.run_bare("status")[0])
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.directory / "b.sock"))
        self.assertEqual(0, self.run_bare("status")[0])

    def test_several(self) -> None:
        """Of several one must be chosen."""
        self.patch(ask, "DIRECTORY", self.directory)
        self.serve(self.directory / "b.sock")
        sentence = self.complaint(self.run_bare("status"), 2)
        self.assertIn(f"{self.path}, {self.directory / 'b.sock'}", sentence)

    def test_none(self) -> None:
        """Without any it is said how to get one."""
        self.assertIn("start a daemon with --control", self.complaint(self.run_bare("status")))


class WordTests(SynchronousTestCase):
    """Times, sizes, tables."""

    def test_duration(self) -> None:
        """A time in its two largest units."""
        for seconds, text in ((0.9, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h")):
            self.assertEqual(text, tables.duration(seconds))

    def test_size(self) -> None:
        """A number of bytes, rounded."""
        for count, text in (
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (123_456, "123 kB"),
            (999_499, "999 kB"),
            (999_999, "1 MB"),
            (2_345_678_901, "2.35 GB"),
            (5 * 10**15, "5e+03 TB"),
        ):
            self.assertEqual(text, tables.size(count))

    def test_unknown_reason(self) -> None:
        """A reason that this version does not know is shown by its name."""
        status = documented("server")
        status["counters"]["device"]["drops"] = {"new_reason": 3}
        self.assertIn("3 dropped: new_reason", tables.server(status))
