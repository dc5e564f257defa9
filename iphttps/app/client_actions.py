"""What the requests to the control socket do to the client (3.1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, gatherResults

from ..core.client import ClientEvent, ClientState
from ..net.client import Client
from ..net.interfaces import PacketDevice
from .control import Asked, Route
from .status import Value, client_status


class ClientActions:
    """What can be asked of the client, and what it can be told; `addresses` returns those of its interface."""

    def __init__(
        self,
        client: Client,
        device: PacketDevice,
        settings: Value,
        addresses: Callable[[], Iterable[str]],
    ) -> None:
        self._client = client
        self._device = device
        self._settings = settings
        self._addresses = addresses

    def routes(self) -> Iterable[Route]:
        """Return the paths, and what is done for each."""
        return (
            Route("GET", "/status", self.status),
            Route("POST", "/enable", self.enable),
            Route("POST", "/disable", self.disable),
        )

    def status(self, asked: Asked) -> Value:
        """Tell what the client is and does."""
        now = self._client.clock.seconds()
        return client_status(self._client, self._settings, self._addresses(), self._device.counters, now)

    def enable(self, asked: Asked) -> Value:
        """Enable the client (3.1.4.1); that somebody asks for it is a condition for the link (3.1.3)."""
        if self._client.state is ClientState.DISABLED:
            self._client.handle(ClientEvent.ENABLE)
            self._client.handle(ClientEvent.PRECONDITION)
        return self.status(asked)

    def disable(self, asked: Asked) -> Deferred[Value]:
        """Take the link down and close the connection, in whatever state (3.1.4.2)."""
        self._client.handle(ClientEvent.DISABLE)
        # A Deferred of its own: others wait for the same end.
        return gatherResults([self._client.gone()]).addCallback(lambda result: self.status(asked))
