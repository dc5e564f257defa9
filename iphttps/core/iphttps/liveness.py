"""The client's check that the router on the link is reachable, and its round-trip time (RFC 4861 section 7.3)."""

from __future__ import annotations

from itertools import pairwise

from ..ip import ipv6
from ..ip.batch import Batch
from ..ip.ndp import Kind, Message, neighbor_solicitation, recognise

QUESTIONS = 3  # RFC 4861 section 10: MAX_UNICAST_SOLICIT
INTERVAL = 1.0
"""Seconds between two solicitations (RFC 4861 section 10: RETRANS_TIMER)."""


class RouterWatch:
    """The router on the link, learned from its Router Advertisements and probed by Neighbor Solicitations.

    Times are in seconds. Received packets are inspected only while needed: until the first Router Advertisement, and
    until a solicitation is answered.
    """

    def __init__(self) -> None:
        self.router: bytes | None = None
        """The router's link-local address; None before its first Router Advertisement."""
        self.round_trip: float | None = None
        """Seconds from the latest answered solicitation to its answer."""
        self._asked: list[float] = []
        self._own = ipv6.UNSPECIFIED

    @property
    def listening(self) -> bool:
        """True if `hear` needs the packets from the server now."""
        return self.router is None or bool(self._asked)

    @property
    def waiting(self) -> bool:
        """True if a solicitation is unanswered."""
        return bool(self._asked)

    def ask(self, own: bytes, now: float) -> bytes | None:
        """Return the next Neighbor Solicitation, from the host's link-local address `own`; None after the last one."""
        assert self.router is not None
        if len(self._asked) == QUESTIONS:
            return None
        self._asked.append(now)
        self._own = own
        return neighbor_solicitation(self.router, own, unicast=True)

    def give_up(self) -> None:
        """Stop probing and expect no answer."""
        self._asked.clear()

    def hear(self, batch: Batch, now: float) -> None:
        """Look for the router's advertisement or answer in a batch from the server."""
        data = batch.data
        for start, end in pairwise(batch.bounds):
            # In both, ICMPv6 directly follows the IPv6 header; the server sends none behind extension headers.
            if data[start + ipv6.NEXT_HEADER] == ipv6.ICMPV6 and self.listening:
                message = recognise(data[start:end])
                if isinstance(message, Message):
                    self._heard(message, now)

    def _heard(self, message: Message, now: float) -> None:
        if message.kind is Kind.ROUTER_ADVERTISEMENT and self.router is None:
            self.router = message.source
        if self._asked and self._answers(message):
            # The answer does not name its solicitation; counted from the first, the time is never too short.
            self.round_trip = now - self._asked[0]
            self._asked.clear()

    def _answers(self, message: Message) -> bool:
        return (
            message.kind is Kind.NEIGHBOR_ADVERTISEMENT
            and message.solicited
            and message.target == self.router
            and message.destination == self._own
        )
