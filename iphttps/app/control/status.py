"""The status as plain values for JSON; docs/control.md documents them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any

from ... import __version__
from ...core.client import ClientState
from ...core.counters import Counters
from ...core.failure import FailureReason, Stage
from ...core.iphttps.clients import ClientEntry
from ...core.queues.rate import MaxRate
from ...core.sstp.sessions import SessionEntry
from ...net.client import Client
from ...net.iphttps.server import Server
from ...net.session import Session
from ...pki.verification import CheckedConnection
from ..daemon.watch.interface_keeper import Change
from .times import iso

Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Now:
    """The current time, by the reactor's monotonic clock and by the wall clock (seconds since 1970).

    Events are stored by the monotonic clock, and shown by the current wall clock, even if it was wrong at the time.
    """

    steady: float
    day: float

    def seconds(self, then: float) -> float:
        """Return the age of an event in seconds; negative if it lies in the future."""
        return self.steady - then

    def told(self, then: float) -> str:
        """Return the wall clock time of an event."""
        return iso(self.day - self.seconds(then))


def server_status(
    server: Server,
    settings: Value,
    iphttps: Value | None,
    sstp: Value | None,
    now: Now,
    not_taken: Iterable[str] = (),
) -> Value:
    """Return the status of the server; `settings` are the values from the options and the mode.

    `iphttps` and `sstp` are the parts of the two protocols, None for one that is not served. `not_taken` has a sentence
    for each file whose current content is not in use.
    """
    return {
        "role": "server",
        "version": __version__,
        "state": server.state.name,
        **_since(server.since, now),
        **settings,
        "not_taken": list(not_taken),
        "clients": iphttps and iphttps["clients"],
        "counters": iphttps and iphttps["counters"],
        "sstp": sstp,
    }


def client_status(
    client: Client,
    waiting: str | None,
    link: Value,
    device: Counters,
    round_trip: float | None,
    now: Now,
    not_taken: Iterable[str] = (),
    usable: Iterable[IPv4Interface | IPv6Interface] | None = None,
) -> Value:
    """Return the status of an IP-HTTPS client.

    `waiting` is the reason why it does not connect yet, `link` the state of its interface on the host, and `round_trip`
    the round trip to the router in seconds, if known. `not_taken` has a sentence for each file whose current content is
    not in use. `usable` are the addresses that can be used; None for all.
    """
    tunnel, failure, attempt = client.tunnel, client.last_failure, client.next_attempt
    router = client.liveness.router
    if usable is None:
        usable = [ip_interface(address) for address in link["addresses"]]
    stage = _stage(client, usable)
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
            "address": str(ip_address(router)),
            "round_trip": None if round_trip is None else round(round_trip, 6),
        },
        "not_taken": list(not_taken),
        "last_failure": failure and trouble(*failure, now),
        "next_attempt": attempt and _moment(attempt, now, -now.seconds(attempt)),
        "tls": tunnel and tls(tunnel.tls),
        "counters": {"device": counters(device), "session": tunnel and counters(tunnel.counters)},
    }


def crl_not_taken(problem: str) -> str:
    """Return the sentence for a file of revocation lists that could not be loaded."""
    return f"revocation list not loaded: {problem}; the previous one stays in force"


def configuration_not_taken(problem: str) -> str:
    """Return the sentence for a configuration that could not be reloaded."""
    return f"configuration not reloaded: {problem}; the previous one stays in force"


def certificate_not_taken(problem: str) -> str:
    """Return the sentence for a certificate or key of the server that could not be loaded."""
    return f"certificate not loaded: {problem}; the previous one stays in force"


def users_not_taken(problem: str) -> str:
    """Return the sentence for a users file that could not be loaded."""
    return f"users not loaded: {problem}; the previous ones stay in force"


def interface_change(change: Change, now: Now) -> Value:
    """Return a change of the interface by another program, its time, and whether it was reverted."""
    return {
        "change": change.sentence,
        "put_right": change.put_right,
        **_moment(change.time, now, now.seconds(change.time)),
    }


def _stage(client: Client, addresses: Iterable[IPv4Interface | IPv6Interface]) -> Stage | None:
    """Return the step that the client is at or waits for, or None."""
    match client.state:
        case ClientState.LINK_DOWN if client.next_attempt is None:
            return Stage.CONNECT
        case ClientState.ESTABLISHED:
            return client.tunnel.stage if client.tunnel else Stage.HTTP
        case ClientState.LINK_UP if client.liveness.router is None:
            return Stage.ROUTER
        case ClientState.LINK_UP if all(address.is_link_local for address in addresses):
            return Stage.ADDRESS
        case _:
            return None


def trouble(found: FailureReason, uri: str, then: float, now: Now) -> Value:
    """Return why and when an attempt or a session ended, and with which server."""
    reason = {"stage": found.stage.value, "reason": found.sentence, "code": found.code, "uri": uri}
    return reason | _moment(then, now, now.seconds(then))


def client_entry(
    entry: ClientEntry | SessionEntry,
    protocol: str,
    identity: object | None,
    addresses: Iterable[str],
    limit: MaxRate,
    now: Now,
) -> Value:
    """Return the status of one of the server's clients; `limit` is the maximum rate of its identity."""
    connection = entry.connection
    return {
        "number": entry.number,
        "protocol": protocol,
        "peer": entry.peer,
        "identity": None if identity is None else str(identity),
        **_since(entry.since, now),
        "addresses": list(addresses),
        "tls": tls(connection.tls) if isinstance(connection, Session) else None,
        "max_rate": max_rate(limit),
        "counters": counters(entry.counters),
    }


def max_rate(limit: MaxRate) -> Value | None:
    """Return a maximum rate, in bits per second from and to the clients; None without a limit."""
    return {"in": limit.up or None, "out": limit.down or None} if limit else None


def counters(counted: Counters) -> Value:
    """Return the counters; drop reasons without drops are omitted."""
    return {
        "packets_in": counted.packets_in,
        "bytes_in": counted.bytes_in,
        "packets_out": counted.packets_out,
        "bytes_out": counted.bytes_out,
        "drops": {reason.name.lower(): number for reason, number in counted.drops.items() if number},
        "marked": counted.marked,
    }


def tls(connection: CheckedConnection | None) -> Value | None:
    """Return the negotiated TLS version and cipher, or None without TLS or before the handshake has ended."""
    cipher = connection and connection.get_cipher_name()
    if not connection or not cipher:
        return None
    return {"version": connection.get_protocol_version_name(), "cipher": cipher}


def _since(then: float, now: Now) -> Value:
    return {"since": now.told(then), "seconds": _seconds(now.seconds(then))}


def _moment(then: float, now: Now, distance: float) -> Value:
    return {"time": now.told(then), "seconds": _seconds(distance)}


def _seconds(distance: float) -> float:
    # An attempt that is due may be slightly late, which makes the distance negative.
    return round(max(distance, 0.0), 1)
