"""A server that a client connects to, and the order in which the client tries several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint

__all__ = ["Choice", "RemoteServer", "as_listed"]

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class RemoteServer(Generic[S]):
    """A server to connect to: its URI for display, its endpoint, and the session of its protocol.

    `session` makes the session of a new connection. `through` returns the proxy tried last, or None.
    """

    uri: str
    endpoint: IStreamClientEndpoint
    session: S
    through: Callable[[], str | None] = lambda: None


Choice = Callable[[Sequence[RemoteServer[S]]], Deferred[Sequence[RemoteServer[S]]]]
"""Returns the servers in the order in which to try them."""


def as_listed(servers: Sequence[RemoteServer[S]]) -> Deferred[Sequence[RemoteServer[S]]]:
    """Return the servers in the configured order."""
    return succeed(servers)
