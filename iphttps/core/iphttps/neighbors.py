"""The Neighbor Cache: which client holds which address, and whether it still answers (RFC 4861 section 7.3).

The link has no link-layer addresses but a static mapping from addresses to connections, so an entry is an address and
the client whose connection leads to it. First come, first served: the first client to use an address holds it until it
stops answering or its connection ends (RFC 6620). In mode None the server may not solicit unknown addresses, so in both
modes the cache learns passively: from Duplicate Address Detection probes and from the first packet with a source. This
does not prove that the address is reachable, so such an entry is STALE:

    STALE -- a packet goes there --> DELAY -- 5 s --> PROBE -- no answer to 3 solicitations --> forgotten
      ^                                |                |
      |                                +- an answer ----+--> REACHABLE
      +-- any packet from the address -+----------------+       |
      +--------------------------------- after 30 s ------------'

Any packet from the holder ends a probe, since it proves that the holder is alive. It does not prove that packets reach
the holder (RFC 4861 section 7.3.1), so the entry then becomes STALE and not REACHABLE.

An address that the server itself solicits, in mode Certificates, is INCOMPLETE. A client that probes for an address
held by another gets a claim: not the address, but the right to hear the holder defend it for a few seconds.
3.2.5.2.2 says "at least one entry" and "no such entry" of the holder's Neighbor Advertisement: it is meant for the
prober, which therefore has an entry, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from .assignment import Assignment
from .clients import ClientEntry

__all__ = [
    "CLAIM_LIFETIME",
    "DELAY_FIRST_PROBE_TIME",
    "FRUITLESS_TIME",
    "MAX_MULTICAST_SOLICIT",
    "MAX_UNICAST_SOLICIT",
    "REACHABLE_TIME",
    "RETRANS_TIMER",
    "SEARCHES",
    "Neighbor",
    "NeighborCache",
    "Reachability",
    "Search",
]

REACHABLE_TIME = 30.0  # seconds; these five: RFC 4861 section 10
DELAY_FIRST_PROBE_TIME = 5.0
RETRANS_TIMER = 1.0
MAX_UNICAST_SOLICIT = 3
MAX_MULTICAST_SOLICIT = 3

CLAIM_LIFETIME = 4.0
"""Seconds for which a prober hears the holder: RetransTimer and a margin (RFC 4862 section 5.1)."""

SEARCHES = 256
"""Maximum number of addresses searched for at a time, against scans of the prefix (RFC 6583 section 7)."""

FRUITLESS_TIME = 10.0
"""Seconds for which an address that did not answer counts as unreachable."""


class Reachability(Enum):
    """The states of an entry (RFC 4861 section 7.3.2)."""

    INCOMPLETE = auto()
    REACHABLE = auto()
    STALE = auto()
    DELAY = auto()
    PROBE = auto()


@dataclass(slots=True)
class Neighbor:
    """The entry for an address that a client holds.

    `until` is when the state ends, in seconds; `probes` counts unanswered solicitations.
    """

    client: ClientEntry
    state: Reachability = Reachability.STALE
    until: float = 0.0
    probes: int = 0


@dataclass(slots=True)
class Search:
    """The entry for a destination that no client holds: INCOMPLETE, or unreachable after the last probe."""

    until: float
    probes: int = 0


class NeighborCache:
    """The addresses on the link, 16 raw bytes each, and their holders; at most `limit` addresses per client.

    `now` is the time in seconds in every method. `assignment` holds the fixed addresses and their owners.
    """

    def __init__(self, limit: int = 32, assignment: Assignment | None = None) -> None:
        self.limit = limit
        self._assignment = assignment or Assignment()
        self._entries: dict[bytes, Neighbor] = {}
        self._held: dict[ClientEntry, dict[bytes, None]] = {}
        self._claims: dict[bytes, tuple[ClientEntry, float]] = {}
        self._timed: dict[bytes, Neighbor] = {}  # those in DELAY or PROBE
        self._searches: dict[bytes, Search] = {}

    # From clients.

    def bind(self, address: bytes, client: ClientEntry) -> bool:
        """Bind the address to the client unless another client holds it; tell whether the client holds it now.

        A client that reconnects, recognised by its certificate, takes the address from its own earlier connection,
        which may be dead without the server having noticed. A client over its limit loses its oldest address; other
        clients are not affected.
        """
        entry = self._entries.get(address)
        if entry is not None and entry.client is client:
            return True
        if not self._assignment.permits(client.identity, address):
            return False
        if entry is not None:
            if client.identity is None or entry.client.identity != client.identity:
                return False
            self._forget(address)
        self._entries[address] = Neighbor(client)
        self._searches.pop(address, None)
        held = self._held.setdefault(client, {})
        held[address] = None
        if len(held) > self.limit:
            self._forget(next(iter(held)))
        return True

    def assign(self, assignment: Assignment) -> None:
        """Replace the assignment of fixed addresses; a client that holds an address against it loses the address."""
        self._assignment = assignment
        for address, entry in tuple(self._entries.items()):
            if not assignment.permits(entry.client.identity, address):
                self._forget(address)

    def confirm(self, address: bytes, client: ClientEntry, now: float) -> None:
        """Note that the client has answered a solicitation: the address is REACHABLE."""
        entry = self._entries.get(address)
        if entry and entry.client is client:
            entry.state, entry.until = Reachability.REACHABLE, now + REACHABLE_TIME
            self._timed.pop(address, None)

    def heard(self, address: bytes, client: ClientEntry) -> None:
        """Note that the client has sent a packet from the address: if it holds it, a probe ends."""
        entry = self._timed.get(address)
        if entry and entry.client is client:
            entry.state = Reachability.STALE
            del self._timed[address]

    def claim(self, address: bytes, client: ClientEntry, now: float) -> None:
        """Note that the client probed for an address that another holds, and start probing the holder."""
        self._claims[address] = (client, now + CLAIM_LIFETIME)
        entry = self._entries[address]
        if address not in self._timed and not _is_reachable(entry, now):
            self._time(address, entry, Reachability.PROBE, now)

    def clients_with_entry(self, address: bytes, now: float) -> frozenset[ClientEntry]:
        """Return the clients with an entry for the address: its holder and a recent prober (3.2.5.2.2)."""
        clients = set()
        if entry := self._entries.get(address):
            clients.add(entry.client)
            claimant, until = self._claims.get(address, (entry.client, now))
            if now < until:
                clients.add(claimant)
        return frozenset(clients)

    def release(self, client: ClientEntry) -> None:
        """Remove the client's addresses and claims: its connection has ended (3.2.5.3)."""
        for address in tuple(self._held.get(client, ())):
            self._forget(address)
        self._held.pop(client, None)
        for address in [address for address, (claimant, _) in self._claims.items() if claimant is client]:
            del self._claims[address]

    # To clients.

    def use(self, address: bytes, now: float) -> ClientEntry | None:
        """Return the holder of a packet's destination, or None; a stale entry enters DELAY and is probed later."""
        entry = self._entries.get(address)
        if entry is None:
            return None
        if address not in self._timed and not _is_reachable(entry, now):
            self._time(address, entry, Reachability.DELAY, now + DELAY_FIRST_PROBE_TIME)
        return entry.client

    def holder(self, address: bytes) -> ClientEntry | None:
        """Return the client that holds the address, or None."""
        entry = self._entries.get(address)
        return entry.client if entry else None

    def seek(self, address: bytes, now: float) -> bool:
        """Search for an address that no client holds; tell whether the search is still going on."""
        search = self._searches.get(address)
        if search is None:
            if len(self._searches) >= SEARCHES:
                return False
            search = self._searches[address] = Search(now)
        return search.probes < MAX_MULTICAST_SOLICIT or now < search.until - FRUITLESS_TIME

    def solicitations(self, now: float) -> Iterator[tuple[bytes, ClientEntry | None]]:
        """Yield each address to solicit now, with its holder, or with None to solicit all clients.

        This also moves entries whose time is up to their next state; call it about once per RETRANS_TIMER.
        """
        for address, entry in [item for item in self._timed.items() if now >= item[1].until]:
            if entry.state is Reachability.PROBE and entry.probes >= MAX_UNICAST_SOLICIT:
                self._forget(address)
                continue
            entry.state, entry.until = Reachability.PROBE, now + RETRANS_TIMER
            entry.probes += 1
            # Packets with accepted headers bypass the policy; now each one must be seen, as a sign of life.
            entry.client.proven.clear()
            yield address, entry.client
        for address, search in [item for item in self._searches.items() if now >= item[1].until]:
            if search.probes >= MAX_MULTICAST_SOLICIT:
                del self._searches[address]
                continue
            search.probes += 1
            last = search.probes == MAX_MULTICAST_SOLICIT
            search.until = now + RETRANS_TIMER + (FRUITLESS_TIME if last else 0)
            yield address, None

    def not_solicited(self, address: bytes) -> None:
        """Take back a solicitation that was not sent to the holder: no answer to it can be expected."""
        if entry := self._timed.get(address):
            entry.probes -= 1

    def addresses(self, client: ClientEntry) -> tuple[bytes, ...]:
        """Return the addresses that the client holds, oldest first."""
        return tuple(self._held.get(client, ()))

    def _time(self, address: bytes, entry: Neighbor, state: Reachability, until: float) -> None:
        entry.state, entry.until, entry.probes = state, until, 0
        self._timed[address] = entry

    def _forget(self, address: bytes) -> None:
        entry = self._entries.pop(address)
        del self._held[entry.client][address]
        self._timed.pop(address, None)
        self._claims.pop(address, None)
        entry.client.proven.clear()  # an accepted header may contain this address, which is now free


def _is_reachable(entry: Neighbor, now: float) -> bool:
    return entry.state is Reachability.REACHABLE and now < entry.until
