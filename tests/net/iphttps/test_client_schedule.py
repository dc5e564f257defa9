"""When the client makes its attempts: the schedule of 3.1.2.1 by a virtual clock, second by second."""

from __future__ import annotations

from twisted.internet.error import ConnectionRefusedError

from iphttps.core.client import ClientState

from . import test_client

IMMEDIATELY = [30, 60, 120, 240, 480, 960, 1860, 2760, 3660]
"""When the attempts begin, in seconds since the first failure, if each fails as soon as it is made."""


class ScheduleTests(test_client.ClientCase):
    """A server that is there, and not there, and there again."""

    def begins(self) -> float:
        """Let time pass until the next attempt is made, an hour at most; return when that is."""
        attempts, end = len(self.end.endpoint.attempts), self.clock.seconds() + 3600
        while len(self.end.endpoint.attempts) == attempts:
            self.assertLess(self.clock.seconds(), end)
            self.assertIs(self.end.state, ClientState.LINK_DOWN)
            self.clock.advance(1)
        return self.clock.seconds()

    def refuse(self, after: int = 0) -> None:
        """Refuse the attempt there is, after so many seconds in which no other may begin."""
        attempts = len(self.end.endpoint.attempts)
        self.clock.advance(after)
        self.assertEqual(len(self.end.endpoint.attempts), attempts)
        self.end.endpoint.refuse(ConnectionRefusedError())

    def outage(self, count: int, taking: int = 0) -> list[float]:
        """Refuse so many attempts after the first failure, which was now; return after how many seconds they began."""
        first, began = self.clock.seconds(), []
        for _ in range(count):
            began.append(self.begins() - first)
            self.refuse(after=taking)
        return began

    def test_refused_at_once(self) -> None:
        """Attempts follow 30, 60, 120, ... seconds after the first failure, at last every 15 minutes (3.1.2.1)."""
        self.start()
        self.refuse()
        self.assertEqual(self.outage(9), IMMEDIATELY)

    def test_slow_failures(self) -> None:
        """Where an attempt takes its time to fail, each delay is the time since the first failure (3.1.2.1)."""
        self.start()
        self.refuse(after=7)
        # The first attempt after that fails when 30 + 7 seconds have passed, the second after 74 + 7, and so on.
        self.assertEqual(
            self.outage(8, taking=7), [30, 37 * 2, 81 * 2, 169 * 2, 345 * 2, 697 * 2, 1401 + 900, 2308 + 900]
        )

    def test_killed_server(self) -> None:
        """The end of a session, however old, is the first failure; attempts go on for ever after it (3.1.2.1)."""
        self.start()
        protocol, _ = self.link_up()
        self.clock.advance(5000)
        self.lose(protocol)
        self.assertEqual(self.outage(100), IMMEDIATELY[:6] + [960 + 900 * number for number in range(1, 95)])

    def test_server_is_back(self) -> None:
        """When the timer expires with the server back, the tunnel is re-established, and the timer reset (3.1.6)."""
        self.start()
        self.refuse()
        for _ in range(2):
            self.assertEqual(self.outage(4), IMMEDIATELY[:4])
            self.begins()
            protocol, transport = self.link_up()
            self.assertIsNone(self.end.client.next_attempt)
            self.end.from_host(test_client.FROM_US)
            protocol.dataReceived(test_client.TO_US)
            self.assertEqual(self.end.state, ClientState.LINK_UP)
            self.assertEqual((transport.value(), self.end.device.taken.pop()), (test_client.FROM_US, test_client.TO_US))
            self.lose(protocol)
