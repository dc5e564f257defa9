"""Sessions served in their turn, in virtual time: how long a turn takes, and who waits for whom."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream.read_scheduler import QUANTUM, TURN, VISITS, ReadScheduler

VISIT = 0.0002
"""Seconds that a visit takes which costs a quantum."""


class Session:
    """A session whose client has sent data that costs so much; serving it takes time in proportion."""

    def __init__(self, case: ReadSchedulerTests, waiting: float = float("inf")) -> None:
        self.waiting = waiting
        self.reported = True
        self.aborted = False
        self.quanta: list[int] = []
        self._case = case

    @property
    def drained(self) -> bool:
        """True if nothing waits."""
        return not self.waiting

    def serve(self, quantum: int) -> int:
        """Take what the quantum allows."""
        cost = int(min(self.waiting, quantum))
        self.waiting -= cost
        self.quanta.append(quantum)
        self._case.clock.rightNow += VISIT * cost / QUANTUM
        self._case.visits.append(self)
        self._case.had[self] += cost
        return cost

    def pause(self) -> None:
        """Have no more reports."""
        self.reported = False

    def resume(self) -> None:
        """Have reports again."""
        self.reported = True

    def abort(self) -> None:
        """Take note."""
        self.aborted = True


class Broken(Session):
    """A session that cannot be served."""

    def serve(self, quantum: int) -> int:
        """Fail."""
        super().serve(quantum)
        raise ZeroDivisionError


class ReadSchedulerTests(SynchronousTestCase):
    """A reactor with sessions; `turn` is one of its turns: timed calls first, then readable connections."""

    def setUp(self) -> None:
        """Start without sessions."""
        self.clock = Clock()
        self.scheduler = ReadScheduler(self.clock)
        self.sessions: list[Session] = []
        self.visits: list[Session] = []
        self.had: Counter[Session] = Counter()

    def crowd(self, number: int) -> list[Session]:
        """Add sessions that always have something, and have each served once: at first all are new."""
        new = [Session(self) for _ in range(number)]
        self.sessions += new
        while not all(session.quanta for session in new):
            self.turn()
        return new

    def turn(self) -> float:
        """Run a turn and return how long it took."""
        begin = self.clock.seconds()
        calls, self.clock.calls = self.clock.calls, []
        for call in calls:
            assert isinstance(call, DelayedCall)
            call.called = 1
            call.func(*call.args, **call.kw)
        for session in self.sessions:
            if session.reported and not session.drained:
                self.scheduler.readable(session)
        return self.clock.seconds() - begin

    def test_bound(self) -> None:
        """A turn takes no longer than TURN and one visit, with a thousand sessions that have data without end."""
        self.sessions += [Session(self) for _ in range(1000)]
        for _ in range(500):
            self.assertLess(self.turn(), TURN + VISIT + 1e-9)

    def test_work_conserving(self) -> None:
        """While anything waits, a turn is used."""
        self.crowd(20)
        for _ in range(50):
            self.assertGreaterEqual(self.turn(), TURN - 1e-9)

    def test_sparse(self) -> None:
        """A client that sends little waits for one turn, beside a thousand that have data without end."""
        self.crowd(1000)
        sparse = Session(self, 0)
        self.sessions.append(sparse)
        for _ in range(100):
            for _ in range(7):
                self.turn()
            sparse.waiting = QUANTUM // 500
            self.turn()  # which reports it
            self.visits.clear()
            self.turn()
            self.assertIs(sparse, self.visits[0])

    def test_sparse_beside_short_queues(self) -> None:
        """So it is beside a thousand of whose data only half a quantum fits into the socket's buffer."""
        random = Random(1)
        crowd = self.crowd(1000)
        sparse = Session(self, 0)
        self.sessions.append(sparse)
        for number in range(1, 1000):
            for session in crowd:
                session.waiting = session.waiting and QUANTUM * random.uniform(0.55, 0.8)
            self.assertLess(self.turn(), TURN + VISIT + 1e-9)
            if number % 100 == 0:
                sparse.waiting = QUANTUM // 500
                self.turn()
                self.turn()
                self.assertTrue(sparse.drained)

    def test_equal(self) -> None:
        """The shares of busy sessions differ by no more than a quantum and one visit."""
        crowd = self.crowd(50)
        for _ in range(400):
            self.turn()
        had = [self.had[session] for session in crowd]
        self.assertLessEqual(max(had) - min(had), 2 * QUANTUM)

    def test_alone(self) -> None:
        """A session alone is served when it is reported, and stays in the reactor's set."""
        (session,) = self.crowd(1)
        for count in range(2, 10):
            self.turn()
            self.assertEqual(([QUANTUM] * count, True), (session.quanta, session.reported))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_few(self) -> None:
        """So are a few, while they do not use up the turn."""
        crowd = self.crowd(3)
        for _ in range(10):
            self.turn()
        self.assertTrue(all(session.reported for session in crowd))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_set(self) -> None:
        """A session that waits leaves the reactor's set when it is reported once more, until it is drained."""
        crowd = self.crowd(100)
        for _ in range(3):
            self.turn()
        waiting = [session for session in crowd if not session.reported]
        self.assertGreater(len(waiting), 80)
        for session in crowd:
            session.waiting = 1
        while any(session.waiting for session in crowd):
            self.turn()
        self.assertTrue(all(session.reported for session in crowd))
        self.turn()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_clock_stands_still(self) -> None:
        """A turn ends after VISITS, whatever the clock says."""
        self.sessions = [Session(self) for _ in range(2 * VISITS)]
        scheduled, self.clock = self.clock, Clock()  # from now on visits advance another clock than the scheduler's
        for session in self.sessions:
            self.scheduler.readable(session)
        self.assertEqual(VISITS, len(self.visits))
        (call,) = scheduled.getDelayedCalls()
        assert isinstance(call, DelayedCall)
        call.func()
        self.assertEqual(2 * VISITS, len(self.visits))

    def test_removed(self) -> None:
        """A session that has ended is not served."""
        crowd = self.crowd(20)
        for session in crowd[1:]:
            self.scheduler.remove(session)
        self.sessions = crowd[:1]
        self.visits.clear()
        for _ in range(3):
            self.turn()
        self.assertEqual(set(crowd[:1]), set(self.visits))

    def test_removed_by_itself(self) -> None:
        """Nor is one that ends while it is served, whose cost is charged to nobody."""
        self.crowd(20)

        class Ending(Session):
            def serve(session, quantum: int) -> int:
                self.scheduler.remove(session)
                session.reported = False
                return super().serve(quantum)

        self.sessions.append(ending := Ending(self))
        for _ in range(20):
            self.turn()
        self.assertEqual(1, self.visits.count(ending))

    def test_failure(self) -> None:
        """An exception ends the session that raised it, and the others are served on."""
        crowd = self.crowd(20)
        self.sessions.append(broken := Broken(self))
        self.turn()
        self.assertRaises(ZeroDivisionError, self.turn)
        self.assertTrue(broken.aborted)
        self.sessions.remove(broken)
        self.visits.clear()
        for _ in range(10):
            self.turn()
        self.assertEqual(set(crowd), set(self.visits))
