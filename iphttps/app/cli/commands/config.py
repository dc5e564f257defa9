"""`iphttps config`: show the options and the source of each value."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import click

from ....core.identity import printable
from ...control.ask import ask, is_live, understanding
from ...instances.instances import Instance, file_or_named, only
from ...instances.paths import Places
from .. import tables
from .common_options import echo_json, file_argument, json_option, role_option, root_option


@click.command()
@file_argument
@click.option("--effective", is_flag=True, help="Show all options, including defaults.")
@role_option
@json_option
@root_option
def config(words: str | None, effective: bool, role: str | None, as_json: bool, places: Places) -> int:
    """Show the configuration and the source of each value.

    For a running instance, show the values in force, including those from its command line; otherwise, and for a FILE,
    show the values that it would start with. Secrets are hidden.
    """
    instance = file_or_named(places, words, role) if words else only(places)
    running, answer, problems = _values(instance)
    with understanding() if running else nullcontext():
        shown = [one for one in answer["options"] if effective or one["source"] != "default"]
        rows = [("KEY", "VALUE", "FROM"), *((one["key"], _text(one["value"]), _source(one)) for one in shown)]
    if as_json:
        echo_json(
            {"instance": str(instance), "file": str(instance.file), "running": running, **answer, "options": shown}
        )
    else:
        click.echo(f"{instance}, {'running' if running else 'not running'}")
        click.echo(tables.table(rows), nl=False)
    for problem in problems:
        click.echo(f"iphttps: {printable(problem)}", err=True)
    return 1 if problems else 0


def _values(instance: Instance) -> tuple[bool, dict[str, Any], list[str]]:
    """Return whether an instance is running, its values, and the problems with them."""
    control = instance.control if instance.name else None
    if control and is_live(control):
        return True, ask(control, "GET", "/configuration"), []
    # Imported only here: the options of the daemons import TLS, which is slow.
    from ...config.daemons import read_options
    from ...config.effective import effective

    options, problems = read_options(instance)
    return False, effective(options), [str(problem) for problem in problems]


def _text(value: object) -> str:
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _source(one: dict[str, Any]) -> str:
    return f"{one['file']}:{one['line']}" if one["file"] else one["source"]
