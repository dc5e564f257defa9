"""The client's link on the host: addresses, DNS, scripts, and how it is taken down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall

from ...core.ip.rdnss import NO_NAMES, Names, Resolvers
from ...net.interfaces import IReactor
from .hooks.children import Child
from .hooks.dns_settings import DNSSettings
from .hooks.scripts import LinkEvent, LinkFacts, Scripts


class ClientLink:
    """The link as the host sees it.

    `switch` sets the interface up or down; `addresses` returns its usable addresses; `refuse` is called with a sentence
    when the advertised prefix makes the session unusable.
    """

    def __init__(
        self,
        reactor: IReactor,
        facts: LinkFacts,
        scripts: Scripts,
        dns: DNSSettings,
        *,
        switch: Callable[[bool], None],
        addresses: Callable[[], Iterable[IPv4Interface | IPv6Interface]],
        refuse: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._facts = facts
        self._scripts = scripts
        self._dns = dns
        self._switch = switch
        self._addresses = addresses
        self._refuse = refuse
        self._resolvers = Resolvers()
        self._assigned = NO_NAMES
        self._expiry: IDelayedCall | None = None
        self._is_up = self._is_used = False
        self._script: Child | None = None
        self._leaving: Child | None = None
        self._running: set[Child] = set()

    def up(self, uri: str, peer: str, names: Names = NO_NAMES) -> None:
        """Bring up the link to the server with this URI; `peer` is the remote address of the connection.

        `names` are DNS servers that the server has assigned; those of Router Advertisements come besides.
        """
        if self._leaving:  # the previous session: its addresses and routes go now, even if its script still runs
            self._leaving.kill("was still running when the link came up again, and was killed")
            self._down()
        self._facts = replace(self._facts, uri=uri, peer=peer, addresses=(), names=NO_NAMES)
        self._is_up = True
        self._assigned = names
        self._switch(True)
        if names:
            self._offer()

    @property
    def used(self) -> bool:
        """True if the link is up and has an address."""
        return self._is_used

    def addressed(self) -> None:
        """Check the addresses of the interface; the first one makes the link usable."""
        if not self._is_up or self._is_used:
            return
        addresses = tuple(self._addresses())
        if not addresses:
            return
        for address in addresses:
            if _holds(address, self._facts.peer):
                self._refuse(
                    f"the server's address {self._facts.peer} lies in the tunnel's own prefix {address.network}: "
                    "give --uri an address, or a name for one, that is reached without the tunnel"
                )
                return
        self._is_used = True
        self._facts = replace(self._facts, addresses=addresses)
        self._script = self._run(LinkEvent.UP)

    def announced(self, options: Iterable[bytes]) -> None:
        """Process the DNS options of a Router Advertisement (RFC 8106)."""
        if self._is_up:
            for option in options:
                self._resolvers.heard(option, self._reactor.seconds())
            self._offer()

    def _offer(self) -> None:
        self._cancel_expiry()
        now = self._reactor.seconds()
        heard = self._resolvers.current(now)
        servers = dict.fromkeys((*self._assigned.servers, *heard.servers))
        names = Names(tuple(servers), tuple(dict.fromkeys((*self._assigned.domains, *heard.domains))))
        self._facts = replace(self._facts, names=names)
        self._dns.offer(names)
        if (then := self._resolvers.next_expiry(now)) is not None:
            self._expiry = self._reactor.callLater(then - now, self._offer)

    def down(self) -> None:
        """Take the link down, after the down script has ended if there is one."""
        if not self._is_up:
            return
        used, self._is_up, self._is_used = self._is_used, False, False
        self._cancel_expiry()
        self._resolvers.clear()
        self._assigned = NO_NAMES
        self._dns.offer(NO_NAMES)
        if self._script and not self._script.ended.called:
            self._script.kill("was still running when the link went down, and was killed")
        self._leaving = self._run(LinkEvent.DOWN) if used else None
        if self._leaving:
            self._leaving.ended.addCallback(self._left, self._leaving)
        else:
            self._down()

    def _run(self, event: LinkEvent) -> Child | None:
        child = self._scripts.run(event, self._facts)
        if child:
            self._running.add(child)
            child.ended.addCallback(self._forget, child)
        return child

    def _forget(self, sentence: str, child: Child) -> str:
        self._running.discard(child)
        return sentence

    def _left(self, sentence: str, script: Child) -> str:
        if script is self._leaving:
            self._down()
        return sentence

    def _down(self) -> None:
        self._leaving = None
        self._switch(False)

    def _cancel_expiry(self) -> None:
        if self._expiry and self._expiry.active():
            self._expiry.cancel()
        self._expiry = None

    def ended(self) -> Deferred[Any]:
        """Return a Deferred that fires when every program started here has ended."""
        return DeferredList([*map(_after, self._running), self._dns.idle()])


def _after(child: Child) -> Deferred[None]:
    """Return a separate Deferred for the end of a program, as `child.ended` has other users."""
    waiting: Deferred[None] = Deferred()

    def ended(sentence: str) -> str:
        waiting.callback(None)
        return sentence

    child.ended.addCallback(ended)
    return waiting


def _holds(address: IPv4Interface | IPv6Interface, peer: str) -> bool:
    try:
        found = ip_address(peer)
    except ValueError:
        return False
    return found.version == address.version and found in address.network
