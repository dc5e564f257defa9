"""Tests for iphttps.app.cli.entry: what the command prints and how it ends, against a daemon that only answers."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.cli import tables
from iphttps.app.cli.commands import config, control
from iphttps.app.control import ask
from iphttps.app.instances.paths import Places

from ..command import Answering, CommandCase
from ..schema import documented


class StatusTests(CommandCase):
    """`iphttps status`."""

    def test_before_sstp(self) -> None:
        """The status of a server without SSTP, and of one that does not know it, has nothing about it."""
        new, old = documented("server") | {"sstp": None}, documented("server")
        del old["sstp"]
        for answer in new, old:
            self.assertNotIn("SSTP", self.run_command(answer, "status")[1])

    def test_server(self) -> None:
        """A server's status as text, a line for each thing."""
        status, said, _ = self.run_command(documented("server"), "status")
        self.assertEqual((0, [("GET", "/status", b"")]), (status, Answering.seen))
        self.assertEqual(
            [
                "state           LISTEN for 1 h 23 min, since 2026-03-01 08:00:00 UTC",
                "listening on    https://*/IPHTTPS",
                "authentication  certificates",
                "interface       iphttps0, fe80::1/64 2001:db8:2::1/64, prefix 2001:db8:2::/64",
                "offload         tcp, udp",
                "routes          2001:db8:1::/64",
                "max rate        100 Mbit/s per identity",
                "revoked         1 certificate, list valid until 2026-03-31 08:00:00 UTC",
                "clients         2 of at most 1000",
                "device          from the host 9 packets, 9 kB; to the host 7 packets, 700 B",
                "                1 dropped: not an IPv6 packet",
                "link            from clients 8 packets, 800 B; to clients 9 packets, 9 kB",
                "                1 dropped: a source address that another node holds",
                "SSTP            sstp0, 10.99.0.1/24 fe80::1/64 2001:db8:3::1/64, prefix 2001:db8:3::/64",
                "offload         tcp, udp",
                "pool            10.99.0.0/24, addresses in use: 1",
                "users           2",
                "clients         1 of at most 1000",
                "device          from the host 9 packets, 9 kB; to the host 7 packets, 700 B",
                "link            from clients 8 packets, 800 B; to clients 9 packets, 9 kB",
            ],
            said.splitlines(),
        )

    def test_problem(self) -> None:
        """A daemon that does not do its work is a problem, with exit status 1."""
        for role, state in (("server", "DISABLED"), ("client", "LINK_DOWN"), ("client", "DISABLED")):
            status, said, _ = self.run_command({**documented(role), "state": state}, "status")
            self.assertEqual((1, True), (status, state in said))

    def test_disabled(self) -> None:
        """A disabled server does not claim to listen."""
        _, said, _ = self.run_command({**documented("server"), "state": "DISABLED"}, "status")
        self.assertIn("\nnot listening on  https://*/IPHTTPS\n", said)

    def test_not_taken(self) -> None:
        """A file that has changed and cannot be used is a problem of one that does its work."""
        for role in ("server", "client"):
            sentence = "revocation list not loaded: it is damaged"
            status, said, _ = self.run_command({**documented(role), "not_taken": [sentence]}, "status")
            self.assertEqual((1, True), (status, sentence in said))

    def test_interface_changed(self) -> None:
        """A change of the interface by another program is a problem until it has been restored."""
        for role in ("server", "client"):
            for put_right in (True, False):
                change = {"change": "its MTU is 1500", "put_right": put_right, "time": "2026-03-01T09:23:00Z"}
                status, said, _ = self.run_command({**documented(role), "interface_changed": change}, "status")
                self.assertEqual((int(not put_right), True), (status, "its MTU is 1500 (2026-03-01" in said))

    def test_json(self) -> None:
        """With --json the answer is printed as it is."""
        for role in ("server", "client"):
            _, said, _ = self.run_command(documented(role), "status", "--json")
            self.assertEqual(documented(role), json.loads(said))


class OrderTests(CommandCase):
    """The request that a command sends to the daemon."""

    def test_disconnect(self) -> None:
        """The client with the ID is disconnected, and named."""
        outcome = self.run_command(documented("clients")["clients"][0], "disconnect", "7")
        self.assertEqual((0, "client 7 (CN=alice, 192.0.2.7:50178) disconnected\n", ""), outcome)
        self.assertEqual([("POST", "/clients/7/disconnect", b"")], Answering.seen)

    def test_switch(self) -> None:
        """A daemon is enabled or disabled, and what it is then is said."""
        for word in ("enable", "disable"):
            outcome = self.run_command(documented("server"), word)
            self.assertEqual((0, "server: LISTEN\n", ""), outcome)
        self.assertEqual([("POST", "/enable", b""), ("POST", "/disable", b"")], Answering.seen)
        connecting = {**documented("client"), "state": "LINK_DOWN", "stage": "connect"}
        self.assertIn("client: LINK_DOWN, connecting\n", self.run_command(connecting, "enable")[1])
        self.path = self.directory / "server-main.sock"
        self.serve(self.path)
        self.assertEqual("server/main: LISTEN\n", self.run_command(documented("server"), "enable")[1])

    def test_refused(self) -> None:
        """The daemon's rejection is the sentence."""
        outcome = self.run_command({"error": "there is no client with this number"}, "disconnect", "8", status=404)
        self.assertEqual("there is no client with this number", self.complaint(outcome))


