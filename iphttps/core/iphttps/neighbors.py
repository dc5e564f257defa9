"""The Neighbor Cache: which client holds which address, and whether it still answers (RFC 4861 section 7.3).

The link has a static mapping from addresses to connections and no link-layer addresses, so an entry is an
address and the client behind whose connection it lives. Who comes first holds the address until it stops
answering or its connection ends (RFC 6620). In mode None the server may not ask who has an address; so in both
modes the cache learns by listening: from Duplicate Address Detection probes and from the first packet of a
source. What is learned so says nothing about the way back, and is STALE:

    STALE -- a packet goes there --> DELAY -- 5 s --> PROBE -- no answer to 3 solicitations --> forgotten
      ^                                |                |
      |                                +- an answer ----+--> REACHABLE
      +-- any packet from the address -+----------------+       |
      +--------------------------------- after 30 s ------------'

A holder that sends is alive, whether or not its answers get through, so its packets end a probe; they are no proof of
the way to it (RFC 4861 section 7.3.1), so the entry is STALE then and not REACHABLE.

INCOMPLETE are the addresses that the server itself looks for, in mode Certificates. And a client that probes for
an address which another holds gets a claim: not the address, but for a while the right to hear its holder defend
it. 3.2.5.2.2 says so by "at least one entry" and "no such entry": the holder's Neighbor Advertisement is meant for
the prober, who therefore has an entry too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from .assignment import Assignment
from .clients import ClientEntry

REACHABLE_TIME = 30.0  # seconds; these five: RFC 4861 section 10
DELAY_FIRST_PROBE_TIME = 5.0
RETRANS_TIMER = 1.0
MAX_UNICAST_SOLICIT = 3
MAX_MULTICAST_SOLICIT = 3

CLAIM_LIFETIME = 4.0
"""How long a prober hears the holder, in seconds: RetransTimer and some patience (RFC 4862 section 5.1)."""

SEARCHES = 256
"""How many addresses are looked for at a time; a scan of the prefix fills no more (RFC 6583 section 7)."""

FRUITLESS_TIME = 10.0
"""How long an address that nobody answered for counts as not there, in seconds."""


class Reachability(Enum):
    """The states of an entry (RFC 4861 section 7.3.2)."""

    INCOMPLETE = auto()
    REACHABLE = auto()
    STALE = auto()
    DELAY = auto()
    PROBE = auto()


@dataclass(slots=True)
class Neighbor:
    """An address that a client holds; the state ends at `until`, `probes` solicitations are unanswered."""

    client: ClientEntry
    state: Reachability = Reachability.STALE
    until: float = 0.0
    probes: int = 0


@dataclass(slots=True)
class Search:
    """An address that nobody holds and something was sent to: INCOMPLETE, or found to be not there."""

    until: float
    probes: int = 0


class NeighborCache:
    """Addresses, 16 raw bytes each, and their holders; at most `limit` addresses for each client.

    `now` is the time in seconds everywhere. `assignment` says whose certain addresses are.
    """

    def __init__(self, limit: int = 32, assignment: Assignment | None = None) -> None:
        self.limit = limit
        self._assignment = assignment or Assignment()
        self._entries: dict[bytes, Neighbor] = {}
        self._held: dict[ClientEntry, dict[bytes, None]] = {}
        self._claims: dict[bytes, tuple[ClientEntry, float]] = {}
        self._timed: dict[bytes, Neighbor] = {}  # those in DELAY or PROBE
        self._searches: dict[bytes, Search] = {}

    # What clients say.

    def bind(self, address: bytes, client: ClientEntry) -> bool:
        """Give the address to the client unless another holds it; tell whether the client has it now.

        A client that comes back, known by its certificate, takes its address from its own earlier connection,
        which may be dead without anybody having noticed. Over the limit a client loses the address it got
        first, and nobody else loses anything.
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
        """Have certain addresses belong to others than before; who holds one against that loses it."""
        self._assignment = assignment
        for address, entry in tuple(self._entries.items()):
            if not assignment.permits(entry.client.identity, address):
                self._forget(address)

    def confirm(self, address: bytes, client: ClientEntry, now: float) -> None:
        """Note that the client has answered a solicitation: its address is reachable."""
        entry = self._entries.get(address)
        if entry and entry.client is client:
            entry.state, entry.until = Reachability.REACHABLE, now + REACHABLE_TIME
            self._timed.pop(address, None)

    def heard(self, address: bytes, client: ClientEntry) -> None:
        """Note that the client has sent a packet from the address: its holder is alive."""
        entry = self._timed.get(address)
        if entry and entry.client is client:
            entry.state = Reachability.STALE
            del self._timed[address]

    def claim(self, address: bytes, client: ClientEntry, now: float) -> None:
        """Note that the client probed for an address that another holds, and have that one prove itself."""
        self._claims[address] = (client, now + CLAIM_LIFETIME)
        entry = self._entries[address]
        if address not in self._timed and not _is_reachable(entry, now):
            self._time(address, entry, Reachability.PROBE, now)

    def concerned(self, address: bytes, now: float) -> frozenset[ClientEntry]:
        """Return the clients with an entry for the address: its holder, and a recent prober."""
        clients = set()
        if entry := self._entries.get(address):
            clients.add(entry.client)
            claimant, until = self._claims.get(address, (entry.client, now))
            if now < until:
                clients.add(claimant)
        return frozenset(clients)

    def release(self, client: ClientEntry) -> None:
        """Forget all that the client held or claimed: its connection has ended (3.2.5.3)."""
        for address in tuple(self._held.get(client, ())):
            self._forget(address)
        self._held.pop(client, None)
        for address in [address for address, (claimant, _) in self._claims.items() if claimant is client]:
            del self._claims[address]

    # What is sent to clients.

    def use(self, address: bytes, now: float) -> ClientEntry | None:
        """Return who holds the address of a packet that goes there; this is what makes a stale entry prove itself."""
        entry = self._entries.get(address)
        if entry is None:
            return None
        if address not in self._timed and not _is_reachable(entry, now):
            self._time(address, entry, Reachability.DELAY, now + DELAY_FIRST_PROBE_TIME)
        return entry.client

    def holder(self, address: bytes) -> ClientEntry | None:
        """Return who holds the address."""
        entry = self._entries.get(address)
        return entry.client if entry else None

    def seek(self, address: bytes, now: float) -> bool:
        """Look for an address that nobody holds; tell whether there is still hope for it."""
        search = self._searches.get(address)
        if search is None:
            if len(self._searches) >= SEARCHES:
                return False
            search = self._searches[address] = Search(now)
        return search.probes < MAX_MULTICAST_SOLICIT or now < search.until - FRUITLESS_TIME

    def solicitations(self, now: float) -> Iterator[tuple[bytes, ClientEntry | None]]:
        """Yield what is to be solicited now: an address, and its holder or None to ask everybody.

        Entries whose time is up change their state by this; it is to be called about once in a RETRANS_TIMER.
        """
        for address, entry in [item for item in self._timed.items() if now >= item[1].until]:
            if entry.state is Reachability.PROBE and entry.probes >= MAX_UNICAST_SOLICIT:
                self._forget(address)
                continue
            entry.state, entry.until = Reachability.PROBE, now + RETRANS_TIMER
            entry.probes += 1
            # Headers that have passed the policy do so again without a look: now each sign of life is to be seen.
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
        """Take back a solicitation that its holder has not been sent: the holder's silence says nothing."""
        if entry := self._timed.get(address):
            entry.probes -= 1

    def addresses(self, client: ClientEntry) -> tuple[bytes, ...]:
        """Return the addresses that the client holds, the oldest first."""
        return tuple(self._held.get(client, ()))

    def _time(self, address: bytes, entry: Neighbor, state: Reachability, until: float) -> None:
        entry.state, entry.until, entry.probes = state, until, 0
        self._timed[address] = entry

    def _forget(self, address: bytes) -> None:
        entry = self._entries.pop(address)
        del self._held[entry.client][address]
        self._timed.pop(address, None)
        self._claims.pop(address, None)
        entry.client.proven.clear()  # a remembered header may carry the address that is free again


def _is_reachable(entry: Neighbor, now: float) -> bool:
    return entry.state is Reachability.REACHABLE and now < entry.until
