"""What status shows, as plain values that become JSON; docs/control.md says what each is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv6Address, IPv6Interface
from typing import Any

from ... import __version__
from ...core.counters import Counters
from ...core.failure import FailureReason, Stage
from ...core.iphttps.client import ClientState
from ...core.iphttps.clients import ClientEntry
from ...net.iphttps.client import Client
from ...net.iphttps.server import Server
from ...net.session import Session
from ...pki.verification import CheckedConnection
from ..daemon.interface_keeper import Change

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Now:
    """This moment, by the reactor's clock and by the time of day (seconds since 1970).

    What happened is stored by the reactor's clock, which nobody sets; people are told when that was by the time of day
    as it is now, even if it was wrong then.
    """

    steady: float
    day: float

    def seconds(self, then: float) -> float:
        """Return how many seconds ago something was, negative if it is to come."""
        return self.steady - then

    def told(self, then: float) -> str:
        """Write when something was or will be."""
        return iso(self.day - self.seconds(then))


def server_status(
    server: Server, settings: Value, device: Counters, link: Counters, now: Now, not_taken: Iterable[str] = ()
) -> Value:
    """Return the status of the server; `settings` are those that the options and the mode make.

    `not_taken` has a sentence for each file whose content is not in force.
    """
    return {
        "role": "server",
        "version": __version__,
        "state": server.state.name,
        **_since(server.since, now),
        **settings,
        "not_taken": list(not_taken),
        "clients": {"now": len(server.service.table), "maximum": server.service.table.maximum},
        "counters": {"device": counters(device), "link": counters(link)},
    }


def client_status(
    client: Client,
    waiting: str | None,
    link: Value,
    device: Counters,
    round_trip: float | None,
    now: Now,
    not_taken: Iterable[str] = (),
) -> Value:
    """Return the status of the client daemon.

    `waiting` says what it waits for before it connects at all, `link` is what the host has of it, and `round_trip` how
    many seconds away the router is, if that is known. `not_taken` has a sentence for each file whose content is not in
    force.
    """
    tunnel, failure, attempt = client.tunnel, client.last_failure, client.next_attempt
    router = client.liveness.router
    stage = _stage(client, [IPv6Interface(address) for address in link["addresses"]])
    return {
        "role": "client",
        "version": __version__,
        "state": client.state.name,
        **_since(client.since, now),
        "waiting": waiting,
        "stage": stage and stage.value,
        "uri": client.server.uri,
        "proxy": client.server.through(),
        **link,
        "router": router
        and {
            "address": str(IPv6Address(router)),
            "round_trip": None if round_trip is None else round(round_trip, 6),
        },
        "not_taken": list(not_taken),
        "last_failure": failure and trouble(*failure, now),
        "next_attempt": attempt and _moment(attempt, now, -now.seconds(attempt)),
        "tls": tunnel and tls(tunnel.tls),
        "counters": {"device": counters(device), "session": tunnel and counters(tunnel.counters)},
    }


def crl_not_taken(problem: str) -> str:
    """Say that a file of revocation lists is not in force, for a reason."""
    return f"revocation list not taken: {problem}; the one read before stays in force"


def certificate_not_taken(problem: str) -> str:
    """Say that the server's certificate or its key is not in force, for a reason."""
    return f"certificate not taken: {problem}; the one read before stays in force"


def interface_change(change: Change, now: Now) -> Value:
    """Return what another program has changed of the interface, when, and whether it has been put right."""
    return {
        "change": change.sentence,
        "put_right": change.put_right,
        **_moment(change.time, now, now.seconds(change.time)),
    }


def _stage(client: Client, addresses: Iterable[IPv6Interface]) -> Stage | None:
    """Return what the client is at, or waits for; None if there is nothing more to wait for, or nothing to be done."""
    match client.state:
        case ClientState.LINK_DOWN if client.next_attempt is None:
            return Stage.CONNECT
        case ClientState.ESTABLISHED:
            return Stage.HTTP
        case ClientState.LINK_UP if client.liveness.router is None:
            return Stage.ROUTER
        case ClientState.LINK_UP if all(address.is_link_local for address in addresses):
            return Stage.ADDRESS
        case _:
            return None


def trouble(found: FailureReason, uri: str, then: float, now: Now) -> Value:
    """Return why an attempt or a session has ended, with which server, and when."""
    reason = {"stage": found.stage.value, "reason": found.sentence, "code": found.code, "uri": uri}
    return reason | _moment(then, now, now.seconds(then))


def client_entry(entry: ClientEntry, addresses: Iterable[bytes], now: Now) -> Value:
    """Return what is known of one of the server's clients."""
    connection = entry.connection
    return {
        "number": entry.number,
        "peer": entry.peer,
        "identity": None if entry.identity is None else str(entry.identity),
        **_since(entry.since, now),
        "addresses": [str(IPv6Address(address)) for address in addresses],
        "tls": tls(connection.tls) if isinstance(connection, Session) else None,
        "counters": counters(entry.counters),
    }


def counters(counted: Counters) -> Value:
    """Return what was counted; a reason for which nothing was dropped is left out."""
    return {
        "packets_in": counted.packets_in,
        "bytes_in": counted.bytes_in,
        "packets_out": counted.packets_out,
        "bytes_out": counted.bytes_out,
        "drops": {reason.name.lower(): number for reason, number in counted.drops.items() if number},
    }


def tls(connection: CheckedConnection | None) -> Value | None:
    """Return what the TLS handshake came to, or None without TLS or before its end."""
    cipher = connection and connection.get_cipher_name()
    if not connection or not cipher:
        return None
    return {"version": connection.get_protocol_version_name(), "cipher": cipher}


def _since(then: float, now: Now) -> Value:
    return {"since": now.told(then), "seconds": _seconds(now.seconds(then))}


def _moment(then: float, now: Now, distance: float) -> Value:
    return {"time": now.told(then), "seconds": _seconds(distance)}


def iso(then: float) -> str:
    """Write a moment, given in seconds since 1970, as JSON has it."""
    return datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(distance: float) -> float:
    # An attempt that is due this very moment may be a little late.
    return round(max(distance, 0.0), 1)
