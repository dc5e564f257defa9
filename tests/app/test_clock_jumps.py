"""Both roles on a reactor whose time of day is set at each stage: all goes as if nobody had set it."""

from __future__ import annotations

from typing import cast
from unittest.mock import patch

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.process import clock_step
from iphttps.core.client import ClientEvent, ClientState
from iphttps.net.interfaces import IReactor
from iphttps.net.iphttps.server_session import ServerSession
from tests.net.support import PRIVATE_HOST, ClientEnd, ServerEnd, client_address, packet
from tests.support import probe

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nHost: vpn.example.org\r\nContent-Length: 18446744073709551615\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"
DAY = 86400.0
JUMPS = (DAY, -DAY, 365 * DAY, -365 * DAY)
STEP = 0.25
"""Seconds between two looks."""

NOTHING, SHAKING, SESSION, ASKED, WAITING, OPENING, UP, GOING, END = range(0, 360, 40)
"""When, in steps, the server has its first connection, sessions, and a holder that does not answer; and the client
connects, fails, waits, is connected, and has its link up.
"""

HOLDER = client_address(1)


class DayReactor(MemoryReactorClock):
    """A reactor that goes by the time of day, as Twisted's do, until it is told otherwise."""

    day = 1_800_000_000.0

    def seconds(self) -> float:
        """Return the time of day."""
        return self.day + self.rightNow


class Scenario:
    """A minute and a half in the life of a server, and of a client of another one."""

    def __init__(self) -> None:
        self.clock = DayReactor()
        with patch.object(clock_step, "boot_time", lambda: self.clock.rightNow):
            clock_step.install(cast(IReactor, self.clock))
        self.server, self.client = ServerEnd(self.clock), ClientEnd(self.clock, keepalive=20.0)
        self.transports = [StringTransport() for _ in range(3)]
        self.at_client = StringTransport()

    def close(self) -> None:
        """Close the devices."""
        self.server.device.close()
        self.client.device.close()

    def act(self, step: int) -> None:
        """Do what is to be done at a step."""
        silent, holder, prober = self.transports
        if step == SHAKING:
            self.server.accept(silent)
            self.client.client.handle(ClientEvent.ENABLE)
            self.client.client.handle(ClientEvent.PRECONDITION)
        elif step == SESSION:
            self.client.endpoint.refuse(ConnectionRefusedError())
            self.server.accept(holder).dataReceived(REQUEST + packet(HOLDER, PRIVATE_HOST))
            self.server.accept(prober).dataReceived(REQUEST + packet(client_address(2), PRIVATE_HOST))
            self.other = cast(ServerSession, [*self.server.table][-1].connection)
        elif step == ASKED:
            self.server.from_host(packet(PRIVATE_HOST, HOLDER))
        elif step == OPENING + 20:
            self.tunnel = self.client.endpoint.accept(self.at_client)
        elif step == UP:
            self.tunnel.dataReceived(ANSWER)
        if step > SESSION and not step % 4:
            self.other.dataReceived(probe(str(HOLDER)) * 20)

    def seen(self) -> tuple[object, ...]:
        """Return what can be seen of both."""
        drops = [dict(entry.counters.drops) for entry in self.server.table]
        sizes = [(len(each.value()), each.disconnecting) for each in self.transports]
        ours = self.client.state, len(self.client.endpoint.attempts), len(self.at_client.value())
        return (sizes, drops, self.server.link._cache.holder(HOLDER.packed) is not None, *ours)

    def run(self, at: int = 0, jump: float = 0.0) -> list[tuple[object, ...]]:
        """Return what was seen after each step, with the clock set at one of them."""
        trace = []
        with patch("iphttps.net.iphttps.link_timers.random", lambda: 0.5):
            for step in range(END):
                self.act(step)
                if step == at:
                    self.clock.day += jump
                self.clock.advance(STEP)
                trace.append(self.seen())
        return trace


class JumpTests(SynchronousTestCase):
    """A day and a year, both ways."""

    def trace(self, at: int = 0, jump: float = 0.0) -> list[tuple[object, ...]]:
        """Run the scenario once."""
        scenario = Scenario()
        self.addCleanup(scenario.close)
        return scenario.run(at, jump)

    def test_stages(self) -> None:
        """At each stage of both roles, each timer, limit and delay goes on as if the clock had not been set."""
        usual = self.trace()
        reached = {state for *_, state, _, _ in usual}
        self.assertEqual({ClientState.LINK_DOWN, ClientState.ESTABLISHED, ClientState.LINK_UP}, reached - {usual[0][3]})
        self.assertEqual({True, False}, {held for _, _, held, *_ in usual[SESSION:]})
        for at in (NOTHING, SHAKING, SESSION, ASKED, WAITING, OPENING, UP, GOING):
            for jump in JUMPS:
                for step, (one, other) in enumerate(zip(usual, self.trace(at + 2, jump), strict=True)):
                    self.assertEqual(one, other, (at, jump, step))
