"""`iphttps config`: the values of the options, and where each comes from."""

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
@click.option("--effective", is_flag=True, help="Show the defaults as well: every option there is.")
@role_option
@json_option
@root_option
def config(words: str | None, effective: bool, role: str | None, as_json: bool, places: Places) -> int:
    """Show what is configured, and where each value comes from.

    Of an instance that runs it is shown what is in force, its command line included; of any other, and of a FILE, what
    it would be. Secrets are hidden.
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
        click.echo(f"{instance}, {'in force' if running else 'as it would start'}")
        click.echo(tables.table(rows), nl=False)
    for problem in problems:
        click.echo(f"iphttps: {printable(problem)}", err=True)
    return 1 if problems else 0


def _values(instance: Instance) -> tuple[bool, dict[str, Any], list[str]]:
    """Return whether an instance runs, its values, and what is wrong with them."""
    control = instance.control if instance.name else None
    if control and is_live(control):
        return True, ask(control, "GET", "/configuration"), []
    # Imported only here: the daemons' options bring all of TLS with them.
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
