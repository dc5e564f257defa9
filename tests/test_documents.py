"""README.md and docs/: what they link to and name is there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from twisted.trial.runner import ErrorHolder, TestLoader
from twisted.trial.unittest import SynchronousTestCase

from bench.__main__ import arguments
from iphttps.app.cli.entry import COMMANDS, Commands
from iphttps.app.config.client_options import Options as ClientOptions
from iphttps.app.config.server_options import Options as ServerOptions

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTION = r"(?<![\w-])--[a-z][a-z0-9-]+"

OTHERS = {
    "--uid", "--gid", "--pidfile", "--logfile", "--logger", "--syslog",  # twistd
    "--unix-socket", "--pinnedpubkey", "--fail", "--silent", "--show-error",  # curl
    "--now", "--create", "--mktun", "--force",  # systemctl, systemd-tmpfiles, tayga, gpupdate
    "--ipparam", "--nolaunchpppd", "--ca-cert", "--tls-ext", "--ask",  # sstpc, nmcli
    "--whole",  # tools/versions
}  # fmt: skip
"""Options of other programs."""


def _cases(name: str) -> Iterator[object]:
    """Yield the test cases of a name; one that cannot be loaded is an ErrorHolder."""
    waiting: list[object] = [TestLoader().loadByName(name)]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Iterable):
            waiting += each
        else:
            yield each


def anchors(page: Path) -> set[str]:
    """Return what can be linked to in a page: its headings, as GitHub names them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command of `iphttps` with its words."""
    context = click.Context(Commands())
    for name in COMMANDS:
        command = Commands().get_command(context, name)
        assert command is not None
        yield name, command
        for more, below in getattr(command, "commands", {}).items():
            yield f"{name} {more}", below


def typed(text: str) -> Iterator[str]:
    """Yield what stands behind `iphttps` in a page's code: within lines, in fenced blocks and in indented ones."""
    fenced = re.findall(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^    .*$", text, re.MULTILINE)
    for block in (*fenced, *indented):
        yield from re.findall(r"^ *(?:/opt/iphttps/bin/)?iphttps ([a-z][^\n#]*)", block, re.MULTILINE)
    yield from re.findall(r"`iphttps ([a-z][^`]*)`", text)


class DocumentsTests(SynchronousTestCase):
    """All pages."""

    def test_links(self) -> None:
        """Every link to a file of this project leads to one that is there, and to a heading that it has."""
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                path, _, anchor = target.partition("#")
                if "://" in target:
                    continue
                there = (page.parent / path).resolve() if path else page
                self.assertTrue(there.exists(), f"{page.name}: {target}")
                if anchor:
                    self.assertIn(anchor, anchors(there), f"{page.name}: {target}")

    def test_targets(self) -> None:
        """`make help` lists every target that has a description, and every target that is named is one."""
        makefile = (ROOT / "Makefile").read_text()
        described = set(re.findall(r"^([\w-]+):.*?## ", makefile, re.MULTILINE))
        command = ("make", "--no-print-directory", "-C", str(ROOT), "help")
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertEqual(described, set(re.findall(r"^make ([\w-]+) ", listed, re.MULTILINE)))
        for page in PAGES:
            for name in re.findall(r"`make ([\w-]+)", page.read_text()):
                self.assertIn(name, described, page.name)

    def test_named_tests(self) -> None:
        """Each test that docs/security.md names for an attack is there."""
        named = set(re.findall(r"`(tests\.[\w.]+)`", (ROOT / "docs" / "security.md").read_text()))
        self.assertGreater(len(named), 50)
        for name in sorted(named):
            self.assertGreater(TestLoader().loadByName(name).countTestCases(), 0, name)
            self.assertEqual([], [str(case) for case in _cases(name) if isinstance(case, ErrorHolder)], name)

    def test_reachable(self) -> None:
        """Every page of docs/ is found by who follows links from the README."""
        found: set[Path] = set()
        ahead = {ROOT / "README.md"}
        while ahead:
            page = ahead.pop()
            found.add(page)
            linked = re.findall(r"\]\(([\w/.-]+\.md)[)#]", page.read_text())
            ahead |= {(page.parent / path).resolve() for path in linked} - found
        self.assertEqual(set(), set(PAGES) - found)

    def test_options(self) -> None:
        """Every option that is named belongs to the daemons, `iphttps`, the benchmark, or a program named here."""
        known = {f"--{name}" for options in (ServerOptions(), ClientOptions()) for name in options.longOpt}
        known = {name.rstrip("=") for name in known} | set(re.findall(OPTION, arguments().format_help())) | OTHERS
        for _, command in commands():
            known |= {name for parameter in command.params for name in parameter.opts} | {"--help"}
        for page in PAGES:
            for name in re.findall(OPTION, page.read_text()):
                self.assertIn(name, known, page.name)

    def test_commands(self) -> None:
        """Every command of `iphttps` that is named is one, and has the options that stand behind it."""
        known = dict(commands())
        for page in PAGES:
            for line in typed(page.read_text()):
                words = line.split()
                name = " ".join(words[:2]) if words[0] in ("ca", "users") and len(words) > 1 else words[0]
                self.assertIn(name, known, f"{page.name}: iphttps {line}")
                options = {option for parameter in known[name].params for option in parameter.opts}
                for word in words:
                    if word.strip("[]").startswith("--"):
                        self.assertIn(word.strip("[]"), options, f"{page.name}: iphttps {line}")
