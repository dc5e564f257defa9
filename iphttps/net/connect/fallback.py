"""The ways to a server: directly, or through one of the proxies that are found for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from ...core.proxy.url import Proxy
from ..explain import explain
from ..log import logger
from .addresses import Addresses
from .alternatives import Alternatives


@implementer(IStreamClientEndpoint)
class FallbackEndpoint(Alternatives):
    """An endpoint that tries one way after the other, as `find` lists them at each attempt.

    `through` returns the endpoint of the server by a way. The failure of the last way is that of the whole; `forget` is
    called then, for what was found was of no use. `addresses` are the server's, for the direct way.
    """

    def __init__(
        self,
        find: Callable[[], Deferred[tuple[Proxy | None, ...]]],
        through: Callable[[Proxy | None], IStreamClientEndpoint],
        forget: Callable[[], None],
        addresses: Addresses | None = None,
    ) -> None:
        self._find = find
        self._through = through
        self._forget = forget
        self._addresses = addresses or Addresses()
        self._others: tuple[Proxy | None, ...] = ()
        self._next: tuple[Proxy | None, ...] = ()
        self.latest: Proxy | None = None
        """The way that was tried last."""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect; cancelling gives up the way that is being tried, and the others."""
        return _Attempt(self, protocolFactory).connected

    # The alternatives, where a way has led to the server and the session did not open there.

    def begin(self) -> None:
        """Begin a new attempt: the ways are found anew, and every address may be tried."""
        self._next = ()
        self._addresses.begin()

    def using(self, address: IAddress | None) -> None:
        """Take note of the server's address; by a proxy it is unknown."""
        self._addresses.using(address)

    @property
    def others(self) -> bool:
        """Whether there is another address of the server, or another way to it."""
        return bool(self._others) or self._another_address

    @property
    def _another_address(self) -> bool:
        return self.latest is None and self._addresses.others

    def strike(self) -> None:
        """Leave out the address in use, or, if there is no other, the way in use."""
        if self._another_address:
            self._addresses.strike()
            self._next = (None, *self._others)
        else:
            self._next = self._others

    # What an attempt needs.

    def find(self) -> Deferred[tuple[Proxy | None, ...]]:
        """Return the ways that there are now, or those that are left."""
        left, self._next = self._next, ()
        return succeed(left) if left else self._find()

    def endpoint(self, way: Proxy | None, others: Sequence[Proxy | None]) -> IStreamClientEndpoint:
        """Return the endpoint of the server by a way, which is then the latest; `others` are left after it."""
        self.latest, self._others = way, tuple(others)
        return self._through(way)

    def in_vain(self) -> None:
        """Forget the ways: none of them led to the server."""
        self._forget()


class _Attempt:
    """One attempt, over one way after the other; `connected` fires at its end, and cancelled ends it."""

    log = logger()

    def __init__(self, ways: FallbackEndpoint, factory: IProtocolFactory) -> None:
        self._ways = ways
        self._factory = factory
        self._given_up = False
        self.connected: Deferred[IProtocol] = Deferred(self._give_up)
        self._trying = ways.find().addCallback(self._try)
        self._trying.addBoth(self._end)

    def _try(self, ways: Sequence[Proxy | None]) -> Deferred[IProtocol]:
        if self._given_up:  # a search may go on to its end, although it was cancelled
            return fail(CancelledError())
        way, *others = ways
        attempt: Deferred[IProtocol] = self._ways.endpoint(way, others).connect(self._factory)
        return attempt.addErrback(self._failed, way, others)

    def _failed(self, failure: Failure, way: Proxy | None, others: Sequence[Proxy | None]) -> Deferred[IProtocol]:
        if self._given_up:  # which not everything that is cancelled calls by this name
            return fail(failure)
        if not others:
            self._ways.in_vain()
            return fail(failure)
        self.log.warn(
            "{way}: {sentence}; trying the next way",
            event="way-failed",
            way=_name(way),
            sentence=explain(failure).sentence,
        )
        return self._try(others)

    def _end(self, result: IProtocol | Failure) -> None:
        if not self.connected.called:
            self.connected.callback(result)

    def _give_up(self, connected: Deferred[IProtocol]) -> None:
        self._given_up = True
        self._trying.cancel()


def _name(way: Proxy | None) -> str:
    return f"proxy {way}" if way else "no proxy"
