"""Whether the router on the link is there, and how far away: what the client knows and asks (RFC 4861 section 7.3)."""

from __future__ import annotations

from itertools import pairwise

from ..ip import ipv6
from ..ip.batch import Batch
from ..ip.ndp import Kind, Message, neighbor_solicitation, recognise

QUESTIONS = 3  # RFC 4861 section 10: MAX_UNICAST_SOLICIT
INTERVAL = 1.0
"""Seconds between two questions (RFC 4861 section 10: RETRANS_TIMER)."""


class RouterWatch:
    """Knows the router by its Router Advertisements, and asks it by Neighbor Solicitations; times in seconds.

    It listens only while there is something to hear: until the first Router Advertisement, and until the answer to a
    question. At other times nobody looks into the packets for its sake.
    """

    def __init__(self) -> None:
        self.router: bytes | None = None
        """The router's link-local address; None before its first Router Advertisement."""
        self.round_trip: float | None = None
        """Seconds from the latest answered question to its answer."""
        self._asked: list[float] = []
        self._own = ipv6.UNSPECIFIED

    @property
    def listening(self) -> bool:
        """Whether `hear` wants to see what comes from the server."""
        return self.router is None or bool(self._asked)

    @property
    def waiting(self) -> bool:
        """Whether a question is open."""
        return bool(self._asked)

    def ask(self, own: bytes, now: float) -> bytes | None:
        """Return the next question, a packet from the host's link-local address `own`; None if enough were asked."""
        assert self.router is not None
        if len(self._asked) == QUESTIONS:
            return None
        self._asked.append(now)
        self._own = own
        return neighbor_solicitation(self.router, own, unicast=True)

    def give_up(self) -> None:
        """Ask no more, and expect no answer."""
        self._asked.clear()

    def hear(self, batch: Batch, now: float) -> None:
        """Look for the router's advertisement, or its answer, in what comes from the server."""
        data = batch.data
        for start, end in pairwise(batch.bounds):
            # Both come with the ICMPv6 header first; what hides behind others is not the server's.
            if data[start + ipv6.NEXT_HEADER] == ipv6.ICMPV6 and self.listening:
                message = recognise(data[start:end])
                if isinstance(message, Message):
                    self._heard(message, now)

    def _heard(self, message: Message, now: float) -> None:
        if message.kind is Kind.ROUTER_ADVERTISEMENT and self.router is None:
            self.router = message.source
        if self._asked and self._answers(message):
            # It does not say which of the questions it answers; counted from the first, it never flatters.
            self.round_trip = now - self._asked[0]
            self._asked.clear()

    def _answers(self, message: Message) -> bool:
        return (
            message.kind is Kind.NEIGHBOR_ADVERTISEMENT
            and message.solicited
            and message.target == self.router
            and message.destination == self._own
        )
