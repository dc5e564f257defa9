"""Tests for iphttps.app.config.reload: what is different between two readings."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config.reload import RESTART, Changes, compare, contents
from iphttps.app.config.server_options import Options
from iphttps.core.errors import ConfigError

PLAIN = ["--uri", "http://*:80/", "--authentication", "none", "--prefix", "2001:db8:2::/64"]


def parsed(*arguments: str) -> Options:
    """Read a command line."""
    options = Options()
    options.parse([*PLAIN, *arguments])
    return options


class CompareTests(SynchronousTestCase):
    """What changed, and what takes a restart."""

    def test_nothing(self) -> None:
        """The same again is no change."""
        self.assertEqual(Changes((), ()), compare(parsed(), {}, parsed(), {}))
        self.assertEqual("nothing to change", str(Changes((), ())))

    def test_options(self) -> None:
        """Options that differ are named, those that take a restart apart."""
        after = parsed("--max-clients", "7", "--route", "2001:db8:1::/64", "--interface", "other0")
        changes = compare(parsed(), {}, after, {})
        self.assertEqual(Changes(("max-clients", "route"), ("interface",)), changes)
        self.assertEqual("changed: max-clients, route; needs a restart: interface", str(changes))

    def test_files(self) -> None:
        """A file in which something changed counts, though the option is the same."""
        path = Path(self.mktemp())
        path.write_text("one")
        before = parsed("--identity-addresses", str(path))
        files = contents(before)
        path.write_text("two")
        after = parsed("--identity-addresses", str(path))
        self.assertEqual(Changes(("identity-addresses",), ()), compare(before, files, after, contents(after)))
        path.unlink()
        self.assertIn("cannot read", str(self.assertRaises(ConfigError, contents, after)))

    def test_names(self) -> None:
        """Every option that takes a restart is one."""
        self.assertLessEqual(RESTART, set(Options()))

    def test_again(self) -> None:
        """The command line is read again, and the file as it is now."""
        config = Path(self.mktemp())
        config.write_text('max-clients = 3\nroute = ["2001:db8:1::/64"]\n')
        first = parsed("--config", str(config), "--max-addresses", "4")
        config.write_text("max-clients = 5\n")
        second = first.again()
        self.assertEqual(("3", "5"), (first["max-clients"], second["max-clients"]))
        self.assertEqual(("4", []), (second["max-addresses"], second["route"]))
        config.write_text("max-clients = -1\n")
        self.assertRaises(ConfigError, first.again)
