"""Tests for iphttps.core.iphttps.neighbors: whatever happens in whatever order, it is what a simple model says."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.identity import Identity
from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.iphttps.neighbors import (
    DELAY_FIRST_PROBE_TIME,
    MAX_MULTICAST_SOLICIT,
    MAX_UNICAST_SOLICIT,
    REACHABLE_TIME,
    RETRANS_TIMER,
    SEARCHES,
    NeighborCache,
    Reachability,
)
from tests.support import client, holders, neighbor_state

LIMIT = 3
ADDRESSES = tuple(bytes(15) + bytes((last,)) for last in range(8))
SCAN = tuple(number.to_bytes(16, "big") for number in range(1000, 1000 + SEARCHES))
# Two connections of one laptop, a desktop, and two clients without certificates.
IDENTITIES = (Identity("CN=laptop"), Identity("CN=laptop"), Identity("CN=desktop"), None, None)

addresses = st.sampled_from(ADDRESSES)
clients = st.integers(0, len(IDENTITIES) - 1)


class CacheMachine(RuleBasedStateMachine):
    """A cache beside a model of it: each client's addresses in their order, and when it was last heard of."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = NeighborCache(LIMIT)
        self.clients = [client(number, identity) for number, identity in enumerate(IDENTITIES)]
        self.held: dict[ClientEntry, list[bytes]] = {entry: [] for entry in self.clients}
        self.unanswered: dict[bytes, int] = {}
        self.asked: dict[bytes, int] = {}
        self.now = 100.0

    def holder(self, address: bytes) -> ClientEntry | None:
        """Return who holds the address, by the model."""
        return next((entry for entry, held in self.held.items() if address in held), None)

    def lose(self, entry: ClientEntry, address: bytes) -> None:
        """Have the model forget an address of a client."""
        self.held[entry].remove(address)
        self.unanswered.pop(address, None)

    @initialize(scan=st.booleans())
    def begin(self, scan: bool) -> None:
        """Begin on a link at rest, or in a scan that leaves no room for one more search."""
        for address in SCAN if scan else ():
            assert self.cache.seek(address, self.now)

    @rule(who=clients, address=addresses)
    def bind(self, who: int, address: bytes) -> None:
        """The first to come holds an address, or the same one who comes again (RFC 6620)."""
        entry, before = self.clients[who], self.holder(address)
        same = before is not None and entry.identity is not None and entry.identity == before.identity
        assert self.cache.bind(address, entry) == (before in (None, entry) or same)
        if before is entry or (before and not same):
            return
        if before:
            self.lose(before, address)
        self.held[entry].append(address)
        self.asked.pop(address, None)
        if len(self.held[entry]) > LIMIT:
            self.lose(entry, self.held[entry][0])

    @rule(who=clients, address=addresses)
    def confirm(self, who: int, address: bytes) -> None:
        """Its holder, and nobody else, makes an address REACHABLE (RFC 4861 section 7.3.3)."""
        entry = self.clients[who]
        self.cache.confirm(address, entry, self.now)
        if self.holder(address) is entry:
            self.unanswered.pop(address, None)
            assert neighbor_state(self.cache, address, self.now) is Reachability.REACHABLE
            late = neighbor_state(self.cache, address, self.now + REACHABLE_TIME)
            assert late is Reachability.STALE

    @rule(who=clients, address=addresses)
    def claim(self, who: int, address: bytes) -> None:
        """A prober's claim is heard by the holder and the prober, and binds nothing (3.2.5.2.2)."""
        entry, holder = self.clients[who], self.holder(address)
        if holder is None or holder is entry:
            return
        self.cache.claim(address, entry, self.now)
        assert self.cache.clients_with_entry(address, self.now) == {holder, entry}

    @rule(address=addresses)
    def use(self, address: bytes) -> None:
        """A packet goes to the holder, whatever the state; then no entry is STALE (RFC 4861 section 7.3.3)."""
        holder = self.holder(address)
        assert self.cache.use(address, self.now) is holder
        assert neighbor_state(self.cache, address, self.now) is not Reachability.STALE

    @rule(address=addresses)
    def seek(self, address: bytes) -> None:
        """An address without a holder is solicited three times, while there is room (RFC 6583)."""
        if self.holder(address):
            return
        known = neighbor_state(self.cache, address, self.now) is Reachability.INCOMPLETE
        hope = self.cache.seek(address, self.now)
        if hope and not known:
            self.asked[address] = 0
        assert (neighbor_state(self.cache, address, self.now) is Reachability.INCOMPLETE) == (known or hope)

    @rule(who=clients)
    def release(self, who: int) -> None:
        """The end of a connection frees what it held, and leaves nothing of it (3.2.5.3)."""
        entry = self.clients[who]
        self.cache.release(entry)
        for address in tuple(self.held[entry]):
            self.lose(entry, address)
        assert self.cache.addresses(entry) == ()
        assert all(entry not in self.cache.clients_with_entry(address, self.now) for address in ADDRESSES)

    @rule(pause=st.sampled_from((0.25, RETRANS_TIMER, DELAY_FIRST_PROBE_TIME, REACHABLE_TIME)))
    def wait(self, pause: float) -> None:
        """Only entries that exist are solicited, each thrice at most; then it goes (RFC 4861 section 7.3.3)."""
        self.now += pause
        for address, asked in self.cache.solicitations(self.now):
            assert asked is self.holder(address)
            counts, most = (
                (self.asked, MAX_MULTICAST_SOLICIT) if asked is None else (self.unanswered, MAX_UNICAST_SOLICIT)
            )
            counts[address] = counts.get(address, 0) + 1
            assert counts[address] <= most
        for entry, held in self.held.items():
            for address in set(held) - set(self.cache.addresses(entry)):
                assert self.unanswered[address] == MAX_UNICAST_SOLICIT
                self.lose(entry, address)
        for address in [found for found in self.asked if neighbor_state(self.cache, found, self.now) is None]:
            del self.asked[address]

    @invariant()
    def one_holder(self) -> None:
        """An address has one holder at most, and both ways of asking agree (RFC 6620)."""
        for entry, held in self.held.items():
            assert self.cache.addresses(entry) == tuple(held)
        found = holders(self.cache, *self.clients)
        assert len(found) == sum(map(len, self.held.values()))
        assert {address: self.cache.holder(address) for address in ADDRESSES} == {
            address: found.get(address) for address in ADDRESSES
        }

    @invariant()
    def bounded(self) -> None:
        """No client holds more than its limit, and no more is looked for than there is room (RFC 6583)."""
        assert all(len(held) <= LIMIT for held in self.held.values())
        looked_for = [
            address
            for address in ADDRESSES + SCAN
            if neighbor_state(self.cache, address, self.now) is Reachability.INCOMPLETE
        ]
        assert len(looked_for) <= SEARCHES

    @invariant()
    def concerned(self) -> None:
        """An address concerns its holder, and one prober at most; a free one concerns nobody (3.2.5.2.2)."""
        for address in ADDRESSES:
            holder, found = self.holder(address), self.cache.clients_with_entry(address, self.now)
            if holder is None:
                assert not found
            else:
                assert holder in found
                assert len(found) <= 2

    def teardown(self) -> None:
        """When all connections have ended, and time has passed, nothing remains (3.2.5.3)."""
        for entry in self.clients:
            self.cache.release(entry)
        for address in ADDRESSES:
            newcomer = client(99)
            assert self.cache.bind(address, newcomer)
            assert self.cache.clients_with_entry(address, self.now) == {newcomer}
            self.cache.release(newcomer)
        for _ in range(MAX_MULTICAST_SOLICIT + 1):
            self.now += REACHABLE_TIME
            assert all(asked is None for _, asked in self.cache.solicitations(self.now))
        for address in ADDRESSES + SCAN:
            assert neighbor_state(self.cache, address, self.now) is None
            assert not self.cache.clients_with_entry(address, self.now)


class CacheMachineTests(SynchronousTestCase):
    """The cache and its model."""

    def test_model(self) -> None:
        """The cache agrees with its model for any sequence of events (RFC 6620, RFC 4861 section 7.3)."""
        run_state_machine_as_test(CacheMachine)
