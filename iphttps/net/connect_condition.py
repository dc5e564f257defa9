"""Connects the client once its condition for initialization is met ([MS-IPHTTPS] 3.1.3)."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from ..core.client import ClientEvent, ClientState
from .client import Client
from .connect.condition import Condition
from .explain import explain
from .log import logger

RECHECK_INTERVAL = 60.0
"""Seconds after which an unmet condition is checked again."""


class ConnectCondition:
    """Enables the client, and lets it connect when the condition is met.

    Without a condition, the client connects only on the user's request.
    """

    log = logger()

    def __init__(self, clock: IReactorTime, client: Client, needed: Condition | None, unmet: str = "") -> None:
        """`unmet` is the reason reported while the condition is not met."""
        self._clock = clock
        self._client = client
        self._needed = needed
        self._unmet = unmet
        self._looking: Deferred[bool] | None = None
        self._again: IDelayedCall | None = None

    @property
    def waiting(self) -> str | None:
        """The reason why the client does not connect, or None."""
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
        """Check the condition if the client waits for it; repeat after RECHECK_INTERVAL while it is not met."""
        self.stop()
        if self._needed and self._client.state is ClientState.ENABLED:
            self._looking = looking = self._needed()
            looking.addCallbacks(self._found, self._not_found, callbackArgs=(looking,), errbackArgs=(looking,))

    def _found(self, needed: bool, looking: Deferred[bool]) -> None:
        if looking is not self._looking:  # cancelled; FirewallCondition reports this like an unreachable host
            return
        if needed:
            self.demand()
        else:
            self._again = self._clock.callLater(RECHECK_INTERVAL, self.look)

    def _not_found(self, failure: Failure, looking: Deferred[bool]) -> None:
        if looking is self._looking:
            sentence = explain(failure).sentence
            self.log.warn(
                "cannot determine whether the tunnel is needed: {sentence}", event="need-unknown", sentence=sentence
            )
            self._again = self._clock.callLater(RECHECK_INTERVAL, self.look)

    def demand(self) -> None:
        """Connect on the user's request, which meets the condition."""
        self.stop()
        if self._client.state is ClientState.DISABLED:
            self._client.handle(ClientEvent.ENABLE)
        if self._client.state is ClientState.ENABLED:
            self._client.handle(ClientEvent.PRECONDITION)

    def disable(self, why: str = "client disabled") -> None:
        """Disable the client in any state (3.1.4.2); `why` is the reason in the log."""
        self.stop()
        self._client.disable(why)

    def network_changed(self, *, address_gone: bool = False) -> None:
        """Check the condition again after a change of the underlying network, or pass the change to the client."""
        if self._client.state is ClientState.ENABLED:
            self.look()
        else:
            self._client.network_changed(address_gone=address_gone)

    def stop(self) -> None:
        """Stop checking."""
        if self._again and self._again.active():
            self._again.cancel()
        looking, self._looking = self._looking, None
        if looking:
            looking.cancel()
