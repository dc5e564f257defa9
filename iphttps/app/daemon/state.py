"""The state of a daemon in one line of text, and whether it is up, for the service manager and `iphttps up`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...core.client import ClientState
from ...core.identity import printable
from ...core.iphttps.server import ServerState
from ...net.client import Client
from ...net.iphttps.server import Server


@dataclass(frozen=True, slots=True)
class DaemonState:
    """Whether a daemon is up as far as it can be for now, and one line of text."""

    up: bool
    text: str


def of_server(server: Server, uri: str, clients: int, troubles: Iterable[str] = ()) -> DaemonState:
    """Return the state of a server, always up once started, and the number of its clients.

    `troubles` are sentences that report problems.
    """
    if server.state is not ServerState.LISTEN:
        return DaemonState(up=True, text=f"{server.state.name}: start listening with `iphttps enable`")
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
    """Return the state of a client.

    It is up when its link has an address. It also counts as up when there is nothing to wait for: an attempt has
    failed, an `obstacle` on the host prevents an address, or the client does not connect for the reason in `waiting`.
    While it is still `looking` whether to connect, it is not up. `troubles` are sentences that report problems.
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
