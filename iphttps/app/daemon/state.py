"""What a daemon is at, in one line, and whether it has come up: for who starts it and waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...core.identity import printable
from ...core.iphttps.client import ClientState
from ...core.iphttps.server import ServerState
from ...net.iphttps.client import Client
from ...net.iphttps.server import Server


@dataclass(frozen=True, slots=True)
class DaemonState:
    """Whether a daemon has come up as far as it can for now, and a line for people."""

    up: bool
    text: str


def of_server(server: Server, uri: str, troubles: Iterable[str] = ()) -> DaemonState:
    """Return the condition of a server: it is up when it listens. `troubles` are sentences about what is wrong."""
    if server.state is not ServerState.LISTEN:
        return DaemonState(up=True, text=f"{server.state.name}: `iphttps enable` has it listen")
    clients = len(server.service.table)
    text = f"listening at {uri}; {clients} {'client' if clients == 1 else 'clients'}"
    return DaemonState(up=True, text=printable("; ".join((text, *troubles))))


def of_client(
    client: Client,
    *,
    looking: bool,
    waiting: str | None,
    used: bool,
    obstacle: str | None,
    troubles: Iterable[str] = (),
) -> DaemonState:
    """Return the condition of a client.

    It is up when its link has an address; but also as soon as there is nothing to wait for, because an attempt has
    failed or none is wanted: `waiting` says why, unless the client is still `looking` whether one is. Nor does an
    address come while there is an `obstacle` on the host. `troubles` are sentences about what is wrong.
    """
    match client.state:
        case ClientState.LINK_UP:
            text = f"link up to {client.server.uri}" + (
                "" if used else f": {obstacle}" if obstacle else ", no address yet"
            )
            return DaemonState(used or obstacle is not None, printable("; ".join((text, *troubles))))
        case ClientState.DISABLED:
            return DaemonState(up=True, text="DISABLED: connect with `iphttps enable`")
        case ClientState.ENABLED:
            return DaemonState(not looking, printable(f"not connected: {waiting}"))
        case _ if client.last_failure:
            trouble, uri, _ = client.last_failure
            then = "; waiting for the next attempt" if client.next_attempt else f"; connecting to {client.server.uri}"
            return DaemonState(up=True, text=printable(f"{uri}: {trouble.sentence}{then}"))
        case _:
            return DaemonState(up=False, text=printable(f"connecting to {client.server.uri}"))
