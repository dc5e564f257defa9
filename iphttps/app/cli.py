"""The `iphttps` command: asks a daemon by its control socket, and tells it what to do.

Exit status: 0 all is fine, 1 there is a problem, 2 the command was used wrongly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from .. import __version__
from ..core.identity import printable
from . import tables
from .ask import VARIABLE, AskError, ask, find

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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="iphttps %(version)s")
def group() -> None:
    """Look at a running IP-HTTPS server or client, and control it."""


@group.command()
@control_option
@json_option
def status(control: str | None, as_json: bool) -> int:
    """Show what a daemon does; exit with 1 unless a server listens, or a client's link is up and its router answers."""
    answer = ask(find(control), "GET", "/status")
    text = tables.server if answer["role"] == "server" else tables.client
    click.echo(_json(answer) if as_json else text(answer), nl=False)
    return 0 if working(answer) else 1


@group.command()
@control_option
@json_option
def clients(control: str | None, as_json: bool) -> int:
    """Show a server's clients."""
    answer = ask(find(control), "GET", "/clients")
    click.echo(_json(answer) if as_json else tables.clients(answer["clients"]), nl=False)
    return 0


@group.command()
@click.argument("client_id", metavar="ID", type=click.IntRange(1))
@control_option
def disconnect(client_id: int, control: str | None) -> int:
    """End the session of the client that `iphttps clients` shows with this ID; it may come back."""
    answer = ask(find(control), "POST", f"/clients/{client_id}/disconnect")
    who = printable(f"{answer['identity'] or 'not authenticated'}, {answer['peer']}")
    click.echo(f"client {client_id} ({who}) is disconnected")
    return 0


@group.command()
@control_option
def enable(control: str | None) -> int:
    """Have a server listen, or a client connect."""
    return _switch(control, "/enable")


@group.command()
@control_option
def disable(control: str | None) -> int:
    """Have a server disconnect all clients and listen no more, or a client take its link down."""
    return _switch(control, "/disable")


@group.command()
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; whatever goes wrong is one sentence on standard error."""
    try:
        return int(group.main(arguments, prog_name="iphttps", standalone_mode=False) or 0)
    except AskError as error:
        return _complain(str(error), error.status)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _complain(f"{error.format_message().rstrip('.')} (see `iphttps --help`)", error.exit_code)
    except (KeyError, TypeError, AttributeError):  # only an answer is taken apart here
        return _complain("the daemon's answer lacks something: is it of another version?", 1)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # else Python complains about standard output at its end
        return 1


def _complain(sentence: str, status: int) -> int:
    click.echo(f"iphttps: {printable(sentence)}", err=True)
    return status
