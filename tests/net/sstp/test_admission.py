"""The service: who is admitted, and who must go."""

from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from iphttps.net.connection import CLOSE_DEADLINE
from iphttps.net.sstp.login import Denied
from tests.net.sstp.support import SSTPCase, leave
from tests.sstp_client import CALL_DISCONNECT, REQUEST_HEAD


class AdmissionTests(SSTPCase):
    """Limits before anybody has shown a password."""

    maximum = 5

    def test_displaced(self) -> None:
        """Of calls that are not connected the oldest gives way at once, with a word and without waiting for one."""
        callers = [self.caller() for _ in range(5)]
        self.assertEqual(len(self.table), 4)
        transport = callers[0].transport
        self.assertTrue(transport.disconnecting)
        callers[0].take()
        self.assertEqual(callers[0].kinds, [CALL_DISCONNECT])
        self.clock.advance(CLOSE_DEADLINE)
        self.assertTrue(transport.disconnected)
        self.assertEqual([each.transport.disconnecting for each in callers[1:]], [False] * 4)

    def test_authenticated(self) -> None:
        """Whoever has shown a password is displaced after those who have not."""
        known = self.caller()
        known.bind = lambda: b""
        known.call()
        silent = [self.caller() for _ in range(4)]
        self.assertEqual([each.transport.disconnecting for each in (known, *silent)], [False, True] + [False] * 3)

    def test_connected(self) -> None:
        """Whoever is connected is not displaced at all."""
        connected = self.connected()
        for _ in range(6):
            self.caller()
        self.assertFalse(connected.transport.disconnecting)

    def test_full(self) -> None:
        """If all seats are taken, a user who logs in is disconnected with a line in the log, and gets no address."""
        self.table.seats.maximum = 1
        connected = self.connected()
        self.refused("there is no room for bob: the server has reached --max-clients, 1")
        leave(connected)
        self.connected("bob")

    def test_unauthenticated(self) -> None:
        """Calls without a password take no seat from users, and none of their source's sessions, however many."""
        self.table.seats.maximum = self.service.sources.most = 1
        for _ in range(20):
            self.caller(address="192.0.2.8")
        self.assertEqual((self.table.seats.taken, len(self.table)), (0, self.handshakes))
        self.connected(address="192.0.2.8")
        self.assertEqual((self.table.seats.taken, self.table.seated), (1, 1))

    def test_own_seat(self) -> None:
        """A user who logs in again while all seats are taken displaces the older session, and takes its seat."""
        self.table.seats.maximum = self.table.per_user = 1
        older = self.connected()
        self.connected()
        older.take()
        self.assertEqual((older.kinds, self.table.seats.taken), ([CALL_DISCONNECT], 1))

    def test_wrong_password(self) -> None:
        """A failed login takes no seat."""
        self.users.denied = Denied(691, "'alice': the name or the password is wrong")
        self.caller().call()
        self.assertEqual(self.table.seats.taken, 0)

    def test_source(self) -> None:
        """A source at its limit gets no further session; what has ended does not count."""
        self.service.sources.most = 1
        caller = self.connected(address="192.0.2.8")
        self.refused("there is no room for bob: 192.0.2.8 has reached --max-sessions-per-source", "192.0.2.8")
        self.connected("bob", address="192.0.2.9")
        leave(caller)
        self.connected("bob", address="192.0.2.8")

    def refused(self, reason: str, address: str = "192.0.2.7") -> None:
        """Assert that bob is disconnected for this reason before IPCP has begun."""
        taken, addresses = self.table.seats.taken, len(self.pool)
        with capturedLogs() as events:
            caller = self.caller("bob", address)
            caller.call()
            self.assertEqual((caller.kinds[-1], caller.up & set(caller.networks)), (CALL_DISCONNECT, set()))
            leave(caller)
        self.assertEqual([each["sentence"] for each in events if each.get("event") == "refused"], [reason])
        self.assertEqual((self.table.seats.taken, len(self.pool)), (taken, addresses))

    def test_wrong_request(self) -> None:
        """Other requests get a proper HTTP error, and no session ([MS-SSTP] 3.3.7.2)."""
        for change, status in (
            ((b"SSTP_DUPLEX_POST", b"GET"), b"405"),
            ((b"/sra_", b"/"), b"404"),
            ((b"/1.1", b"/1.0"), b"505"),
        ):
            protocol, transport = self.listener.buildProtocol(None), StringTransport()
            protocol.makeConnection(transport)
            protocol.dataReceived(REQUEST_HEAD.replace(*change))
            self.assertEqual(transport.value()[9:12], status)
        self.assertEqual(len(self.table), 0)
