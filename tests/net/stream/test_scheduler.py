"""Work that is let through piece by piece."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream.scheduler import IDLE_TURN, REST_FACTOR, HandshakeScheduler

PIECE = 0.001  # seconds that one takes here


class HandshakeSchedulerTests(SynchronousTestCase):
    """Pieces of a millisecond each, on a clock that stands still meanwhile."""

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.done: list[int] = []
        self.scheduler = HandshakeScheduler(self.clock)

    def piece(self, number: int) -> Callable[[], None]:
        """Return a piece of work."""

        def work() -> None:
            self.done.append(number)
            self.clock.rightNow += PIECE

        return work

    def turn(self, others: float) -> None:
        """Let the others have their time, then make the call that is due."""
        self.clock.rightNow += others
        (call,) = self.clock.getDelayedCalls()
        assert isinstance(call, DelayedCall)
        self.clock.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)

    def test_one_in_a_turn(self) -> None:
        """The first is done at once, the others in their order, one in each turn while nobody else wants the time."""
        for number in range(3):
            self.scheduler.submit(self.piece(number))
        for count in range(1, 4):
            self.assertEqual(list(range(count)), self.done)
            self.turn(IDLE_TURN / 2)
        self.assertEqual([0, 1, 2], self.done)

    def test_rest(self) -> None:
        """While others want the time, they have twice as much of it as the last piece has taken."""
        for number in range(2):
            self.scheduler.submit(self.piece(number))
        for _ in range(3):
            self.turn(PIECE * REST_FACTOR / 4)
            self.assertEqual([0], self.done)
        self.turn(PIECE * REST_FACTOR / 4 + 1e-6)
        self.assertEqual([0, 1], self.done)

    def test_late(self) -> None:
        """A handshake that arrives during the others' turn waits for its end."""
        self.scheduler.submit(self.piece(0))
        self.turn(PIECE)
        self.scheduler.submit(self.piece(1))
        self.assertEqual([0], self.done)
        self.turn(PIECE * REST_FACTOR)
        self.assertEqual([0, 1], self.done)

    def test_at_rest(self) -> None:
        """With nothing to do it does not keep the reactor awake, and what comes then is done at once."""
        self.scheduler.submit(self.piece(0))
        self.turn(IDLE_TURN / 2)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.scheduler.submit(self.piece(1))
        self.assertEqual([0, 1], self.done)
