"""`iphttps connect`: the daemon that it starts, its output, and its end."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from iphttps.app.cli.commands import connect
from iphttps.app.config.secrets.password_login import PASSWORD
from iphttps.app.control.ask import AskError

from ...command import CommandCase

UP: dict[str, Any] = {
    "role": "sstp-client",
    "state": "LINK_UP",
    "waiting": None,
    "stage": None,
    "uri": "https://vpn.example.org/",
    "interface": "sstp0",
    "addresses": ["10.99.0.2/32", "2001:db8:3::2/64"],
    "router": {"address": "10.99.0.1", "round_trip": 0.01},
    "last_failure": None,
}
DOWN: dict[str, Any] = {**UP, "state": "LINK_DOWN", "addresses": [], "router": None}
FAILURE = {
    "stage": "login",
    "reason": "the server rejected the login: the user name or the password is wrong",
    "code": "691",
    "uri": "https://vpn.example.org/",
    "time": "2026-03-01T09:22:30Z",
    "seconds": 1.0,
}
Step = dict[str, Any] | str | type[KeyboardInterrupt]


class Daemon:
    """A daemon that has these statuses, one after the other; a string is the reason for its end."""

    def __init__(self, role: str, options: Sequence[str], variables: Mapping[str, str], *, verbose: bool) -> None:
        self.role, self.options, self.variables, self.verbose = role, list(options), dict(variables), verbose
        self.control = Path("/nowhere")
        self.is_over = False

    def ended(self) -> str | None:
        """Return the reason for its end."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.is_over = True


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Be one."""
        return True


class ConnectCase(CommandCase):
    """The command, with a daemon in the place of the real one."""

    def setUp(self) -> None:
        """Put the daemon in place; the command may run as anybody."""
        super().setUp()
        self.daemons: list[Daemon] = []
        self.patch(connect, "Foreground", self.daemon)
        self.patch(connect, "demand_root", lambda places, command, what: None)
        self.patch(connect, "POLL", 0)
        self.patch(connect, "free_interface", lambda places, base: f"{base}7")
        self.patch(os, "environ", {name: value for name, value in os.environ.items() if name != PASSWORD})
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))

    def daemon(self, *arguments: Any, **more: Any) -> Daemon:
        """Make the daemon."""
        self.daemons.append(Daemon(*arguments, **more))
        return self.daemons[-1]

    def plays(self, *steps: Step) -> None:
        """Have the daemon be in these states, one after the other."""
        waiting = list(steps)

        def ended(daemon: Daemon) -> str | None:
            return str(waiting.pop(0)) if isinstance(waiting[0], str) else None

        def status(path: Path, method: str, resource: str) -> dict[str, Any]:
            step = waiting.pop(0)
            if step is KeyboardInterrupt:
                raise KeyboardInterrupt
            if not step:
                raise AskError("no such socket")
            assert isinstance(step, dict)
            return step

        self.patch(Daemon, "ended", ended)
        self.patch(connect, "ask", status)


class ConnectTests(ConnectCase):
    """A first try."""

    uri = "sstp://alice@vpn.example.org"

    def connect(self, *words: str, password: bytes = b"secret\n") -> tuple[int, str, str]:
        """Run the command, with the password on standard input; return its status and output."""
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(password)))
        return self.run_bare("connect", *words, "--password-file", "-")

    def test_up(self) -> None:
        """Each step is printed once, and Ctrl-C after the link was up is success; the daemon is ended."""
        first, second = {**DOWN, "stage": "connect"}, {**DOWN, "stage": "ppp"}
        self.plays({}, first, second, second, UP, UP, KeyboardInterrupt)
        status, said, wrong = self.connect(self.uri)
        lines = ["connecting", "negotiating PPP", "connected: sstp0 10.99.0.2/32 2001:db8:3::2/64", "disconnecting"]
        self.assertEqual((0, lines, ""), (status, said.splitlines(), wrong))
        (daemon,) = self.daemons
        self.assertTrue(daemon.is_over)

    def test_interrupted(self) -> None:
        """Ctrl-C before the link is up is not a success."""
        self.plays({**DOWN, "stage": "connect"}, KeyboardInterrupt)
        self.assertEqual(130, self.connect(self.uri)[0])

    def test_started(self) -> None:
        """The daemon gets the URI without the user, all further options, and the password by its environment alone."""
        self.plays(KeyboardInterrupt)
        self.connect(self.uri, "--ca", "ca.pem", "--proxy", "auto", "--route", "10.0.0.0/8", "--allow-pap")
        (daemon,) = self.daemons
        self.assertEqual(("sstp-client", {PASSWORD: "secret"}), (daemon.role, daemon.variables))
        self.assertEqual(
            [
                "--uri", "sstp://vpn.example.org", "--interface", "sstp7", "--route", "10.0.0.0/8", "--allow-pap",
                "--user", "alice", "--ca", "ca.pem", "--proxy", "auto",
            ],
            daemon.options,
        )  # fmt: skip

    def test_environment(self) -> None:
        """A password in the environment reaches the daemon without a prompt."""
        self.plays(KeyboardInterrupt)
        os.environ[PASSWORD] = "secret"
        self.run_bare("connect", self.uri)
        self.assertEqual({}, self.daemons[0].variables)

    def test_no_terminal(self) -> None:
        """Without a terminal the command fails with a sentence and does not prompt."""
        self.patch(sys, "stdin", io.StringIO())
        sentence = self.complaint(self.run_bare("connect", self.uri))
        self.assertIn("there is no terminal to ask for the password of alice", sentence)
        self.assertEqual([], self.daemons)

    def test_asked(self) -> None:
        """At a terminal the command asks for the password, by name and once, and does not show it."""
        asked: list[str] = []

        def answer(prompt: str) -> str:
            asked.append(prompt)
            return "secret"

        self.patch(sys, "stdin", Terminal())
        self.patch(click.termui, "hidden_prompt_func", answer)
        self.plays(KeyboardInterrupt)
        _, said, complaint = self.run_bare("connect", self.uri)
        self.assertEqual({PASSWORD: "secret"}, self.daemons[0].variables)
        self.assertNotIn("secret", said + complaint)
        self.assertEqual(1, len(asked))

    def test_iphttps(self) -> None:
        """https:// is a client of IP-HTTPS, which has no password."""
        self.plays(KeyboardInterrupt)
        self.run_bare("connect", "https://vpn.example.org/IPHTTPS", "--certificate", "a.pem", "--private-key", "a.key")
        (daemon,) = self.daemons
        self.assertEqual(("client", {}), (daemon.role, daemon.variables))
        self.assertEqual(
            [
                "--uri", "https://vpn.example.org/IPHTTPS", "--interface", "iphttps7", "--certificate", "a.pem",
                "--private-key", "a.key",
            ],
            daemon.options,
        )  # fmt: skip
        self.assertEqual(2, self.connect("https://vpn.example.org/IPHTTPS")[0])

    def test_failed(self) -> None:
        """The first failure ends it, with the reason and the code that Windows shows."""
        self.plays({**DOWN, "stage": "login"}, {**DOWN, "last_failure": FAILURE})
        status, said, wrong = self.connect(self.uri)
        self.assertEqual((1, "logging in\n"), (status, said))
        self.assertEqual(f"iphttps: login: {FAILURE['reason']}; Windows error code 691\n", wrong)

    def test_reconnects(self) -> None:
        """A failure after the link was up is printed once, and the daemon goes on."""
        lost = {**FAILURE, "stage": "sstp", "reason": "the connection was lost", "code": None}
        again = {**DOWN, "stage": "connect", "last_failure": lost}
        self.plays(UP, again, again, {**UP, "last_failure": lost}, KeyboardInterrupt)
        status, said, _ = self.connect(self.uri)
        self.assertEqual(0, status)
        self.assertEqual(1, said.count("SSTP call: the connection was lost; connecting again\n"))
        self.assertEqual(2, said.count("connected: "))

    def test_refused(self) -> None:
        """If the daemon rejects its options, the command prints the daemon's sentence unchanged."""
        self.plays("--ca: cannot read ca.pem: No such file or directory")
        self.assertIn("cannot read ca.pem", self.complaint(self.connect(self.uri)))

    def test_wrong(self) -> None:
        """A URI without a user, or with a password, is rejected; the error does not quote the password."""
        for uri, words in (
            ("sstp://vpn.example.org", "names no user"),
            ("sstp://alice:hunter2@vpn.example.org", "contains a password"),
            ("sstp://alice@[::1", "the URI is invalid"),
        ):
            sentence = self.complaint(self.connect(uri))
            self.assertIn(words, sentence)
            self.assertNotIn("hunter2", sentence)
        self.assertEqual([], self.daemons)
        self.assertIn("must not be empty", self.complaint(self.connect(self.uri, password=b"\n")))

    def test_users(self) -> None:
        """A user may have a domain, a realm, or characters that a URI has to quote."""
        for text, user, uri in (
            ("sstp://EXAMPLE\\alice@vpn.example.org", "EXAMPLE\\alice", "sstp://vpn.example.org"),
            ("sstp://alice@example.org@vpn.example.org:444/", "alice@example.org", "sstp://vpn.example.org:444/"),
            ("SSTP://al%20ice@[2001:db8::1]", "al ice", "sstp://[2001:db8::1]"),
            ("sstp://alice@vpn.example.org/a/?tenantid=7", "alice", "sstp://vpn.example.org/a/?tenantid=7"),
        ):
            target = connect.Target.parse(text)
            self.assertEqual((user, uri), (target.user, target.uri))
