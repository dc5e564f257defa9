"""`iphttps up` for an SSTP client whose password is missing."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.cli.commands import passwords
from iphttps.app.cli.commands.passwords import missing_password, read_password
from iphttps.app.config.secrets.password_login import PASSWORD
from iphttps.app.instances.instances import named
from iphttps.app.instances.paths import Places
from iphttps.core.errors import ConfigError


class MissingPasswordTests(SynchronousTestCase):
    """The prompt for a missing password, and the place where the answer is stored."""

    def setUp(self) -> None:
        """Make a machine with an SSTP client, and have alice at the terminal."""
        self.places = Places(Path(self.mktemp()).absolute())
        self.config = self.places.config("sstp-client", "work")
        self.config.parent.mkdir(parents=True)
        self.asked: list[str] = []
        self.patch(passwords, "ask_password", self.ask)
        self.patch(os, "environ", {name: value for name, value in os.environ.items() if name != PASSWORD})
        self.patch(sys, "stdout", io.StringIO())

    def ask(self, user: str) -> str:
        """Answer a question."""
        self.asked.append(user)
        return "secret"

    def missing(self, text: str, *, by_systemd: bool = False) -> dict[str, str]:
        """Return the variables for a configuration."""
        self.config.write_text(f'uri = "https://vpn.example.org"\nuser = "alice"\n{text}')
        return missing_password(named(self.places, "work"), by_systemd=by_systemd)

    def test_file(self) -> None:
        """A password file that is missing is written, for its owner alone; one that is there stays."""
        path = self.places.password("sstp-client", "work")
        text = 'password-file = "/etc/iphttps/sstp-client/work.password"\n'
        for by_systemd in (False, True):
            self.assertEqual({}, self.missing(text, by_systemd=by_systemd))
            self.assertEqual((0o600, "secret\n"), (path.stat().st_mode & 0o777, path.read_text()))
        self.assertEqual(["alice"], self.asked)

    def test_environment(self) -> None:
        """Without a file the daemon gets it in its environment, unless it has it there already."""
        self.assertEqual({PASSWORD: "secret"}, self.missing(""))
        os.environ[PASSWORD] = "other"
        self.assertEqual({}, self.missing(""))
        self.assertEqual(["alice"], self.asked)

    def test_systemd(self) -> None:
        """Systemd starts the daemon with another environment, so that a file is needed."""
        error = self.assertRaises(ConfigError, self.missing, "", by_systemd=True)
        self.assertIn("has no password-file: set it, because systemd starts sstp-client/work", str(error))

    def test_others(self) -> None:
        """There is no prompt for other daemons, or for a configuration that lacks more: the daemon reports that."""
        self.assertEqual({}, self.missing('password-file = "/nowhere/x"\n'))
        self.config.write_text("not TOML")
        self.assertEqual({}, missing_password(named(self.places, "work"), by_systemd=False))
        server = self.places.server_config("main")
        server.parent.mkdir()
        server.write_text('user = "alice"\n')
        self.assertEqual({}, missing_password(named(self.places, "main"), by_systemd=False))
        self.assertEqual([], self.asked)


class ReadTests(SynchronousTestCase):
    """A password from a file or standard input."""

    def test_read(self) -> None:
        """It is the first line."""
        self.assertEqual("secret word", read_password(io.BytesIO(b"secret word\r\nmore\n")))
        for content in (b"", b"\n", b"secret\xff\n"):
            error = self.assertRaises(ConfigError, read_password, io.BytesIO(content))
            self.assertNotIn("secret", str(error))
