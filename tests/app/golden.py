"""The help texts, kept in files: `python -m tests.app.golden` rewrites them after an intended change."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import click

from iphttps.app.cli.entry import COMMANDS, group
from iphttps.app.config.daemons import OPTIONS

DIRECTORY = Path(__file__).with_name("golden")
WIDTH = 100


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name of each file and what stands in it: the help of every command, and that of the daemons."""
    yield "iphttps.txt", helped()
    for name in COMMANDS:
        yield f"iphttps-{name}.txt", helped(name)
        command = group.get_command(click.Context(group), name)
        for below in command.commands if isinstance(command, click.Group) else ():
            yield f"iphttps-{name}-{below}.txt", helped(name, below)
    for kind in OPTIONS.values():
        yield f"twistd-{kind.command}.txt", kind().getUsage(WIDTH)


def helped(*words: str) -> str:
    """Return what --help prints, with lines of a certain width."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        group.main(
            [*words, "--help"], prog_name="iphttps", standalone_mode=False,
            terminal_width=WIDTH, max_content_width=WIDTH,
        )  # fmt: skip
    return said.getvalue()


if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for path in DIRECTORY.iterdir():
        path.unlink()
    for file, text in texts():
        (DIRECTORY / file).write_text(text)
