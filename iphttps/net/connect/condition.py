"""The condition under which the client connects: the initialization preconditions of 3.1.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from ...core.iphttps.client import ClientEvent, ClientState
from ..explain import explain
from ..iphttps.client import Client
from ..log import logger

RECHECK_INTERVAL = 60.0
"""Seconds between two checks of a condition that is not met."""

Condition = Callable[[], Deferred[bool]]
"""A function that finds out whether the tunnel is needed."""


def always() -> Deferred[bool]:
    """Return true: the administrator's policy is to have the link always."""
    return succeed(True)


class FirewallCondition:
    """The condition that a firewall blocks the client: a host that is reachable without it does not answer.

    `direct` is a TCP endpoint of that host.
    """

    log = logger()

    def __init__(self, direct: IStreamClientEndpoint, name: str) -> None:
        self._direct = direct
        self._name = name

    def __call__(self) -> Deferred[bool]:
        """Connect to the host; fire with true if that fails."""
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        attempt = cast("Deferred[Protocol]", self._direct.connect(factory))
        return attempt.addCallbacks(self._reached, self._not_reached)

    def _reached(self, protocol: Protocol) -> bool:
        cast(ITCPTransport, protocol.transport).loseConnection()
        self.log.info("{name} is reachable directly: no tunnel is needed", event="not-needed", name=self._name)
        return False

    def _not_reached(self, failure: Failure) -> bool:
        self.log.info(
            "{name} is not reachable directly: {sentence}",
            event="needed",
            name=self._name,
            sentence=explain(failure).sentence,
        )
        return True


class ConnectCondition:
    """Enables the client, and makes it connect when the condition is met; without a condition, when the user asks."""

    log = logger()

    def __init__(self, clock: IReactorTime, client: Client, needed: Condition | None, unmet: str = "") -> None:
        """Check the condition `needed` by `clock`; `unmet` says in status and log what the client waits for."""
        self._clock = clock
        self._client = client
        self._needed = needed
        self._unmet = unmet
        self._looking: Deferred[bool] | None = None
        self._again: IDelayedCall | None = None

    @property
    def waiting(self) -> str | None:
        """What the client waits for before it connects, or None."""
        return self._unmet if self._client.state is ClientState.ENABLED else None

    @property
    def looking(self) -> bool:
        """Whether a check of the condition is in progress."""
        return self._looking is not None and not self._looking.called

    def enable(self) -> None:
        """Enable the client (3.1.4.1), and check the condition."""
        self._client.handle(ClientEvent.ENABLE)
        if self._needed is None:
            self.log.info("not connecting: {sentence}", event="not-connecting", sentence=self._unmet)
        self.look()

    def look(self) -> None:
        """Check the condition if the client waits for it; if it is not met, again after `RECHECK_INTERVAL` seconds."""
        self.stop()
        if self._needed and self._client.state is ClientState.ENABLED:
            self._looking = looking = self._needed()
            looking.addCallbacks(self._found, self._not_found, callbackArgs=(looking,), errbackArgs=(looking,))

    def _found(self, needed: bool, looking: Deferred[bool]) -> None:
        if looking is not self._looking:  # stopped: a cancelled connection attempt looks like a failure
            return
        if needed:
            self.demand()
        else:
            self._again = self._clock.callLater(RECHECK_INTERVAL, self.look)

    def _not_found(self, failure: Failure, looking: Deferred[bool]) -> None:
        if looking is self._looking:
            sentence = explain(failure).sentence
            self.log.warn(
                "cannot find out whether the tunnel is needed: {sentence}", event="need-unknown", sentence=sentence
            )
            self._again = self._clock.callLater(RECHECK_INTERVAL, self.look)

    def demand(self) -> None:
        """Connect because the user asks for the tunnel, whatever the condition."""
        self.stop()
        if self._client.state is ClientState.DISABLED:
            self._client.handle(ClientEvent.ENABLE)
        if self._client.state is ClientState.ENABLED:
            self._client.handle(ClientEvent.PRECONDITION)

    def disable(self, why: str = "the client is disabled") -> None:
        """Disable the client in any state (3.1.4.2); `why` is the reason for the log."""
        self.stop()
        self._client.disable(why)

    def network_changed(self, *, address_gone: bool = False) -> None:
        """React to a change of the underlying network: check the condition again, or tell the client."""
        if self._client.state is ClientState.ENABLED:
            self.look()
        else:
            self._client.network_changed(address_gone=address_gone)

    def stop(self) -> None:
        """Stop checking the condition."""
        if self._again and self._again.active():
            self._again.cancel()
        looking, self._looking = self._looking, None
        if looking:
            looking.cancel()
