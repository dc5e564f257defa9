"""The addresses of a host name: the order of connection attempts, and the addresses that have already failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IResolutionReceiver,
)
from zope.interface import implementer

from .alternatives import Alternatives


class Addresses(Alternatives):
    """The resolved addresses of one name during one attempt, without those that failed."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._struck: set[str] = set()
        self._used: str | None = None
        self._lost: str | None = None
        """The address whose session has just ended."""
        self._last: str | None = None
        """The address to try last in this attempt."""

    def begin(self) -> None:
        """Begin a new attempt: every address may be tried again, but last the one whose session has just ended."""
        self._last, self._lost = self._lost, None
        self._found.clear()
        self._struck.clear()
        self._used = None

    def using(self, address: IAddress | None) -> None:
        """Record the address of the present connection, None if unknown."""
        self._used = _host(address) if address else None

    @property
    def others(self) -> bool:
        """True if there is an untried address besides the one in use."""
        return any(host not in self._struck and host != self._used for host in self._found)

    def strike(self) -> None:
        """Exclude the address in use from this attempt."""
        if self._used:
            self._struck.add(self._used)

    def lost(self) -> bool:
        """Put the address in use last in the next attempt, as its session has ended; return if there are others."""
        self._lost = self._used
        return any(host != self._used for host in self._found)

    def chosen(self, found: Sequence[IAddress]) -> list[IAddress]:
        """Return the addresses to try, in the resolver's order (RFC 6724) but with the address families interleaved.

        RFC 8305 section 4: a family that is broken as a whole then delays the connection by only one address. The
        address whose session has just ended comes last.
        """
        families: dict[type, list[IAddress]] = {}
        for address in dict.fromkeys(found):
            families.setdefault(type(address), []).append(address)
        ordered = sorted(
            (address for family in families.values() for address in family),
            key=lambda address: families[type(address)].index(address),  # a stable sort: keeps the order of families
        )
        ordered.sort(key=lambda address: _host(address) == self._last)
        self._found = [_host(address) for address in ordered]
        return [address for address in ordered if _host(address) not in self._struck]


def _host(address: IAddress) -> str:
    return cast(IPv4Address | IPv6Address, address).host


Resolved = Callable[[str, Sequence[str]], None]
"""A function that is told the addresses of a name, none if it was not resolved."""


def nobody(name: str, addresses: Sequence[str]) -> None:
    """Do nothing: nobody wants to know the addresses."""


def name_endpoint(
    reactor: object,
    host: str,
    port: int,
    timeout: float,
    addresses: Addresses | None = None,
    resolved: Resolved = nobody,
) -> HostnameEndpoint:
    """Return a TCP endpoint for a host name, with Happy Eyeballs (RFC 8305); it skips the excluded addresses.

    `timeout` is in seconds, for all addresses together.
    """
    return HostnameEndpoint(_Reactor(reactor, addresses or Addresses(), resolved), host, port, timeout=timeout)


@implementer(IReactorPluggableNameResolver)
class _Reactor:
    """The reactor methods that HostnameEndpoint uses, with a resolver that leaves out excluded addresses."""

    def __init__(self, reactor: object, addresses: Addresses, resolved: Resolved) -> None:
        own = cast(IReactorTCP, reactor)
        clock = cast(IReactorTime, reactor)
        self.connectTCP = own.connectTCP
        self.callLater = clock.callLater
        self.seconds = clock.seconds
        self._own = cast(IReactorPluggableNameResolver, reactor)
        self._addresses = addresses
        self._resolved = resolved

    @property
    def nameResolver(self) -> IHostnameResolver:
        """The resolver for one connection."""
        return _Resolver(self._own.nameResolver, self._addresses, self._resolved)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Install the resolver in the real reactor."""
        return self._own.installNameResolver(resolver)


@implementer(IHostnameResolver)
class _Resolver:
    """A resolver that reorders and filters the results of another one."""

    def __init__(self, resolver: IHostnameResolver, addresses: Addresses, resolved: Resolved) -> None:
        self._resolver = resolver
        self._addresses = addresses
        self._resolved = resolved

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Resolve the name."""
        receiver = _Receiver(resolutionReceiver, self._addresses, partial(self._resolved, hostName))
        return self._resolver.resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IResolutionReceiver)
class _Receiver:
    """A receiver that collects the addresses until the resolution is complete."""

    def __init__(
        self, receiver: IResolutionReceiver, addresses: Addresses, resolved: Callable[[Sequence[str]], None]
    ) -> None:
        self._receiver = receiver
        self._addresses = addresses
        self._resolved = resolved
        self._found: list[IAddress] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Pass the call on."""
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        """Collect an address."""
        self._found.append(address)

    def resolutionComplete(self) -> None:
        """Pass on the chosen addresses."""
        self._resolved([_host(address) for address in self._found])
        for address in self._addresses.chosen(self._found):
            self._receiver.addressResolved(address)
        self._receiver.resolutionComplete()
