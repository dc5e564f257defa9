"""Conditions under which a client needs its tunnel ([MS-IPHTTPS] 3.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from ..explain import explain
from ..log import logger

Condition = Callable[[], Deferred[bool]]
"""A function that finds out whether the tunnel is needed."""


def always() -> Deferred[bool]:
    """Return true: the administrator's policy is to connect always."""
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
