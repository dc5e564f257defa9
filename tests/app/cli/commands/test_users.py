"""`iphttps users`, as a person gives it."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.cli.entry import main
from iphttps.app.users.users_file import read
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from tests.app.schema import differences, documented, violations


class Terminal(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class UsersCase(SynchronousTestCase):
    """The command, below a root of its own."""

    def setUp(self) -> None:
        """Make it."""
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()
        self.path = self.root / "etc/iphttps/users.toml"

    def run_command(self, *words: str, given: bytes = b"") -> tuple[int, str, str]:
        """Give a command and what stands on its standard input; return its exit status, and what it says."""
        out, err = io.StringIO(), io.StringIO()
        if not isinstance(sys.stdin, Terminal):
            self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with redirect_stdout(out), redirect_stderr(err):
            status = main(("users", *words))
        return status, out.getvalue(), err.getvalue()

    def done(self, *words: str, given: bytes = b"") -> str:
        """Give a command that must succeed; return what it says."""
        status, said, complaint = self.run_command(*words, "--root", str(self.root), given=given)
        self.assertEqual((0, ""), (status, complaint))
        return said

    def refused(self, *words: str, given: bytes = b"", status: int = 1) -> str:
        """Give a command that must fail; return the one sentence that it says."""
        found, said, complaint = self.run_command(*words, "--root", str(self.root), given=given)
        self.assertEqual((status, "", 1), (found, said, complaint.count("\n")), complaint)
        return complaint.removeprefix("iphttps: ").rstrip("\n")

    def add(self, name: str, *words: str, given: bytes = b"secret\n") -> str:
        """Add a user."""
        return self.done("add", name, "--password-stdin", *words, given=given)


class CommandTests(UsersCase):
    """Add, remove, list, passwd."""

    def test_life(self) -> None:
        """A user is added, listed, gets a new password, and is removed."""
        self.assertEqual(f"added alice to {self.path}\n", self.add("alice", "--address", "10.99.0.7"))
        self.add("bob", "--address6", "2001:db8:3::7", "--max-rate", "1.50G")
        self.add("carol", "--max-rate", "0")
        self.assertEqual(
            "NAME   STORED   ADDRESS    ADDRESS6       MAX RATE    STATE\n"
            "alice  nt-hash  10.99.0.7  -              -           enabled\n"
            "bob    nt-hash  -          2001:db8:3::7  1.5 Gbit/s  enabled\n"
            "carol  nt-hash  -          -              no limit    enabled\n",
            self.done("list"),
        )
        self.assertIn('max-rate = "1.5G"\n', self.path.read_text())
        self.done("remove", "carol")
        said = self.done("passwd", "alice", "--password-stdin", given=b"new\r\n")
        self.assertEqual(f"alice has a new password in {self.path}\n", said)
        self.assertEqual([nt_password_hash("new"), nt_password_hash("secret")], [u.nt_hash for u in read(self.path)])
        self.assertEqual(f"removed alice from {self.path}\n", self.done("remove", "alice"))
        self.done("remove", "BOB")
        self.assertEqual("no users\n", self.done("list"))

    def test_place(self) -> None:
        """The file is /etc/iphttps/users.toml, of mode 0600, or any other."""
        self.add("alice")
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))
        other = self.root / "other.toml"
        self.add("bob", "--file", str(other))
        self.assertEqual(["bob"], [user.name for user in read(other)])
        self.assertEqual(0o600, stat.S_IMODE(other.stat().st_mode))
        self.assertIn("bob", self.done("list", "--file", str(other)))
        self.done("passwd", "bob", "--password-stdin", "--file", str(other), given=b"x")
        self.done("remove", "bob", "--file", str(other))
        self.assertEqual(["alice"], [user.name for user in read(self.path)])

    def test_list_by_hand(self) -> None:
        """The list shows what was written by hand, and no secret."""
        self.path.parent.mkdir(parents=True)
        self.path.write_text('[alice]\npassword = "sesame"\ndisabled = true\n')
        self.path.chmod(0o600)
        self.assertIn("alice  password  -        -         -         disabled\n", self.done("list"))
        for shown in (self.done("list"), self.done("list", "--json")):
            self.assertNotIn("sesame", shown)
            self.assertNotIn(nt_password_hash("sesame").hex(), shown)

    def test_json(self) -> None:
        """The JSON is as its schema and its example say."""
        self.add("alice", "--address", "10.99.0.7", "--address6", "2001:db8:3::7", "--max-rate", "20M")
        self.add("Zoë")
        value = json.loads(self.done("list", "--json"))
        self.assertEqual(["alice", "Zoë"], [user["name"] for user in value["users"]])
        self.assertEqual([], violations("users", value))
        self.assertEqual([], differences(documented("users"), value | {"users": value["users"][:1]}))

    def test_refused(self) -> None:
        """An impossible change gives a sentence with the remedy."""
        self.assertEqual(f"{self.path} does not exist: `iphttps users add NAME` creates it", self.refused("list"))
        self.add("alice")
        for words, given, sentence in (
            (("add", "Alice", "--password-stdin"), b"x", "already has a user alice: `iphttps users passwd`"),
            (("add", "dave", "--password-stdin"), b"", "not a password: it must not be empty"),
            (("add", "dave", "--password-stdin"), b"\xff\n", "not a password: standard input must be UTF-8"),
            (("remove", "dave"), b"", "has no user dave"),
            (("passwd", "dave", "--password-stdin"), b"x", "has no user dave"),
            (("passwd", "alice"), b"x\n", "there is no terminal to ask for the password: use --password-stdin"),
        ):
            self.assertIn(sentence, self.refused(*words, given=given))
        for option, example in (
            ("--address", "an IPv4 address, such as"),
            ("--address6", "an IPv6 address, such as"),
            ("--max-rate", "a rate in bit/s"),
        ):
            self.assertIn(example, self.refused("add", "dave", option, "10.0.0.256", status=2))
        self.path.chmod(0o644)
        self.assertIn(f"run `chmod 0600 {self.path}`", self.refused("list"))

    def test_never_an_argument(self) -> None:
        """A password on the command line is wrong usage."""
        for words in (("add", "alice", "secret"), ("add", "alice", "--password", "secret"), ("passwd", "alice", "x")):
            self.refused(*words, status=2)
        self.assertFalse(self.path.exists())

    def test_root(self) -> None:
        """Only root changes the file of this machine."""
        self.patch(os, "geteuid", lambda: 1000)
        for words in (("add", "alice"), ("remove", "alice"), ("passwd", "alice")):
            status, _, complaint = self.run_command(*words)
            self.assertEqual(1, status)
            self.assertIn("`iphttps users` writes to /etc/iphttps: run it as root", complaint)

    def test_owner(self) -> None:
        """A new file in the place where the daemons look belongs to their user."""
        given: list[Path] = []
        self.patch(sys.modules["iphttps.app.cli.commands.users"], "give", lambda places, path: given.append(path))
        self.add("alice")
        self.add("bob")
        self.add("carol", "--file", str(self.root / "other.toml"))
        self.assertEqual([self.path], given)


class PromptTests(UsersCase):
    """Passwords that are typed."""

    def setUp(self) -> None:
        """Have a terminal."""
        super().setUp()
        self.patch(sys, "stdin", Terminal())
        self.typed: list[str] = []
        self.asked: list[str] = []

        def answer(prompt: str) -> str:
            self.asked.append(prompt)
            return self.typed.pop(0)

        self.patch(click.termui, "hidden_prompt_func", answer)

    def prompted(self, *arguments: str) -> str:
        """Run a command that succeeds; return its output. Older releases of click print the prompt themselves."""
        status, said, complaint = self.run_command(*arguments, "--root", str(self.root))
        self.assertEqual(0, status, complaint)
        self.assertNotIn("secret", said + complaint)
        return said

    def test_twice(self) -> None:
        """The password is asked for twice and never shown; if the two differ, once more."""
        self.typed = ["secret", "secret"]
        self.assertIn("added alice", self.prompted("add", "alice"))
        self.assertEqual(2, len(self.asked))
        self.typed = ["new", "nwe", "new", "new"]
        status, _, complaint = self.run_command("passwd", "alice", "--root", str(self.root))
        self.assertEqual((0, []), (status, self.typed))
        self.assertIn("do not match", complaint)
        self.assertEqual([nt_password_hash("new")], [user.nt_hash for user in read(self.path)])

    def test_known_first(self) -> None:
        """An invalid name is rejected before the prompt for the password."""
        self.typed = ["secret", "secret"]
        self.prompted("add", "alice")
        self.asked.clear()
        self.refused("add", "alice")
        self.refused("passwd", "dave")
        self.assertEqual([], self.asked)
