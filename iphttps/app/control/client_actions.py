"""The actions of the control socket for the client (3.1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv6Interface
from time import time

from twisted.internet.defer import Deferred, gatherResults

from ...net.client import Client
from ...net.connect_condition import ConnectCondition
from ...net.interfaces import PacketDevice
from .resource import Asked, Route
from .sstp_status import sstp_client_status
from .status import Now, Value, client_status


class ClientActions:
    """Queries and commands for the client; `link` returns the state of its interface on the host.

    `usable` returns the addresses of the interface without those for which Duplicate Address Detection is not over.

    `not_taken` returns a sentence for each file whose current content is not in use. `sstp` returns what an SSTP client
    has negotiated, None before there is anything; without it the client is one of IP-HTTPS.
    """

    def __init__(
        self,
        client: Client,
        precondition: ConnectCondition,
        device: PacketDevice,
        link: Callable[[], Value],
        not_taken: Callable[[], list[str]] = list,
        sstp: Callable[[], Value | None] | None = None,
        usable: Callable[[], Iterable[IPv4Interface | IPv6Interface]] | None = None,
    ) -> None:
        self._client = client
        self._precondition = precondition
        self._device = device
        self._link = link
        self._not_taken = not_taken
        self._sstp = sstp
        self._usable = usable

    def routes(self) -> Iterable[Route]:
        """Return the paths and their actions."""
        return (
            Route("GET", "/status", self.status),
            Route("POST", "/enable", self.enable),
            Route("POST", "/disable", self.disable),
        )

    def status(self, asked: Asked) -> Deferred[Value]:
        """Return the client's status, after measuring the round trip to its router."""
        return self._client.liveness.ask().addCallback(self._status)

    def _status(self, round_trip: float | None = None) -> Value:
        now = Now(self._client.clock.seconds(), time())
        waiting, link = self._precondition.waiting, self._link()
        counters, sentences = self._device.counters, self._not_taken()
        usable = self._usable() if self._usable else None
        status = client_status(self._client, waiting, link, counters, round_trip, now, sentences, usable)
        return sstp_client_status(status, self._sstp()) if self._sstp else status

    def enable(self, asked: Asked) -> Value:
        """Enable the client (3.1.4.1); the request satisfies the condition for the link (3.1.3)."""
        self._precondition.demand()
        return self._status()

    def disable(self, asked: Asked) -> Deferred[Value]:
        """Take the link down and close the connection, in any state (3.1.4.2)."""
        self._precondition.disable()
        # A separate Deferred, as the original one has other users.
        return gatherResults([self._client.gone()]).addCallback(lambda result: self._status())
