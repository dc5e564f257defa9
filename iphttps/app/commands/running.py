"""The commands that ask a running daemon, or tell it what to do, by its control socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ...core.identity import printable
from .. import tables
from ..ask import VARIABLE, ask, find

Command = TypeVar("Command", bound=Callable[..., Any])

WORKING = {"server": "LISTEN", "client": "LINK_UP"}
"""The state in which a daemon does what it is there for."""


def working(status: dict[str, Any]) -> bool:
    """Tell whether a daemon does what it is there for: a client also has a router that answers."""
    if status["state"] != WORKING[status["role"]]:
        return False
    return status["role"] == "server" or bool(status["router"] and status["router"]["round_trip"] is not None)


def control_option(command: Command) -> Command:
    """Let a command be told which daemon is meant."""
    about = f"The daemon's control socket; without it ${VARIABLE}, or the only one in /run/iphttps."
    return click.option("--control", metavar="PATH", envvar=VARIABLE, help=about)(command)


def json_option(command: Command) -> Command:
    """Let a command print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print the daemon's answer as JSON.")(command)


@click.command()
@control_option
@json_option
def status(control: str | None, as_json: bool) -> int:
    """Show what a daemon does; exit with 1 unless a server listens, or a client's link is up and its router answers."""
    answer = ask(find(control), "GET", "/status")
    text = tables.server if answer["role"] == "server" else tables.client
    click.echo(_json(answer) if as_json else text(answer), nl=False)
    return 0 if working(answer) else 1


@click.command()
@control_option
@json_option
def clients(control: str | None, as_json: bool) -> int:
    """Show a server's clients."""
    answer = ask(find(control), "GET", "/clients")
    click.echo(_json(answer) if as_json else tables.clients(answer["clients"]), nl=False)
    return 0


@click.command()
@click.argument("client_id", metavar="ID", type=click.IntRange(1))
@control_option
def disconnect(client_id: int, control: str | None) -> int:
    """End the session of the client that `iphttps clients` shows with this ID; it may come back."""
    answer = ask(find(control), "POST", f"/clients/{client_id}/disconnect")
    who = printable(f"{answer['identity'] or 'not authenticated'}, {answer['peer']}")
    click.echo(f"client {client_id} ({who}) is disconnected")
    return 0


@click.command()
@control_option
def enable(control: str | None) -> int:
    """Have a server listen, or a client connect."""
    return _switch(control, "/enable")


@click.command()
@control_option
def disable(control: str | None) -> int:
    """Have a server disconnect all clients and listen no more, or a client take its link down."""
    return _switch(control, "/disable")


@click.command()
@control_option
def reload(control: str | None) -> int:
    """Have a server read its configuration and its files again; no session ends by it."""
    answer = ask(find(control), "POST", "/reload")
    click.echo(f"changed: {', '.join(answer['changed']) or 'nothing'}")
    if answer["restart"]:
        click.echo(f"needs a restart: {', '.join(answer['restart'])}")
    return 0


def _switch(control: str | None, resource: str) -> int:
    answer = ask(find(control), "POST", resource)
    stage = tables.STAGES.get(answer.get("stage"))
    click.echo(f"{answer['role']}: {answer['state']}" + (f", {stage}" if stage else ""))
    return 0


def _json(answer: object) -> str:
    return json.dumps(answer, indent=2) + "\n"