class TroubleTests(CommandCase):
    """Every error is one sentence, and never a traceback."""

    def test_wrong_usage(self) -> None:
        """Exit status 2, with what is wrong."""
        for arguments, word in (
            (("statuss",), "'status'"),
            (("status", "--jsn"), "--json"),
            (("status", "more", "less"), "less"),
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
            (self.directory / "b.sock", "no such socket"),
            (dead, "no daemon listens there"),
            (self.directory / ("x" * 200), "too long"),
            (self.directory, "no daemon listens there"),  # the kernel's word for what is no socket is the same
        ):
            self.assertIn(words, self.complaint(self.run_bare("status", "--control", str(path))))

    def test_hung_up(self) -> None:
        """A daemon that closes without an answer does not like who asks."""
        outcome = self.run_command(b"", "status", status=0)
        self.assertIn("only root and the daemon's user", self.complaint(outcome))

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
            self.assertIn("not an iphttps daemon", self.complaint(self.run_command(answer, "status")))
        self.assertIn("status 500", self.complaint(self.run_command({}, "status", status=500)))

    def test_own_mistake(self) -> None:
        """A mistake in this program itself does not pass for a daemon of another version."""

        def wrong(places: Places) -> None:
            raise KeyError("x")

        self.patch(config, "only", wrong)
        self.assertRaises(KeyError, self.run_bare, "config")

    def test_own_mistake_about_a_daemon(self) -> None:
        """The same for the commands that ask one, whatever of them is wrong: printing, say."""
        for error in (KeyError("x"), TypeError("x"), AttributeError("x")):

            def wrong(*arguments: object, error: Exception = error, **options: object) -> None:
                raise error

            for name in ("echo_json", "ask"):
                with self.subTest(name), contextlib.ExitStack() as stack:
                    patch = self.patch(control, name, wrong)
                    stack.callback(patch.restore)
                    self.assertRaises(type(error), self.run_command, documented("server"), "status", "--json")

    def test_broken_pipe(self) -> None:
        """A closed output pipe ends the command silently."""
        Answering.prepared = 200, json.dumps(documented("server")).encode()
        reading, writing = os.pipe()
        os.close(reading)
        script = "import sys; from iphttps.app.cli.entry import main; sys.exit(main())"
        command = (sys.executable, "-c", script, "status", "--control", str(self.path))
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
        os.close(writing)
        self.assertEqual((1, b""), (done.returncode, done.stderr))

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
        for command, answer in (
            ("clients", {"clients": [1]}),
            ("clients", {"clients": 1}),
            ("reload", {"changed": [1], "restart": []}),
            ("reload", {}),
            ("enable", {"role": "server", "state": "LISTEN", "stage": []}),
            ("enable", {}),
            ("status", {**documented("server"), "seconds": "x"}),
            ("status", {**documented("server"), "state": 1}),
        ):
            self.assertIn("another version", self.complaint(self.run_command(answer, command)), answer)
        self.assertIn("another version", self.complaint(self.run_command({}, "disconnect", "7")))


class ColourTests(CommandCase):
    """Colours are for terminals, and for those who want them."""

    def coloured(self, **environment: str) -> bool:
        """Tell whether the status on a terminal is coloured."""
        Answering.prepared = 200, json.dumps(documented("server")).encode()
        reading, writing = pty.openpty()
        self.addCleanup(os.close, reading)
        script = "import sys; from iphttps.app.cli.entry import main; sys.exit(main())"
        command = (sys.executable, "-c", script, "status", "--control", str(self.path))
        kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        process = subprocess.Popen(command, stdout=writing, env={**kept, **environment})
        os.close(writing)
        self.assertEqual(0, process.wait(30))
        said = os.read(reading, 65536).decode()
        self.assertIn("LISTEN", said)
        return "\x1b[" in said

    def test_colours(self) -> None:
        """A terminal gets them, unless NO_COLOR is set to anything; nothing else does."""
        self.assertTrue(self.coloured())
        self.assertTrue(self.coloured(NO_COLOR=""))
        self.assertFalse(self.coloured(NO_COLOR="1"))
        _, said, _ = self.run_command(documented("server"), "status")
        self.assertNotIn("\x1b", said)


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
