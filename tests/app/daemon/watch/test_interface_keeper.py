"""Other programs change the daemon's interface: what is put right, and what ends the daemon."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Interface
from typing import cast

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.watch.interface_keeper import PAUSE, PERIOD, REPAIRS, SOLICITATIONS, InterfaceKeeper
from iphttps.core.errors import ConfigError
from iphttps.host.kernel.network import NetworkConfig
from iphttps.host.kernel.own_interface import LinkState
from iphttps.net.interfaces import IReactor

ADDRESS, LINK_LOCAL = IPv6Interface("2001:db8:2::1/64"), IPv6Interface("fe80::1/64")
PREFIXES = (ADDRESS.network, LINK_LOCAL.network)
SERVER = NetworkConfig("iphttps0", up=True, addresses=(LINK_LOCAL, ADDRESS), settings={"accept_ra": 0}, forwarding=True)
CLIENT = NetworkConfig("iphttps0", up=True)
RIGHT = LinkState(
    "iphttps0", up=True, arp=True, multicast=True, mtu=1280, addresses=(LINK_LOCAL, ADDRESS), routes=PREFIXES
)
DOWN = replace(RIGHT, up=False, addresses=(), routes=())
LARGE = replace(RIGHT, mtu=1500)
BARE = replace(RIGHT, addresses=(LINK_LOCAL,), routes=PREFIXES[1:])


class Kernel:
    """An interface that a test changes, as the monitor of a keeper shows it."""

    def __init__(self) -> None:
        self.current: LinkState | None = RIGHT
        self.error: OSError | None = None
        self.ours = True

    def fileno(self) -> int:
        """Return no descriptor."""
        return -1

    def changed(self) -> bool:
        """Tell of a change, or that there is no more to tell."""
        if self.error:
            raise self.error
        return self.ours

    def state(self) -> LinkState | None:
        """Return what the test says."""
        return self.current

    def close(self) -> None:
        """Give nothing back."""


class KeeperCase(SynchronousTestCase):
    """A keeper, and the daemon around it."""

    config = SERVER

    def setUp(self) -> None:
        """Begin to watch."""
        self.reactor = MemoryReactorClock()
        self.kernel = Kernel()
        self.applied: list[NetworkConfig] = []
        self.ends: list[str] = []
        self.solicited = 0
        self.repair: Callable[[], None] = self.put_right
        self.keeper = InterfaceKeeper(
            cast(IReactor, self.reactor),
            self.kernel,
            self.config,
            apply=self.apply,
            solicit=self.solicit,
            fatal=self.ends.append,
        )
        self.keeper.start()
        self.addCleanup(self.keeper.stop)
        self.reactor.advance(PAUSE)

    def apply(self, config: NetworkConfig) -> None:
        """Configure the interface, as far as the test has that succeed."""
        self.applied.append(config)
        self.repair()

    def put_right(self) -> None:
        """Have the interface as it should be."""
        self.kernel.current = RIGHT

    def refuse(self) -> None:
        """Be a kernel that does not do it."""
        raise ConfigError("cannot configure iphttps0: busy")

    def solicit(self) -> None:
        """Count the solicitations."""
        self.solicited += 1

    def change(self, state: LinkState | None) -> None:
        """Have the interface like this, and have the keeper hear of it."""
        self.kernel.current = state
        self.keeper.doRead()
        self.reactor.advance(PAUSE)

    def assert_change(self, words: str, *, put_right: bool) -> None:
        """Check what the status shows."""
        change = self.keeper.change
        assert change
        self.assertIn(words, change.sentence)
        self.assertEqual(put_right, change.put_right)


class RepairTests(KeeperCase):
    """What a server's keeper puts right, and when it cannot."""

    def test_repaired(self) -> None:
        """A link that is down, an MTU, flags, a missing address or route are put right, told and shown."""
        self.assertIsNone(self.keeper.change)
        for state, what in (
            (DOWN, "it is down"),
            (LARGE, "its MTU is 1500"),
            (replace(RIGHT, arp=False, mtu=1000), "its MTU is 1000, it has the flag NOARP"),
            (replace(RIGHT, multicast=False), "it lacks the flag MULTICAST"),
            (BARE, "its address 2001:db8:2::1/64 is missing"),
            (replace(RIGHT, routes=PREFIXES[:1]), "its route fe80::/64 is missing"),
        ):
            with capturedLogs() as events:
                self.change(state)
            sentence = f"another program changed the interface iphttps0: {what}"
            self.assertEqual([f"{sentence}; reverting the change"], [formatEvent(event) for event in events])
            self.reactor.advance(PERIOD / REPAIRS)
            self.assert_change(sentence, put_right=True)
        # Forwarding on the interface is set again; that of the host, which is noted to be undone, is not touched.
        again = replace(SERVER, forwarding=False, settings={"accept_ra": 0, "forwarding": 1})
        self.assertEqual(([again] * 6, [], 0), (self.applied, self.ends, self.solicited))

    def test_up_too_early(self) -> None:
        """An interface that is to be down is taken down again."""
        down = replace(SERVER, up=False, forwarding=False)
        self.keeper.expect(down)
        self.change(RIGHT)
        self.assertEqual([down], self.applied)

    def test_not_ours(self) -> None:
        """What happens to other interfaces is not looked at."""
        self.kernel.ours = False
        self.change(None)
        self.assertEqual([], self.ends)

    def test_many_at_once(self) -> None:
        """News in quick succession lead to one look."""
        for _ in range(100):
            self.kernel.current = LARGE
            self.keeper.doRead()
        self.reactor.advance(PAUSE)
        self.assertEqual(1, len(self.applied))

    def test_fight(self) -> None:
        """Repeated changes cause a bounded number of repairs and log lines; the status shows them until they end."""
        with capturedLogs() as events:
            for _ in range(100):
                self.change(LARGE)
        self.assertEqual((REPAIRS, []), (len(self.applied), self.ends))
        self.assertEqual(
            [
                "another program changed the interface iphttps0: its MTU is 1500; reverting the change",
                "another program keeps changing the interface iphttps0: stop it",
            ],
            [formatEvent(event) for event in events],
        )
        self.assert_change("its MTU is 1500", put_right=False)
        self.reactor.pump([1.0] * int(PERIOD))
        self.assertEqual(REPAIRS + 1, len(self.applied))
        self.assert_change("its MTU is 1500", put_right=True)

    def test_fight_goes_on(self) -> None:
        """For as long as that goes on, each minute has as many repairs, and each line once."""
        self.repair = lambda: None
        self.kernel.current = LARGE
        with capturedLogs() as events:
            self.keeper.doRead()
            self.reactor.pump([1.0] * int(10 * PERIOD))
        self.assertLessEqual(len(self.applied), 11 * REPAIRS)
        self.assertLessEqual(len(events), 22)
        self.assertGreaterEqual(len(events), 18)
        self.assert_change("its MTU is 1500", put_right=False)
        self.assertEqual([], self.ends)

    def test_gone_in_a_fight(self) -> None:
        """Also one that is fought over is seen to go."""
        for _ in range(2 * REPAIRS):
            self.change(LARGE)
        self.change(None)
        self.assertEqual(1, len(self.ends))

    def test_gone(self) -> None:
        """Removed, moved or renamed, it ends the daemon."""
        self.change(None)
        self.change(replace(RIGHT, name="other"))
        self.assertRegex(self.ends[0], "^the interface was removed")
        self.assertEqual("the interface iphttps0 was renamed to other", self.ends[1])

    def test_gone_meanwhile(self) -> None:
        """Where the interface goes while it is being put right, the reason is that it is gone."""

        def vanish() -> None:
            self.kernel.current = None
            raise ConfigError("there is no interface iphttps0 any more")

        self.repair = vanish
        self.change(DOWN)
        self.reactor.advance(PAUSE)
        self.assertRegex(self.ends[0], "^the interface was removed")

    def test_refused_once(self) -> None:
        """A repair that another program has come in between is done again."""
        self.repair = self.refuse
        self.change(DOWN)
        self.repair = self.put_right
        self.reactor.advance(PAUSE)
        self.reactor.advance(PAUSE)
        self.assert_change("it is down", put_right=True)
        self.assertEqual((2, []), (len(self.applied), self.ends))

    def test_refused(self) -> None:
        """What the kernel refuses to have put right ends the daemon."""
        self.repair = self.refuse
        self.change(DOWN)
        self.reactor.pump([PAUSE] * REPAIRS)
        (end,) = self.ends
        self.assertIn("it is down; this cannot be reverted: cannot configure iphttps0: busy", end)

    def test_silent(self) -> None:
        """A kernel that reports no more is told of, and not asked for ever."""
        for fail in (self.read_error, lambda: self.keeper.connectionLost(Failure(OSError("gone")))):
            with capturedLogs() as events:
                fail()
            self.assertIn("no longer reports changes of the interface", str(formatEvent(events[0])))
        self.assertEqual([], self.reactor.getReaders())

    def read_error(self) -> None:
        """Have the socket fail."""
        self.kernel.error = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        self.keeper.doRead()


