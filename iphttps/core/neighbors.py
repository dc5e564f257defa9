"""The Neighbor Cache: which client holds which address (3.2.5.2.2).

The link has a static mapping from addresses to connections and no link-layer addresses, so an entry is just
an address and the client behind whose connection it lives. In mode None the server may not ask who has an
address; so in both modes it learns by listening: from Duplicate Address Detection probes and from the first
packet of a source. Who comes first holds the address until his connection ends (RFC 6620).

A client that probes for an address which another holds gets a claim: not the address, but for a while the
right to hear its holder defend it. The clause says so by "at least one entry" and "no such entry": the
holder's Neighbor Advertisement is meant for the prober, who therefore has an entry too.
"""

from __future__ import annotations

from .clients import ClientEntry

CLAIM_LIFETIME = 4.0
"""How long a prober hears the holder, in seconds: RetransTimer and some patience (RFC 4862 section 5.1)."""


class NeighborCache:
    """Addresses, 16 raw bytes each, and their holders; at most `limit` addresses for each client."""

    def __init__(self, limit: int = 32) -> None:
        self.limit = limit
        self.holders: dict[bytes, ClientEntry] = {}
        """Address to holder: read directly by the packet path, written only here."""
        self._held: dict[ClientEntry, dict[bytes, None]] = {}
        self._claims: dict[bytes, tuple[ClientEntry, float]] = {}

    def bind(self, address: bytes, client: ClientEntry) -> bool:
        """Give the address to the client unless another holds it; tell whether the client has it now.

        Over the limit the client loses the address it got first, and nobody else loses anything.
        """
        holder = self.holders.setdefault(address, client)
        if holder is not client:
            return False
        held = self._held.setdefault(client, {})
        held[address] = None
        if len(held) > self.limit:
            oldest = next(iter(held))
            del held[oldest], self.holders[oldest]
            self._claims.pop(oldest, None)
            client.proven.clear()  # a remembered header may carry the address that is free again
        return True

    def claim(self, address: bytes, client: ClientEntry, now: float) -> None:
        """Note that the client probed for an address that another holds."""
        self._claims[address] = (client, now + CLAIM_LIFETIME)

    def concerned(self, address: bytes, now: float) -> frozenset[ClientEntry]:
        """Return the clients with an entry for the address: its holder, and a recent prober."""
        clients = set()
        if holder := self.holders.get(address):
            clients.add(holder)
            claimant, until = self._claims.get(address, (holder, now))
            if now < until:
                clients.add(claimant)
        return frozenset(clients)

    def addresses(self, client: ClientEntry) -> tuple[bytes, ...]:
        """Return the addresses that the client holds, the oldest first."""
        return tuple(self._held.get(client, ()))

    def release(self, client: ClientEntry) -> None:
        """Forget all that the client held or claimed: its connection has ended (3.2.5.3)."""
        for address in self._held.pop(client, ()):
            del self.holders[address]
            self._claims.pop(address, None)
        for address in [address for address, (claimant, _) in self._claims.items() if claimant is client]:
            del self._claims[address]
