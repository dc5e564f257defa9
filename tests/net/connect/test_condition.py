"""When the client begins: each of the conditions (3.1.3)."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientState
from iphttps.core.errors import ConfigError
from iphttps.net.connect.condition import Condition, FirewallCondition, always
from iphttps.net.connect_condition import RECHECK_INTERVAL, ConnectCondition

from ..support import OUTER, ClientEnd, Endpoint


class PreconditionCase(SynchronousTestCase):
    """A client, and the condition that it waits for."""

    def setUp(self) -> None:
        """Make the client, disabled."""
        self.clock = MemoryReactorClock()
        self.end = ClientEnd(self.clock)
        self.addCleanup(self.end.device.close)
        self.looks: list[Deferred[bool]] = []

    def precondition(self, needed: Condition | None) -> ConnectCondition:
        """Return what waits for this condition."""
        return ConnectCondition(self.clock, self.end.client, needed)

    def look(self) -> Deferred[bool]:
        """Be a condition that the test decides."""
        self.looks.append(Deferred())
        return self.looks[-1]

    def assert_state(self, state: ClientState, attempts: int) -> None:
        """Check how far the client is."""
        self.assertEqual((self.end.state, len(self.end.endpoint.attempts)), (state, attempts))


class PreconditionTests(PreconditionCase):
    """What leads to the first attempt, and what does not."""

    def test_always(self) -> None:
        """By the administrator's policy the client begins when it is enabled (3.1.3)."""
        self.precondition(always).enable()
        self.assert_state(ClientState.LINK_DOWN, 1)

    def test_user(self) -> None:
        """Without a condition the client waits for the user, whose wish is one from every state (3.1.3)."""
        precondition = self.precondition(None)
        precondition.enable()
        self.clock.advance(2 * RECHECK_INTERVAL)
        self.assert_state(ClientState.ENABLED, 0)
        precondition.demand()
        self.assert_state(ClientState.LINK_DOWN, 1)
        precondition.demand()
        self.assert_state(ClientState.LINK_DOWN, 1)
        precondition.disable()
        self.assert_state(ClientState.DISABLED, 1)
        precondition.demand()
        self.assert_state(ClientState.LINK_DOWN, 2)

    def test_waiting(self) -> None:
        """What an enabled client waits for can be said, and is said of no other."""
        precondition = ConnectCondition(self.clock, self.end.client, None, "to be asked")
        self.assertIsNone(precondition.waiting)
        with capturedLogs() as events:
            precondition.enable()
        self.assertIn("not connecting: to be asked", [formatEvent(event) for event in events])
        self.assertEqual(precondition.waiting, "to be asked")
        precondition.demand()
        self.assertIsNone(precondition.waiting)

    def test_met_later(self) -> None:
        """A condition that is not met is looked at again after a while, and at once when the network changes."""
        precondition = self.precondition(self.look)
        precondition.enable()
        self.looks[-1].callback(False)
        self.clock.advance(RECHECK_INTERVAL)
        self.assertEqual(len(self.looks), 2)
        self.looks[-1].callback(False)
        precondition.network_changed()
        self.assertEqual(len(self.looks), 3)
        self.assert_state(ClientState.ENABLED, 0)
        self.looks[-1].callback(True)
        self.assert_state(ClientState.LINK_DOWN, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_found_out(self) -> None:
        """A condition that cannot be found out is said to be so, and looked at again."""
        precondition = self.precondition(self.look)
        with capturedLogs() as events:
            precondition.enable()
            self.looks[-1].errback(ConfigError("the file is gone"))
        self.assertIn(
            "cannot determine whether the tunnel is needed: the file is gone", [formatEvent(event) for event in events]
        )
        self.clock.advance(RECHECK_INTERVAL)
        self.assertEqual(len(self.looks), 2)

    def test_user_is_quicker(self) -> None:
        """The user's wish, or the end, calls off a look at the condition."""
        for action, state in (("demand", ClientState.LINK_DOWN), ("disable", ClientState.DISABLED)):
            precondition = self.precondition(self.look)
            precondition.enable()
            getattr(precondition, action)()
            self.assertIs(self.end.state, state)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            precondition.disable()

    def test_network_changed(self) -> None:
        """When the network changes during an attempt, a new one begins at once."""
        precondition = self.precondition(always)
        precondition.enable()
        self.end.endpoint.refuse(ConnectionRefusedError())
        precondition.network_changed()
        self.assert_state(ClientState.LINK_DOWN, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        precondition.disable()
        precondition.network_changed()
        self.assert_state(ClientState.DISABLED, 2)


class BlockedTests(PreconditionCase):
    """A firewall that blocks (3.1.3)."""

    def setUp(self) -> None:
        """Begin to look."""
        super().setUp()
        self.direct = Endpoint()
        self.blocked = FirewallCondition(cast(IStreamClientEndpoint, self.direct), "intranet.example:443")

    def test_open(self) -> None:
        """Whoever reaches the host directly needs no tunnel, and hangs up."""
        looked = self.blocked()
        transport = StringTransport(hostAddress=OUTER)
        self.direct.accept(transport)
        self.assertIs(self.successResultOf(looked), False)
        self.assertTrue(transport.disconnecting)

    def test_blocked(self) -> None:
        """Whoever does not reach it, needs one."""
        looked = self.blocked()
        self.direct.refuse(ConnectionRefusedError())
        self.assertIs(self.successResultOf(looked), True)

    def test_called_off(self) -> None:
        """A look that is called off decides nothing, by whatever name the attempt fails then."""
        self.direct.cancelling = DNSLookupError
        precondition = self.precondition(self.blocked)
        precondition.enable()
        precondition.disable()
        self.assert_state(ClientState.DISABLED, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
