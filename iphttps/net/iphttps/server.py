"""The server: performs the commands of its state machine (3.2.1), which open and close the port, and end sessions."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ...core.errors import ConfigError
from ...core.iphttps.server import ServerCommand, ServerEvent, ServerMachine, ServerState
from ..listen.listener import Listener
from ..listen.service import Service
from ..log import logger

__all__ = ["Server"]

_REASONS = {
    ServerEvent.DISABLE: "server disabled",
    ServerEvent.AUTHENTICATION: "authentication mode changed",
    ServerEvent.SHUTDOWN: "server shutting down",
}


class Server:
    """The server: a `listener`, with IP-HTTPS as a `service` on its port, None if it serves only others.

    START and ENABLE enter the Listen state, SHUTDOWN the Stopped state.
    """

    log = logger()

    def __init__(self, clock: IReactorTime, listener: Listener, service: Service | None) -> None:
        self.clock = clock
        self.listener = listener
        self._service = service
        self._machine = ServerMachine()
        self.since = clock.seconds()
        """The time of the last state change."""

    def handle(self, event: ServerEvent) -> None:
        """Handle an event: perform the commands of the state machine.

        Raises:
            ConfigError: The server cannot listen; it stays in its state.
        """
        before = self._machine.state
        for command in self._machine.handle(event):
            match command:
                case ServerCommand.LISTEN:
                    self._listen_or_stay(before)
                case ServerCommand.STOP_LISTENING:
                    self.listener.stop()
                case ServerCommand.DISCONNECT_ALL:
                    # The mode concerns only IP-HTTPS (3.2.7.1); the other events close the port of all services.
                    of = self._service if event is ServerEvent.AUTHENTICATION else None
                    self.listener.disconnect(_REASONS[event], of)
        after = self._machine.state
        if after is not before:
            self.since = self.clock.seconds()
            self.log.info("{before} -> {after}", event="state-changed", before=before.name, after=after.name)

    @property
    def state(self) -> ServerState:
        """The state (3.2.1)."""
        return self._machine.state

    def _listen_or_stay(self, before: ServerState) -> None:
        try:
            self.listener.start()
        except ConfigError:
            self._machine.state = before
            raise

    def wait_closed(self) -> Deferred[None]:
        """Return a Deferred that fires when all present connections have ended and a stopped port is closed."""
        return self.listener.wait_closed()
