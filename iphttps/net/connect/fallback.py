"""An endpoint that tries the proxies found for a server, or a direct connection, in order."""

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
    """An endpoint that tries several proxies in order; None in their list stands for a direct connection.

    `find` returns the list at each attempt, `through` the endpoint of the server through one of them. If all fail, the
    last failure counts, and `forget` is called to discard the list. `addresses` tracks the server's own addresses,
    for the direct connection.
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
        """The proxy tried last, None for a direct connection."""

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect a protocol of the factory; cancelling ends the whole attempt."""
        return _Attempt(self, protocolFactory).connected

    # Alternatives: for when a connection was made and the session did not open.

    def begin(self) -> None:
        """Begin a new attempt: proxies are found anew, and every address may be tried again."""
        self._next = ()
        self._addresses.begin()

    def using(self, address: IAddress | None) -> None:
        """Record the server's address, which is unknown behind a proxy."""
        self._addresses.using(address)

    @property
    def others(self) -> bool:
        """True if there is another address of the server or another proxy to try."""
        return bool(self._others) or self._another_address

    @property
    def _another_address(self) -> bool:
        return self.latest is None and self._addresses.others

    def strike(self) -> None:
        """Exclude the address in use, or, if there is no other address, the proxy in use."""
        if self._another_address:
            self._addresses.strike()
            self._next = (None, *self._others)
        else:
            self._next = self._others

    def lost(self) -> bool:
        """Put the address in use last in the next attempt, as its session has ended; return if there are others."""
        return self.latest is None and self._addresses.lost()

    # Methods for _Attempt.

    def find(self) -> Deferred[tuple[Proxy | None, ...]]:
        """Return the proxies left of the present attempt, or find them."""
        left, self._next = self._next, ()
        return succeed(left) if left else self._find()

    def endpoint(self, proxy: Proxy | None, others: Sequence[Proxy | None]) -> IStreamClientEndpoint:
        """Return the endpoint of the server through a proxy, and record it as the latest; `others` are left to try."""
        self.latest, self._others = proxy, tuple(others)
        return self._through(proxy)

    def all_failed(self) -> None:
        """Discard the list of proxies: none of them led to the server."""
        self._forget()


class _Attempt:
    """One attempt over all proxies in order; `connected` fires with its result, and cancelling it ends the attempt."""

    log = logger()

    def __init__(self, endpoint: FallbackEndpoint, factory: IProtocolFactory) -> None:
        self._endpoint = endpoint
        self._factory = factory
        self._given_up = False
        self.connected: Deferred[IProtocol] = Deferred(self._give_up)
        self._trying = endpoint.find().addCallback(self._try)
        self._trying.addBoth(self._end)

    def _try(self, proxies: Sequence[Proxy | None]) -> Deferred[IProtocol]:
        if self._given_up:  # a search that was cancelled may still complete
            return fail(CancelledError())
        proxy, *others = proxies
        attempt: Deferred[IProtocol] = self._endpoint.endpoint(proxy, others).connect(self._factory)
        return attempt.addErrback(self._failed, proxy, others)

    def _failed(self, failure: Failure, proxy: Proxy | None, others: Sequence[Proxy | None]) -> Deferred[IProtocol]:
        if self._given_up:  # not every cancelled Deferred fails with CancelledError
            return fail(failure)
        if not others:
            self._endpoint.all_failed()
            return fail(failure)
        self.log.warn(
            "{way}: {sentence}; trying the next",
            event="way-failed",
            way=_name(proxy),
            sentence=explain(failure).sentence,
        )
        return self._try(others)

    def _end(self, result: IProtocol | Failure) -> None:
        if not self.connected.called:
            self.connected.callback(result)

    def _give_up(self, connected: Deferred[IProtocol]) -> None:
        self._given_up = True
        self._trying.cancel()


def _name(proxy: Proxy | None) -> str:
    return f"proxy {proxy}" if proxy else "no proxy"
