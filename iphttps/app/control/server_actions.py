"""The actions of the control socket for the server (3.2.4, 3.2.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from time import time

from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred

from ...core.iphttps.authentication import AuthenticationMode
from ...core.iphttps.server import ServerEvent, ServerState
from ...net.iphttps.server import Server
from ..config.reload import Changes
from .rates import Rates
from .resource import Asked, Refusal, Route
from .served import Client, Served
from .status import Now, Value, server_status

BY_OPERATOR = "disconnected by the operator"


class ServerActions:
    """Queries and commands for the server, and for the protocols that it serves.

    `rates` has those of the clients. `settings` returns the part of the status that reflects the options in force.
    `change_mode` ends every session and applies a new Authentication Mode; `reload` reads the configuration again; both
    raise ConfigError and then change nothing. `not_taken` returns a sentence for each file whose current content is not
    in use.
    """

    def __init__(
        self,
        server: Server,
        iphttps: Served | None,
        sstp: Served | None,
        rates: Rates,
        settings: Callable[[], Value],
        change_mode: Callable[[AuthenticationMode], None],
        reload: Callable[[], Changes],
        not_taken: Callable[[], list[str]] = list,
    ) -> None:
        self._server = server
        self._iphttps = iphttps
        self._sstp = sstp
        self._rates = rates
        self._settings = settings
        self._change_mode = change_mode
        self._reload = reload
        self._not_taken = not_taken
        # One change at a time: a disabled server must have closed its port before it listens again.
        self._changing = DeferredLock()

    def routes(self) -> Iterable[Route]:
        """Return the paths and their actions."""
        return (
            Route("GET", "/status", self.status),
            Route("GET", "/clients", self.clients),
            Route("POST", "/clients/*/disconnect", self.disconnect),
            Route("POST", "/enable", self._one_by_one(self._with_status(self.enable))),
            Route("POST", "/disable", self._one_by_one(self._with_status(self.disable))),
            Route("POST", "/authentication", self._one_by_one(self._with_status(self.authentication))),
            Route("POST", "/reload", self._one_by_one(self.reload)),
        )

    def _one_by_one(self, change: Callable[[Asked], object]) -> Callable[[Asked], object]:
        """Wrap a change so that it waits for earlier ones, and is rejected if the server is shutting down."""

        def in_turn(asked: Asked) -> object:
            if self._server.state is ServerState.STOPPED:
                raise Refusal(HTTPStatus.CONFLICT, "the server is shutting down")
            return change(asked)

        return lambda asked: self._changing.run(in_turn, asked)

    def _with_status(self, change: Callable[[Asked], object]) -> Callable[[Asked], object]:
        """Wrap a change so that its answer is the resulting status."""
        return lambda asked: maybeDeferred(change, asked).addCallback(lambda result: self.status())

    def status(self, asked: Asked = Asked()) -> Value:  # noqa: B008  # frozen
        """Return the server's status."""
        iphttps = self._iphttps.status() if self._iphttps else None
        sstp = self._sstp.status() if self._sstp else None
        return server_status(self._server, self._settings(), iphttps, sstp, self._now(), self._not_taken())

    def clients(self, asked: Asked) -> Value:
        """Return the connected clients."""
        now = self._now()
        return {"clients": [self._told(client, now) for client in self._clients()]}

    def _told(self, client: Client, now: Now) -> Value:
        return client.told(now) | {"rates": self._rates.of(client)}

    def _clients(self) -> list[Client]:
        """Return the clients of both protocols, in the order in which they connected."""
        clients = [client for served in (self._iphttps, self._sstp) if served for client in served.clients()]
        return sorted(clients, key=lambda client: client.number)

    def _now(self) -> Now:
        return Now(self._server.clock.seconds(), time())

    def disconnect(self, asked: Asked) -> Value:
        """End a client's session; the client may reconnect."""
        (word,) = asked.words
        clients = self._clients()
        for client in clients:
            if str(client.number) == word:
                last = self._told(client, self._now())
                client.disconnect(BY_OPERATOR)
                return last
        numbers = ", ".join(str(client.number) for client in clients)
        there = f"connected clients: {numbers}" if numbers else "no client is connected"
        raise Refusal(HTTPStatus.NOT_FOUND, f"no client with ID {word}; {there}")

    def reload(self, asked: Asked) -> Value:
        """Reload the configuration and its files; return what changed and what needs a restart."""
        changes = self._reload()
        return {"changed": list(changes.now), "restart": list(changes.restart), "message": f"reloaded; {changes}"}

    def enable(self, asked: Asked) -> None:
        """Start listening (3.2.4.1)."""
        self._server.handle(ServerEvent.ENABLE)

    def disable(self, asked: Asked) -> Deferred[None]:
        """Disconnect all clients and stop listening (3.2.4.2)."""
        self._server.handle(ServerEvent.DISABLE)
        return self._server.wait_closed()

    def authentication(self, asked: Asked) -> Deferred[None] | None:
        """Change the Authentication Mode, which ends every session (3.2.7.1)."""
        mode = AuthenticationMode(asked.member("mode", [mode.value for mode in AuthenticationMode]))
        if mode.value == self._settings()["authentication"]:
            return None
        self._change_mode(mode)
        return self._server.wait_closed()
