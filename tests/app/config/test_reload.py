"""Tests for iphttps.app.config.reload: what is different between two readings."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.reload import Changes, changed, contents, keep_what_takes_a_restart
from iphttps.app.config.server_options import Options
from iphttps.core.errors import ConfigError

PLAIN = ["--uri", "http://*:80/", "--authentication", "none", "--prefix", "2001:db8:2::/64"]


def parsed(*arguments: str) -> Options:
    """Read a command line."""
    options = Options()
    options.parse([*PLAIN, *arguments])
    return options


def compared(before: Options, after: Options) -> Changes:
    """Return what a reload from one to the other changes."""
    restart = keep_what_takes_a_restart(before, after)
    return Changes(changed(before.config, {}, after.config, {}), restart)


class CompareTests(SynchronousTestCase):
    """The changes found by a reload, and those that need a restart."""

    def test_nothing(self) -> None:
        """The same again is no change."""
        self.assertEqual(Changes((), ()), compared(parsed(), parsed()))
        self.assertEqual("changed: nothing", str(Changes((), ())))

    def test_written_otherwise(self) -> None:
        """The same value in other words is no change."""
        after = parsed("--prefix", "2001:0db8:2:0::/64", "--max-clients", "01000", "--handshake-timeout", "30.0")
        self.assertEqual(Changes((), ()), compared(parsed(), after))

    def test_options(self) -> None:
        """Options that differ are named, those that take a restart apart; the latter stay as they were."""
        after = parsed("--max-clients", "7", "--route", "2001:db8:1::/64", "--interface", "other0", "--offload", "off")
        changes = compared(parsed(), after)
        self.assertEqual(Changes(("max-clients", "route"), ("interface", "offload")), changes)
        self.assertEqual("changed: max-clients, route; restart to apply: interface, offload", str(changes))
        self.assertEqual(
            ("iphttps0", True, 7), (after.config.interface, after.config.offload, after.config.max_clients)
        )

    def test_authority(self) -> None:
        """The files of `--authority` change with it, so only after a restart."""
        secure = ("--uri", "https://*/", "--certificate", "s.pem", "--private-key", "s.key")
        after = parsed(*secure, "--authority", "two")
        changes = compared(parsed(*secure, "--authority", "one"), after)
        self.assertEqual(Changes((), ("authority",)), changes)
        self.assertEqual(Path("one/ca.pem").absolute(), after.config.client_ca)

    def test_together(self) -> None:
        """A change that conflicts with an option that needs a restart is rejected."""
        secure = ("--certificate", "s.pem", "--private-key", "s.key", "--client-ca", "ca.pem")
        after = parsed("--uri", "https://*/", "--authentication", "certificates", *secure)
        error = self.assertRaises(ConfigError, compared, parsed(), after)
        self.assertIn("--authentication certificates with an http:// URI needs", str(error))

    def test_files(self) -> None:
        """A file in which something changed counts, though the option is the same."""
        path = Path(self.mktemp())
        path.write_text("one")
        before = parsed("--identity-addresses", str(path)).config
        files = contents(before)
        path.write_text("two")
        after = parsed("--identity-addresses", str(path)).config
        self.assertEqual(("identity-addresses",), changed(before, files, after, contents(after)))
        path.unlink()
        self.assertIn("cannot read", str(self.assertRaises(ConfigError, contents, after)))

    def test_again(self) -> None:
        """The command line is read again, and the file as it is now."""
        config = Path(self.mktemp())
        config.write_text('max-clients = 3\nroute = ["2001:db8:1::/64"]\n')
        first = parsed("--config", str(config), "--max-addresses", "4")
        config.write_text("max-clients = 5\n")
        second = first.again()
        self.assertEqual((3, 5), (first.config.max_clients, second.config.max_clients))
        self.assertEqual((4, ()), (second.config.max_addresses, second.config.route))
        config.write_text("max-clients = -1\n")
        self.assertRaises(ConfigError, first.again)

    def test_again_elsewhere(self) -> None:
        """Relative paths are taken from where the daemon was started, also when `twistd --rundir` has moved it."""
        config = Path(self.mktemp())
        config.write_text('control = "c.sock"\n')
        first = parsed("--config", str(config))
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir("/")
        self.assertEqual(first.config, first.again().config)
        self.assertEqual(before / "c.sock", first.again().again().config.control)
