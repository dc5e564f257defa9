"""Options and arguments shared by several commands: instance, control socket, root directory, output format."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ...control.ask import VARIABLE
from ...instances.instances import configured, find_control
from ...instances.paths import ROLES, Places

Command = Callable[..., Any]

KEY_TYPE = "Key type: rsa (2048 bits, supported by every client) or ecdsa (P-256, smaller); default: rsa."
"""The help of --key."""


def _completed(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete the name of an instance."""
    instances = configured(Places(ctx.params.get("root") or Path("/")))
    names = [instance.name or "" for instance in instances]
    words = [str(one) if names.count(one.name or "") > 1 or "/" in incomplete else one.name or "" for one in instances]
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _completed_or_file(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Complete the name of an instance, or of a file."""
    return _completed(ctx, parameter, incomplete) or [CompletionItem(incomplete, type="file")]


def root_option(command: Command) -> Command:
    """Add --root, the directory below which all paths lie; the command receives it as `places`."""

    @click.option(
        "--root",
        metavar="DIRECTORY",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("/"),
        help="Use DIRECTORY as the root for all paths.",
    )
    @functools.wraps(command)
    def rooted(*arguments: Any, root: Path, **options: Any) -> Any:
        return command(*arguments, places=Places(root.absolute()), **options)

    return rooted


def instance_argument(command: Command) -> Command:
    """Add an optional argument for the name of an instance, as `instance`."""
    return click.argument("instance", metavar="[INSTANCE]", required=False, shell_complete=_completed)(command)


def file_argument(command: Command, *, many: bool = False) -> Command:
    """Add an optional argument for a file or an instance, or with `many` any number of them, as `words`."""
    return click.argument(
        "words",
        metavar="[FILE|INSTANCE]" + "..." * many,
        nargs=-1 if many else 1,
        required=False,
        shell_complete=_completed_or_file,
    )(command)


def role_option(command: Command) -> Command:
    """Add the option for the role of a file."""
    about = "Role of FILE, if its directory and content do not show it."
    return click.option("--role", type=click.Choice(ROLES), help=about)(command)


def control_option(command: Command) -> Command:
    """Add the option for the control socket."""
    about = f"Control socket of the daemon; default: that of INSTANCE, ${VARIABLE}, or the only one."
    return click.option("--control", metavar="PATH", help=about)(command)


def of_daemon(command: Command) -> Command:
    """Let a command be told which daemon is meant; it gets the `path` of its control socket."""

    @instance_argument
    @control_option
    @root_option
    @functools.wraps(command)
    def chosen(*arguments: Any, places: Places, control: str | None, instance: str | None, **options: Any) -> Any:
        named = control or (None if instance else os.environ.get(VARIABLE))
        return command(*arguments, path=find_control(places, named, instance), **options)

    return chosen


def json_option(command: Command) -> Command:
    """Add the option --json, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def echo_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2))


def painted(word: str, colour: str) -> str:
    """Return a coloured word; click removes the colour if the output is no terminal, NO_COLOR (no-color.org) always."""
    return word if os.environ.get("NO_COLOR") else click.style(word, fg=colour)
