"""The addresses of a server's name: in which order they are tried, and which of them one attempt has already struck."""

from __future__ import annotations

from collections.abc import Sequence
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
    """What one attempt knows of the addresses of a name."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._struck: set[str] = set()
        self._used: str | None = None

    def begin(self) -> None:
        """Forget what was struck."""
        self._found.clear()
        self._struck.clear()
        self._used = None

    def using(self, address: IAddress | None) -> None:
        """Take note of the address that a connection was made to."""
        self._used = _host(address) if address else None

    @property
    def others(self) -> bool:
        """Whether an address is left besides the one in use."""
        return any(host not in self._struck and host != self._used for host in self._found)

    def strike(self) -> None:
        """Leave out the address in use."""
        if self._used:
            self._struck.add(self._used)

    def chosen(self, found: Sequence[IAddress]) -> list[IAddress]:
        """Return the addresses to connect to: in the resolver's order (RFC 6724), but the families take turns.

        RFC 8305 section 4: a family that is broken as a whole then delays a connection by one address only.
        """
        families: dict[type, list[IAddress]] = {}
        for address in dict.fromkeys(found):
            families.setdefault(type(address), []).append(address)
        ordered = sorted(
            (address for family in families.values() for address in family),
            key=lambda address: families[type(address)].index(address),  # which keeps the order of the families
        )
        self._found = [_host(address) for address in ordered]
        return [address for address in ordered if _host(address) not in self._struck]


def _host(address: IAddress) -> str:
    return cast(IPv4Address | IPv6Address, address).host


def name_endpoint(
    reactor: object, host: str, port: int, timeout: float, addresses: Addresses | None = None
) -> HostnameEndpoint:
    """Return the endpoint of a name, with Happy Eyeballs for TCP (RFC 8305) among the addresses not struck."""
    return HostnameEndpoint(_Reactor(reactor, addresses or Addresses()), host, port, timeout=timeout)


@implementer(IReactorPluggableNameResolver)
class _Reactor:
    """What HostnameEndpoint needs of a reactor, with a resolver that leaves out what was struck."""

    def __init__(self, reactor: object, addresses: Addresses) -> None:
        own = cast(IReactorTCP, reactor)
        clock = cast(IReactorTime, reactor)
        self.connectTCP = own.connectTCP
        self.callLater = clock.callLater
        self.seconds = clock.seconds
        self._own = cast(IReactorPluggableNameResolver, reactor)
        self._addresses = addresses

    @property
    def nameResolver(self) -> IHostnameResolver:
        """The resolver for one connection."""
        return _Resolver(self._own.nameResolver, self._addresses)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Install it in the reactor behind this one."""
        return self._own.installNameResolver(resolver)


@implementer(IHostnameResolver)
class _Resolver:
    """Asks another resolver, and hands on what it has found in order, without what was struck."""

    def __init__(self, resolver: IHostnameResolver, addresses: Addresses) -> None:
        self._resolver = resolver
        self._addresses = addresses

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Look the name up."""
        receiver = _Receiver(resolutionReceiver, self._addresses)
        return self._resolver.resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IResolutionReceiver)
class _Receiver:
    """Collects addresses until all are there."""

    def __init__(self, receiver: IResolutionReceiver, addresses: Addresses) -> None:
        self._receiver = receiver
        self._addresses = addresses
        self._found: list[IAddress] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Hand it on."""
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        """Collect one."""
        self._found.append(address)

    def resolutionComplete(self) -> None:
        """Hand them on."""
        for address in self._addresses.chosen(self._found):
            self._receiver.addressResolved(address)
        self._receiver.resolutionComplete()