class AnnouncedTests(KeeperCase):
    """What the client has from its router."""

    config = CLIENT

    def test_lost(self) -> None:
        """The router is solicited for addresses and routes that are lost; until they are back they are missed."""
        self.repair = lambda: None
        with capturedLogs() as events:
            self.change(BARE)
        self.assertRegex(
            str(formatEvent(events[0])),
            "has lost the addresses in 2001:db8:2::/64, the route 2001:db8:2::/64: .*; soliciting the router",
        )
        self.assertEqual(([CLIENT], 1), (self.applied, self.solicited))
        self.reactor.advance(PAUSE)
        self.assert_change("has lost the addresses", put_right=False)
        self.change(RIGHT)
        self.assert_change("has lost the addresses", put_right=True)

    def test_withdrawn(self) -> None:
        """What does not come back was withdrawn by the router: it is asked for three times, and not missed for ever."""
        self.repair = lambda: None
        self.change(BARE)
        self.reactor.pump([1.0] * int(PERIOD + 1))
        self.assert_change("has lost the addresses", put_right=True)
        self.assertEqual(([CLIENT], SOLICITATIONS, []), (self.applied, self.solicited, self.ends))

    def test_link_local(self) -> None:
        """The link-local address is put back as it was: the kernel makes none again while the link is up."""
        self.change(replace(RIGHT, addresses=(), routes=()))
        self.assertEqual(([replace(CLIENT, addresses=(LINK_LOCAL,))], 1), (self.applied, self.solicited))

    def test_in_turn(self) -> None:
        """What goes later, during the repair, is missed as well."""
        self.repair = lambda: None
        self.change(replace(RIGHT, routes=PREFIXES[1:]))
        self.change(BARE)
        self.reactor.advance(PAUSE)
        self.assertEqual(2, self.solicited)
        self.assert_change("has lost the addresses in 2001:db8:2::/64", put_right=False)

    def test_besides(self) -> None:
        """Addresses that are removed together with another change are missed as well."""

        def partly() -> None:
            self.kernel.current = BARE

        self.repair = partly
        self.change(replace(BARE, mtu=1500))
        self.reactor.advance(PAUSE)
        self.assertEqual((2, 1), (len(self.applied), self.solicited))

    def test_small_mtu(self) -> None:
        """Where IPv6 has left the interface, no address is put back: the kernel makes new ones."""
        self.change(replace(RIGHT, mtu=1000, addresses=(), routes=()))
        self.assertEqual([CLIENT], self.applied)

    def test_link_local_route(self) -> None:
        """Its route is put back with it."""
        self.change(replace(RIGHT, routes=PREFIXES[:1]))
        self.assertEqual([replace(CLIENT, addresses=(LINK_LOCAL,))], self.applied)

    def test_other_address(self) -> None:
        """An address in the place of another of the same prefix is no loss (RFC 8981)."""
        self.change(replace(RIGHT, addresses=(LINK_LOCAL, IPv6Interface("2001:db8:2::2/64"))))
        self.assertEqual(([], None), (self.applied, self.keeper.change))

    def test_our_own_doing(self) -> None:
        """A link that the daemon takes down and up has lost nothing."""
        self.keeper.expect(replace(CLIENT, up=False))
        self.change(DOWN)
        self.keeper.expect(CLIENT)
        self.change(BARE)
        self.assertEqual(([], None), (self.applied, self.keeper.change))
