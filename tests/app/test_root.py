"""Each command that takes `--root` finds everything below it, and nothing of this machine."""

from __future__ import annotations

import os

import click

from iphttps.app.cli.entry import group
from iphttps.app.config.client_options import Options as ClientOptions
from iphttps.app.config.daemons import read_options
from iphttps.app.instances.instances import named
from tests.app.enrolments import EnrolmentCase

RUNNING = ("status", "clients", "disconnect", "enable", "disable", "reload")
"""Commands that ask a daemon; here none runs, and they must look for its socket below the root."""

COVERED = {"setup", "check", "config", "enrol", "join", "up", "down", "ca", "users", *RUNNING}


class RootTests(EnrolmentCase):
    """A gateway and a laptop prepared below directories of their own."""

    def test_prepared(self) -> None:
        """The files of `setup` and `join` below a root work for `check`, `config`, `ca` and a second `setup`."""
        root = ("--root", str(self.gateway.root))
        self.good(*self.setup_words())
        self.assertNotIn("error", self.good("check", *root))
        self.assertIn("/var/lib/iphttps/ca", self.good("config", *root))
        self.assertIn("already set up; no changes", self.good(*self.setup_words()))
        path, secret = self.enrol("alice")
        self.assertIn("alice", self.good("ca", "list", *root))
        self.good("ca", "revoke", "alice", *root)
        self.assertIn(f"wrote {self.gateway.authority}", self.good("ca", "crl", *root))
        self.assertIn(str(self.gateway.configuration), self.bad("users", "list", *root))
        laptop = ("--root", str(self.laptop.root))
        self.good(*self.join_words(path, secret))
        self.assertNotIn("error", self.good("check", *laptop))
        self.assertIn("is not running", self.good("down", *laptop))

    def test_running(self) -> None:
        """The commands for a running daemon look for its control socket below the root."""
        self.good(*self.setup_words())
        for command in RUNNING:
            argument = "1" if command == "disconnect" else "main"
            with self.subTest(command):
                said = self.bad(command, "--root", self.gateway.root, argument)
                self.assertIn(str(self.gateway.root), said)

    def test_files_of_a_client(self) -> None:
        """Scripts and a PAC file that a client's configuration names lie below the root, too, for `join` as well."""
        self.good(*self.setup_words())
        path, secret = self.enrol("alice")
        self.good(*self.join_words(path, secret))
        (name,) = self.laptop.instances("client")
        config = self.laptop.client_config(name)
        script = self.laptop.root / "opt" / "up.sh"
        script.parent.mkdir()
        script.write_text("#!/bin/sh\n")
        os.chmod(script, 0o755)
        more = 'up-script = "/opt/up.sh"\nproxy = "auto"\npac = "/opt/proxy.pac"\n'
        config.write_text(config.read_text() + more)
        options, problems = read_options(named(self.laptop, name))
        assert isinstance(options, ClientOptions)
        self.assertEqual([], problems)
        location = options.config.pac
        assert location is not None
        self.assertEqual(str(self.laptop.root / "opt" / "proxy.pac"), location.path)
        self.good(*self.join_words(path, secret))

    def test_all_commands(self) -> None:
        """No command that takes `--root` is missing above."""
        context = click.Context(group)
        taking = set()
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            below = command.commands.values() if isinstance(command, click.Group) else [command]
            if any(parameter.name == "root" for one in below for parameter in one.params):
                taking.add(name)
        self.assertEqual(set(), taking - COVERED)
