"""A server that the client connects to, and the order in which it tries several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint

from ...core.iphttps.client_handshake import ClientHandshake


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """A server to connect to: its URI for people, the way to it, and what is said to it first.

    `through` names the proxy on the way that was tried last, if there is one.
    """

    uri: str
    endpoint: IStreamClientEndpoint
    handshake: Callable[[], ClientHandshake]
    through: Callable[[], str | None] = lambda: None


Choice = Callable[[Sequence[RemoteServer]], Deferred[Sequence[RemoteServer]]]
"""In which order to try the servers."""


def as_listed(servers: Sequence[RemoteServer]) -> Deferred[Sequence[RemoteServer]]:
    """Try the servers in the order in which the operator has listed them."""
    return succeed(servers)
