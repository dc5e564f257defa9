"""Diagnoses why the host forms no address from a Router Advertisement received through the tunnel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IDelayedCall

from ....host.kernel.addresses import addresses
from ....host.kernel.network import Wanted, unsettled
from ....host.kernel.reception import advertisements
from ....net.interfaces import IReactor
from ....net.log import logger

PATIENCE = 5.0
"""Seconds allowed for a link to get an address: Duplicate Address Detection takes one second for each of two."""


class AddressWatch:
    """Checks the interface periodically while the link is up without an address, from `start` to `stop`.

    `settings` are the sysctls that the interface requires; `advertised` returns whether the tunnel has delivered a
    Router Advertisement in this session.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactor,
        interface: str,
        settings: Mapping[str, int | Wanted],
        advertised: Callable[[], bool],
    ) -> None:
        self._reactor = reactor
        self._interface = interface
        self._settings = settings
        self._advertised = advertised
        self._before: int | None = None
        self._next: IDelayedCall | None = None
        self._obstacle: str | None = None

    @property
    def obstacle(self) -> str | None:
        """A sentence that explains why there is no address; None if there is one, or it is too early to tell."""
        if self._obstacle and self._addressed():
            self._obstacle = None
        return self._obstacle

    def start(self) -> None:
        """Start checking; the link has just come up."""
        self.stop()
        self._before = advertisements(self._interface)
        self._next = self._reactor.callLater(PATIENCE, self._look)

    def stop(self) -> None:
        """Stop checking; the link goes down."""
        self._obstacle = None
        if self._next and self._next.active():
            self._next.cancel()
        self._next = None

    def _look(self) -> None:
        self._next = self._reactor.callLater(PATIENCE, self._look)
        if self._addressed() or not self._advertised():
            self._obstacle = None
            return
        found = self._reason()
        if found != self._obstacle:
            self._obstacle = found
            self.log.warn("{sentence}", event="no-address", sentence=found)

    def _addressed(self) -> bool:
        # A tentative address counts: the kernel has formed it.
        return any(not address.is_link_local for address in addresses(self._interface))

    def _reason(self) -> str:
        start = "received a Router Advertisement, but formed no address from it: "
        try:
            wrong = unsettled(self._interface, self._settings)
        except OSError:  # IPv6 is disabled on the interface, or the interface is gone
            return f"{start}IPv6 has been disabled on {self._interface}"
        if wrong:
            said = ", ".join(
                f"net.ipv6.conf.{self._interface}.{name} is {now} instead of {value}"
                for name, (now, value) in wrong.items()
            )
            return f"{start}{said}: find what sets it on this host, such as a file in /etc/sysctl.d"
        heard = advertisements(self._interface)
        if heard is not None and heard == self._before:
            return (
                f"{start}this host's packet filter (firewall) drops input on {self._interface}: allow "
                f"ICMPv6, for example with the rule `iifname {self._interface} meta l4proto ipv6-icmp accept`;"
                " run `iphttps check` as root to see the chain"
            )
        return (
            f"{start}the kernel received it, so the router advertises no prefix for addresses (RFC 4862 section"
            " 5.5.3), or another program removes the addresses"
        )
