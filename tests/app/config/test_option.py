"""Tests for iphttps.app.config.option and its kinds: the table of options, and what each takes."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.config import client_options, server_options
from iphttps.app.config.daemon_config import DaemonConfig
from iphttps.app.config.daemons import OPTIONS
from iphttps.app.config.kinds import Number, Whole
from iphttps.app.config.options import DaemonOptions
from iphttps.core.errors import ConfigError

SERVER = 'uri = "http://*:80/"\nauthentication = "none"\nprefix = "2001:db8:2::/64"\n'
CLIENT = 'uri = "https://vpn.example.org/"\n'


def documented(config: type) -> set[str]:
    """Return the fields of a class with a docstring behind them."""
    (body,) = ast.parse(inspect.getsource(config)).body
    assert isinstance(body, ast.ClassDef)
    found = set()
    for one, following in zip(body.body, body.body[1:], strict=False):
        said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and said:
            found.add(one.target.id)
    return found


class TableTests(SynchronousTestCase):
    """The rows."""

    def test_documented(self) -> None:
        """Each field has a docstring, and each option a help."""
        for options in OPTIONS.values():
            said = {name for one in options.configuration.__mro__ if issubclass(one, DaemonConfig)
                    for name in documented(one)}  # fmt: skip
            self.assertEqual(set(), {field.name for field in fields(options.configuration)} - said)
            for row in options.table.values():
                self.assertGreater(len(row.text), 20, row.name)

    def test_command_line(self) -> None:
        """Each option can be given on the command line, and there is no other."""
        for options in OPTIONS.values():
            given = {name.rstrip("=") for name in options().longOpt} - {"version", "help", "config", "root"}
            self.assertEqual(set(options.table), given)

    def test_defaults(self) -> None:
        """Each default is a value that can be given."""
        for options in OPTIONS.values():
            for row in options.table.values():
                if not row.missing:
                    row.parse([] if row.is_repeatable else row.default, Path)

    def test_no_reload(self) -> None:
        """A client reloads nothing, so no option of its own says that a reload applies it."""
        own = set(client_options.Options.table) - {field.name.replace("_", "-") for field in fields(DaemonConfig)}
        self.assertEqual(set(), {name for name in own if client_options.Options.table[name].reload})


class ValueTests(SynchronousTestCase):
    """The valid content of a file."""

    def refusal(self, options: DaemonOptions, text: str) -> str | None:
        """Return what is said of a file without its place, None if it is taken."""
        path = Path(self.mktemp())
        path.write_text(text, encoding="utf-8")
        try:
            options.parse(["--config", str(path)])
        except ConfigError as error:
            return str(error).partition(": ")[2]
        return None

    def test_whole_numbers(self) -> None:
        """A count is an integer within bounds, in a file and on the command line."""
        whole = [row.name for row in server_options.Options.table.values() if isinstance(row.kind, Whole)]
        self.assertIn("max-clients", whole)
        for name in whole:
            for value, words in (
                ("1000.9", "takes a whole number, not '1000.9'"),
                ("1000.0", "takes a whole number, not '1000.0'"),
                ("1e3", "takes a whole number, not '1000.0'"),
                ("-1", "takes a number of at least"),
                ("0x7fffffffffffffffff", "takes a number of at most"),
                ("0x" + 5000 * "f", "must be a number, not one with too many digits"),
                ("9" * 4000, "takes a number of at most "),
                ("1e300", "takes a number of at most"),
                ("inf", "takes a number of at least"),
                ("nan", "takes a number of at least"),
                ('"1000"', "must be a number, not '1000'"),
                ("true", "must be a number, not True"),
                ("[1000]", "must be a number, not [1000]"),
                ("2026-11-29", "must be a number, not datetime.date(2026, 11, 29)"),
            ):
                refusal = self.refusal(server_options.Options(), f"{SERVER}{name} = {value}\n") or "it is taken"
                self.assertIn(f"{name} {words}", refusal)
                self.assertLess(len(refusal), 160)
        for word in ("1_000", "\u0665", "0x10", " 5", "+5", "5.5", "1e3", ""):
            error = self.assertRaises(ConfigError, Whole(1, 9999).parse, "x", word, Path)
            self.assertIn("--x takes a", str(error))

    def test_seconds(self) -> None:
        """A time is finite, and no longer than a timer of the reactor can be."""
        for options, text in ((server_options.Options, SERVER), (client_options.Options, CLIENT)):
            timed = [row.name for row in options.table.values() if isinstance(row.kind, Number)]
            for name in timed:
                for value, words in (
                    ("1e300", "takes a number of at most"),
                    ("1e9", "takes a number of at most"),
                    ("inf", "takes a number of at least"),
                    ("-0.5", "takes a number of at least"),
                    ('"30"', "must be a number, not '30'"),
                    ("true", "must be a number, not True"),
                ):
                    refusal = self.refusal(options(), f"{text}{name} = {value}\n") or "it is taken"
                    self.assertIn(f"{name} {words}", refusal)
                self.assertIsNone(self.refusal(options(), f"{text}{name} = 30.5\n"))

    def test_strings(self) -> None:
        """A string in the file is not converted to a number or a boolean."""
        for options, text in ((server_options.Options, SERVER), (client_options.Options, CLIENT)):
            for row in options.table.values():
                if row.kind.wanted == "a string":
                    others = "\n".join(line for line in text.splitlines() if not line.startswith(f"{row.name} "))
                    for value in ("5", "0.5", "[]", "{}", "0x" + 5000 * "f"):
                        refusal = self.refusal(options(), f"{others}\n{row.name} = {value}\n") or "it is taken"
                        self.assertTrue(refusal.startswith(f"{row.name} must be a string, not "), refusal)

    def test_flags(self) -> None:
        """A flag is true or false."""
        for options, text in ((server_options.Options, SERVER), (client_options.Options, CLIENT)):
            for row in options.table.values():
                for value in ("1", "0", '"true"', '"yes"', '""') if row.is_flag else ():
                    refusal = self.refusal(options(), f"{text}{row.name} = {value}\n") or "it is taken"
                    self.assertTrue(refusal.startswith(f"{row.name} must be true or false, not "), refusal)

    def test_yes_or_no(self) -> None:
        """Wherever yes and no are words, true and false may stand in their place."""
        for value, expected in (("true", True), ("false", False), ('"yes"', True), ('"auto"', None)):
            options = server_options.Options()
            self.assertIsNone(self.refusal(options, f"{SERVER}isolate = {value}\n"))
            self.assertIs(expected, options.config.isolate)

    def test_null_characters(self) -> None:
        """A string with a null character ends in a sentence: no system call takes it."""
        for options, text in ((server_options.Options, SERVER), (client_options.Options, CLIENT)):
            for row in options.table.values():
                if row.kind.wanted.startswith("a string"):
                    others = "\n".join(line for line in text.splitlines() if not line.startswith(f"{row.name} "))
                    refusal = self.refusal(options(), f'{others}\n{row.name} = "a\\u0000b"\n') or "it is taken"
                    self.assertEqual(f"{row.name} must not hold a null character", refusal)

    def test_empty(self) -> None:
        """An option with a default that must not be empty is rejected if it is."""
        refusal = self.refusal(server_options.Options(), f'{SERVER}interface = ""\n')
        self.assertEqual("interface is empty: omit it for the default, iphttps0", refusal)

    def test_unreadable_toml(self) -> None:
        """Input that tomllib fails on is rejected as invalid TOML, without a traceback."""
        for text in ("max-clients = " + 5000 * "1", "route = " + 5000 * "[", "route = " + 3000 * "{a="):
            self.assertIn("not TOML", self.refusal(server_options.Options(), SERVER + text) or "it is taken")
