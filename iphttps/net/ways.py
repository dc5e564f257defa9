"""The ways to a server: directly, or through one of the proxies that are found for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from ..core.proxy import Proxy
from .explain import explain
from .log import logger

Way = Proxy | None
"""A proxy, or None for the direct way."""


@implementer(IStreamClientEndpoint)
class Ways:
    """An endpoint that tries one way after the other, as `find` lists them at each attempt.

    `through` returns the endpoint of the server by a way. The failure of the last way is that of the whole; `forget` is
    called then, for what was found was of no use.
    """

    log = logger()

    def __init__(
        self,
        find: Callable[[], Deferred[tuple[Way, ...]]],
        through: Callable[[Way], IStreamClientEndpoint],
        forget: Callable[[], None],
    ) -> None:
        self._find = find
        self._through = through
        self._forget = forget
        self.latest: Way = None
        """The way that was tried last."""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; cancelling gives up the way that is being tried, and the others."""
        return self._find().addCallback(self._try, protocolFactory)

    def _try(self, ways: Sequence[Way], factory: IProtocolFactory) -> Deferred[IProtocol]:
        self.latest, *others = ways
        attempt: Deferred[IProtocol] = self._through(self.latest).connect(factory)
        return attempt.addErrback(self._failed, others, factory)

    def _failed(self, failure: Failure, others: Sequence[Way], factory: IProtocolFactory) -> Deferred[IProtocol]:
        if isinstance(failure.value, CancelledError | ConnectingCancelledError):
            raise failure.value
        if not others:
            self._forget()
            failure.raiseException()
        self.log.warn("{way}: {reason}; trying the next way", way=_name(self.latest), reason=explain(failure).sentence)
        return self._try(others, factory)


def _name(way: Way) -> str:
    return f"proxy {way}" if way else "no proxy"
