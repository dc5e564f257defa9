"""Commands that query or control a running daemon through its control socket."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from ....core.identity import printable
from ...control.ask import AskError, ask, understanding
from ...instances.instances import called
from .. import tables
from .common_options import echo_json, json_option, of_daemon, painted

WORKING = {"server": "LISTEN", "client": "LINK_UP", "sstp-client": "LINK_UP"}
"""The state in which a daemon carries traffic."""

NO_CLIENTS = ": only a server has clients"
"""The end of the sentence about a client that is asked for its clients."""

NO_RELOAD = ", which cannot reload: restart it with `iphttps down` and `iphttps up`"
"""The same for a client that is asked to reload."""

_STATUS = {"server": tables.server, "client": tables.client, "sstp-client": tables.sstp_client}


def working(status: dict[str, Any]) -> bool:
    """Tell whether a daemon can carry traffic.

    A client also needs a router that answers, with SSTP the server, and an address that can be used.
    """
    if status["state"] != WORKING[status["role"]]:
        return False
    if status["role"] == "server":
        return True
    return status["stage"] is None and bool(status["router"] and status["router"]["round_trip"] is not None)


@click.command(short_help="Show the status of a daemon.")
@of_daemon
@json_option
def status(path: Path, as_json: bool) -> int:
    """Show the status of a daemon.

    Exit status 0 if the daemon is healthy: a server is listening, or a client's link is up, has an address that can be
    used, and its router answers, with SSTP the server. In all cases, changed files must have loaded and changes to the
    interface by other programs must have been reverted. Otherwise 1.

    The counters distinguish packets from and to the host (device), the clients (link) and the server (session).
    """
    answer = ask(path, "GET", "/status")
    with understanding():
        changed = answer.get("interface_changed")
        well = working(answer) and not answer.get("not_taken") and (not changed or changed["put_right"])
        text = "" if as_json else _painted(_STATUS[answer["role"]](answer), answer)
    if as_json:
        echo_json(answer)
    else:
        click.echo(text, nl=False)
    return 0 if well else 1


@click.command()
@of_daemon
@json_option
def clients(path: Path, as_json: bool) -> int:
    """Show the clients of a server."""
    answer = _ask_server(path, "GET", "/clients", NO_CLIENTS)
    with understanding():
        text = "" if as_json else tables.clients(answer["clients"])
    if as_json:
        echo_json(answer)
    else:
        click.echo(text, nl=False)
    return 0


@click.command()
@click.argument("client_id", metavar="ID", type=click.IntRange(1))
@of_daemon
def disconnect(client_id: int, path: Path) -> int:
    """End the session of the client with this ID (see `iphttps clients`); the client may reconnect."""
    answer = _ask_server(path, "POST", f"/clients/{client_id}/disconnect", NO_CLIENTS)
    with understanding():
        who = printable(f"{answer['identity'] or 'not authenticated'}, {answer['peer']}")
    click.echo(f"client {client_id} ({who}) disconnected")
    return 0


@click.command()
@of_daemon
def enable(path: Path) -> int:
    """Make a server listen, or a client connect."""
    return _switch(path, "/enable")


@click.command()
@of_daemon
def disable(path: Path) -> int:
    """Make a server disconnect all clients and stop listening, or a client take its link down."""
    return _switch(path, "/disable")


@click.command()
@of_daemon
def reload(path: Path) -> int:
    """Make a server reload its configuration and files; this does not interrupt sessions.

    Exit status: 1 if anything is invalid; then nothing is changed.
    """
    answer = _ask_server(path, "POST", "/reload", NO_RELOAD)
    with understanding():
        changed, restart = ", ".join(answer["changed"]), ", ".join(answer["restart"])
        words = f"changed: {changed or 'nothing'}" + (f"; restart to apply: {restart}" if restart else "")
        # Older daemons do not send the message.
        message = str(answer.get("message", f"reloaded; {words}"))
    click.echo(printable(message))
    return 0


def _ask_server(path: Path, method: str, resource: str, unsuitable: str) -> Any:
    """Send a request that only a server answers; `unsuitable` completes the sentence about a client.

    Raises:
        AskError: The daemon did not answer, is a client, or rejected the request.
    """
    try:
        return ask(path, method, resource)
    except AskError as error:
        if error.code == HTTPStatus.NOT_FOUND and ask(path, "GET", "/status").get("role") != "server":
            raise AskError(f"{called(path) or 'the daemon'} is a client{unsuitable}") from error
        raise


def _switch(path: Path, resource: str) -> int:
    answer = ask(path, "POST", resource)
    with understanding():
        stage = tables.STAGES.get(answer.get("stage"))
        text = f"{called(path) or answer['role']}: {answer['state']}" + (f", {stage}" if stage else "")
    click.echo(printable(text))
    return 0


def _painted(shown: str, status: dict[str, Any]) -> str:
    """Return the status with the state coloured."""
    state = status["state"]
    return shown.replace(state, painted(state, "green" if working(status) else "red"), 1)
