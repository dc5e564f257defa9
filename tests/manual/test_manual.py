"""The manual: it says everything there is to be said, and it can be shown."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import click
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.app.cli.entry import COMMANDS, group
from iphttps.app.config.daemons import OPTIONS
from iphttps.app.config.options import DaemonOptions
from manual.__main__ import COMPLETIONS, DOCUMENTS, main
from manual.example import ROOT, Example
from manual.pages import flags, pages
from manual.troff import escaped


def written(options: DaemonOptions, name: str) -> str:
    """Return the default of an option as TOML has it; what is not set is an empty string."""
    row = options.table[name]
    if row.is_flag:
        return "false"
    if row.is_repeatable:
        return "[]"
    return row.default or "" if row.kind.wanted == "a number" else f'"{row.default or ""}"'


class KeyTests(SynchronousTestCase):
    """The keys in the examples, in the manual pages and in docs/configuration.md are the options that there are."""

    def test_examples(self) -> None:
        """Every option that can stand in a file stands in the example once, and no other word."""
        for role, kind in OPTIONS.items():
            self.assertEqual(sorted(kind.table), sorted(key.name for key in Example.read(role).keys))

    def test_defaults(self) -> None:
        """What stands commented out there is the default."""
        for role, kind in OPTIONS.items():
            options = kind()
            for key in Example.read(role).keys:
                if key.is_default:
                    self.assertEqual((key.name, written(options, key.name)), (key.name, key.value))

    def test_text(self) -> None:
        """Something is said about each."""
        for role in OPTIONS:
            for entry in Example.read(role).entries:
                self.assertGreater(len(entry.text), 20, entry.keys)
                self.assertTrue(entry.text.endswith("."), entry.text)

    def test_pages(self) -> None:
        """Every option stands in the manual page of its daemon, every key in that of its file."""
        texts = {page.file: str(page) for page in pages()}
        for kind in OPTIONS.values():
            for name in kind.table:
                self.assertIn(f"\\fB{escaped(name)} = ", texts[f"{kind.command}.toml.5"])
                self.assertIn(f"\\fB{escaped(f'--{name}')}", texts[f"{kind.command}.8"])
            for name, _, text in flags(kind()):
                self.assertGreater(len(text), 10, name)

    def test_document(self) -> None:
        """The generated pages in docs/ are what `make doc` makes of the tree as it is."""
        for name, page in DOCUMENTS.items():
            self.assertEqual(page(), (ROOT / "docs" / name).read_text(), name)


class PageTests(SynchronousTestCase):
    """The pages and the completions that `make man` writes."""

    def setUp(self) -> None:
        """Write them."""
        self.directory = Path(self.mktemp())
        self.assertEqual(0, main([str(self.directory)]))

    def test_commands(self) -> None:
        """Every subcommand has a page, with every option of it."""
        context = click.Context(group, info_name="iphttps")
        for name in COMMANDS:
            command = group.get_command(context, name)
            assert command is not None
            page = (self.directory / "man" / f"iphttps-{name}.1").read_text()
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    self.assertIn(escaped(parameter.opts[0]), page)
            self.assertIn(f"iphttps\\-{escaped(name)}(1)", (self.directory / "man" / "iphttps.1").read_text())

    def test_render(self) -> None:
        """Man shows every page without a warning, and what it refers to is there."""
        program = shutil.which("man")
        if program is None or shutil.which("groff") is None:
            raise SkipTest("There is no man or no groff: type 'make test', which installs them.")
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""}
        files = sorted((self.directory / "man").iterdir())
        for path in files:
            done = subprocess.run(
                [program, "-l", "-Tutf8", "--warnings=w", str(path)],
                capture_output=True, text=True, env=environment, check=False,
            )  # fmt: skip
            self.assertEqual((0, ""), (done.returncode, done.stderr), path.name)
            self.assertNotIn("\\f", done.stdout)
        self.assertEqual(len(COMMANDS) + 7, len(files))

    def test_completions(self) -> None:
        """Each shell's completion is under the name at which it looks for it."""
        for shell, name in COMPLETIONS.items():
            self.assertIn("_IPHTTPS_COMPLETE", (self.directory / "completion" / shell / name).read_text())

    def test_escaped(self) -> None:
        """Nothing in a text is a command to troff."""
        self.assertEqual("\\&.x \\eb \\-\\- \\fBcode\\fR \\(aq \\(ga", escaped(".x \\b -- `code` ' `"))
        self.assertEqual("a\n\\&.b", escaped("a\n.b"))

    def test_wrong_usage(self) -> None:
        """Anything else is wrong usage."""
        self.assertEqual(2, main([]))
