"""Tests for iphttps.app.users.radius_sessions and radius_disconnect: what servers learn of sessions, and end."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.users.radius import GOODBYE, RadiusLogins
from iphttps.app.users.radius_exchange import WAIT, Server
from iphttps.core.sstp.ppp.pap import AuthenticateRequest
from iphttps.core.sstp.sessions import SessionEntry
from iphttps.net.sstp.login import End, Granted
from tests.app.users.radius_peer import SECRET, FakePort, Query, UDPClock, decode, order
from tests.support import RecordingConnection

SERVER = Server(ip_address("192.0.2.1"), 1812)
ACCOUNTING, DISCONNECT_PORT = 1813, 3799
CLIENT = ip_address("198.51.100.7")
NOW = 1_700_000_000
DISCONNECT, CHANGE = 40, 43
ACK, NAK, CHANGE_NAK = 41, 42, 45
USER, FRAMED, CLASS, SESSION, NAS = 1, 8, 25, 44, 32
TIMESTAMP, ERROR_CAUSE = 55, 101
SESSION_TIMEOUT, IDLE_TIMEOUT, INTERIM = 27, 28, 85


class Session:
    """A session of a user whom the server accepts with these attributes."""

    def __init__(self, case: SessionCase, number: int, *pairs: tuple[int, bytes], begin: bool = True) -> None:
        case.logins.check(AuthenticateRequest(1, b"alice", b""), CLIENT).addCallback(self._granted)
        ((data, _),) = case.clock.sent(SERVER.port)
        query = Query(data)
        case.clock.answer(query.reply(2, pairs), (str(SERVER.address), SERVER.port))
        self.identifier = query.values[SESSION]
        self.connection = RecordingConnection()
        self.entry = SessionEntry(number, self.connection, "198.51.100.7:1", 0.0)
        self.entry.address = bytes((10, 0, 0, number))
        if begin:
            self.record.begin(self.entry)

    @property
    def ended(self) -> object:
        """The reason of its end; None if it has not ended."""
        return next(iter(self.connection.events), None)

    def _granted(self, verdict: object) -> None:
        assert isinstance(verdict, Granted)
        assert verdict.record
        self.record = verdict.record


class SessionCase(SynchronousTestCase):
    """Sessions on a clock, with one server."""

    def setUp(self) -> None:
        """Prepare the server."""
        self.clock = UDPClock()
        numbers = iter(range(1, 100))
        self.logins = RadiusLogins(
            self.clock.reactor,
            [SERVER],
            SECRET,
            disconnect_port=DISCONNECT_PORT,
            nas=b"gateway",
            random=lambda size: next(numbers).to_bytes(size, "big"),
            day=lambda: NOW + self.clock.seconds(),
        )

    def records(self) -> list[dict[int, int | bytes]]:
        """Answer the accounting records sent since the last time, and return them; 4 bytes are a number."""
        found = []
        for data, address in self.clock.sent(ACCOUNTING):
            query = Query(data)
            assert query.is_proved
            self.clock.answer(query.reply(5, proved=False), address)
            found.append(
                {
                    kind: int.from_bytes(value, "big") if len(value) == 4 else value
                    for kind, value in query.values.items()
                }
            )
        return found


class AccountingTests(SessionCase):
    """Accounting (RFC 2866)."""

    def test_start_and_stop(self) -> None:
        """A session has a record of its start and one of its end: its identity, its use, and who has ended it."""
        session = Session(self, 7, (CLASS, b"one"))
        (start,) = self.records()
        self.assertEqual((start[40], start[USER], start[FRAMED]), (1, b"alice", 0x0A000007))
        self.assertEqual((start[31], start[NAS], start[CLASS]), (b"198.51.100.7", b"gateway", b"one"))
        self.assertEqual((start[SESSION], start[TIMESTAMP]), (session.identifier, NOW))
        session.entry.counters.received(2, 300)
        session.entry.counters.sent(3, (1 << 32) + 5)
        self.clock.advance(90)
        session.record.end(session.entry, End.CLIENT)
        (stop,) = self.records()
        self.assertEqual((stop[40], stop[SESSION], stop[46]), (2, session.identifier, 90))
        self.assertEqual((stop[47], stop[42], stop[48], stop[43], stop[53]), (2, 300, 3, 5, 1))
        self.assertEqual(stop[49], 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_causes(self) -> None:
        """Acct-Terminate-Cause tells which side ended the session (RFC 2866 section 5.10)."""
        found = []
        for end in End:
            session = Session(self, 1)
            session.record.end(session.entry, end)
            found.append((end, self.records()[-1][49]))
        self.assertEqual(found, [(End.CLIENT, 1), (End.SERVER, 10), (End.STOPPING, 7), (End.LOST, 2)])

    def test_not_begun(self) -> None:
        """A session that never begins has no record."""
        session = Session(self, 1, begin=False)
        session.record.end(session.entry, End.LOST)
        self.assertEqual(self.records(), [])

    def test_interim(self) -> None:
        """The server chooses how often a session reports what it has used so far (RFC 2869 section 5.16)."""
        session = Session(self, 1, (INTERIM, struct.pack("!I", 100)))
        self.records()
        for seconds in (100, 200):
            session.entry.counters.received(1, 10)
            self.clock.advance(100)
            (interim,) = self.records()
            self.assertEqual((interim[40], interim[46], interim[47]), (3, seconds, seconds // 100))
            self.assertNotIn(49, interim)

    def test_again(self) -> None:
        """A record without an answer is sent again as it was."""
        Session(self, 1)
        ((first, _),) = self.clock.sent(ACCOUNTING)
        self.clock.advance(WAIT)
        self.assertEqual([data for data, _ in self.clock.sent(ACCOUNTING)], [first])

    def test_server(self) -> None:
        """Accounting begins with Accounting-On, and ends with Accounting-Off after the last session (RFC 2866 5.1)."""
        self.logins.start()
        self.assertEqual([record[40] for record in self.records()], [7])
        session = Session(self, 1)
        self.records()
        self.logins.stop()
        self.assertEqual(self.records(), [])
        session.record.end(session.entry, End.STOPPING)
        self.assertNoResult(self.logins.finished)
        self.assertEqual([record[40] for record in self.records()], [2, 8])
        self.successResultOf(self.logins.finished)
        self.assertFalse(any(port.open for port in self.clock.ports))

    def test_stop_again(self) -> None:
        """While the daemon stops, the records of the end are sent until they are confirmed (RFC 2866 section 2)."""
        session = Session(self, 1)
        self.records()
        self.logins.stop()
        self.clock.advance(1)
        session.record.end(session.entry, End.STOPPING)
        first = self.clock.sent(ACCOUNTING)
        self.clock.advance(WAIT)
        again = self.clock.sent(ACCOUNTING)
        self.assertEqual((len(first), again), (2, first))
        self.assertNoResult(self.logins.finished)
        for data, address in again:
            self.clock.answer(Query(data).reply(5, proved=False), address)
        self.successResultOf(self.logins.finished)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_unheard(self) -> None:
        """The daemon does not wait for ever for a server that confirms nothing; the log says how many are lost."""
        for ends in (True, False):
            with self.subTest(ends=ends), capturedLogs() as events:
                self.setUp()
                session = Session(self, 1)
                self.records()
                self.logins.stop()
                if ends:
                    session.record.end(session.entry, End.STOPPING)
                self.clock.pump([1.0] * int(GOODBYE - 1))
                self.clock.advance(0.5)
                self.clock.advance(0.5)
                self.successResultOf(self.logins.finished)
                lost = [event["count"] for event in events if event.get("event") == "radius-lost"]
                self.assertEqual(lost, [2] if ends else [])  # Stop and Accounting-Off

    def test_silent(self) -> None:
        """A server that confirms no record is a problem that the status shows, until it does."""
        Session(self, 1)
        self.clock.pump([WAIT] * 3)
        self.assertEqual(self.logins.problem, "accounting: no RADIUS server answers: 192.0.2.1:1813")
        self.clock.sent(ACCOUNTING)
        session = Session(self, 2)
        self.records()
        self.assertIsNone(self.logins.problem)
        self.assertIsNone(session.ended)


class TimeoutTests(SessionCase):
    """The times that a server gives a session."""

    def test_session(self) -> None:
        """Session-Timeout ends a session after so many seconds (RFC 2865 section 5.27)."""
        session = Session(self, 1, (SESSION_TIMEOUT, struct.pack("!I", 60)))
        self.clock.advance(59)
        self.assertEqual(session.ended, None)
        self.clock.advance(1)
        self.assertEqual(session.ended, "it has reached the Session-Timeout of 60 s")
        session.record.end(session.entry, End.SERVER)
        self.assertEqual(self.records()[-1][49], 5)

    def test_idle(self) -> None:
        """Idle-Timeout ends a session in which no packet passes (RFC 2865 section 5.28)."""
        session = Session(self, 1, (IDLE_TIMEOUT, struct.pack("!I", 60)))
        session.entry.counters.received(1, 10)
        self.clock.advance(60)
        session.entry.counters.sent(1, 10)
        self.clock.advance(60)
        self.assertEqual(session.ended, None)
        self.clock.advance(60)
        self.assertEqual(session.ended, "it has reached the Idle-Timeout of 60 s")
        session.record.end(session.entry, End.SERVER)
        self.assertEqual(self.records()[-1][49], 4)


class DisconnectTests(SessionCase):
    """Requests of the server (RFC 5176)."""

    def ask(
        self,
        *pairs: tuple[int, bytes],
        code: int = DISCONNECT,
        source: str = "192.0.2.1",
        secret: bytes = SECRET,
        identifier: int = 1,
    ) -> tuple[int, int] | None:
        """Return the code of the answer and its Error-Cause, 0 without one; None if there is no answer."""
        port: FakePort = next(port for port in self.clock.ports if port.number == DISCONNECT_PORT)
        port.sent.clear()
        port.protocol.datagramReceived(order(code, pairs, identifier, secret), (source, 40000))
        if not port.sent:
            return None
        ((data, address),) = port.sent
        self.assertEqual((address, data[1]), ((source, 40000), identifier))
        return data[0], int.from_bytes(dict(decode(data[20:])).get(ERROR_CAUSE, b""), "big")

    def test_by_session(self) -> None:
        """A session is found by its Acct-Session-Id, and no other ends; the record says Admin-Reset."""
        session, other = Session(self, 1), Session(self, 2)
        self.assertEqual(self.ask((SESSION, session.identifier)), (ACK, 0))
        self.assertEqual(session.ended, "the RADIUS server 192.0.2.1 disconnects it")
        self.assertIsNone(other.ended)
        session.record.end(session.entry, End.SERVER)
        self.assertEqual(self.records()[-1][49], 6)

    def test_by_user(self) -> None:
        """A User-Name ends all sessions of the user; an address beside it narrows them down."""
        sessions = [Session(self, number) for number in (1, 2, 3)]
        self.assertEqual(self.ask((USER, b"alice"), (FRAMED, bytes((10, 0, 0, 2)))), (ACK, 0))
        self.assertEqual([bool(each.ended) for each in sessions], [False, True, False])
        self.assertEqual(self.ask((USER, b"alice"), (31, b"198.51.100.7"), identifier=2), (ACK, 0))
        self.assertTrue(all(each.ended for each in sessions))

    def test_refused(self) -> None:
        """A request that cannot be met is rejected with its Error-Cause (RFC 5176 section 3.5)."""
        session = Session(self, 1)
        self.assertEqual(self.ask((USER, b"bob")), (NAK, 503))
        self.assertEqual(self.ask((USER, b"alice"), (SESSION, b"another")), (NAK, 503))
        self.assertEqual(self.ask(), (NAK, 402))
        self.assertEqual(self.ask((FRAMED, bytes((10, 0, 0, 1)))), (NAK, 402))
        self.assertEqual(self.ask((USER, b"alice"), (NAS, b"another")), (NAK, 403))
        self.assertEqual(self.ask((USER, b"alice"), code=CHANGE), (CHANGE_NAK, 406))
        self.assertIsNone(session.ended)

    def test_ignored(self) -> None:
        """Other sources, other secrets, old requests and other packets get no answer (RFC 5176 section 6)."""
        session = Session(self, 1)
        old = struct.pack("!I", NOW - 301)
        self.assertIsNone(self.ask((USER, b"alice"), source="192.0.2.2"))
        self.assertIsNone(self.ask((USER, b"alice"), secret=b"another"))
        self.assertIsNone(self.ask((USER, b"alice"), (TIMESTAMP, old)))
        self.assertIsNone(self.ask((USER, b"alice"), (80, bytes(16))))
        self.assertIsNone(self.ask((USER, b"alice"), code=1))
        port = next(port for port in self.clock.ports if port.number == DISCONNECT_PORT)
        for wrong in (b"", bytes(19), order(DISCONNECT, [(USER, b"alice")])[:-1]):
            port.protocol.datagramReceived(wrong, ("192.0.2.1", 40000))
        self.assertEqual(port.sent, [])
        self.assertIsNone(session.ended)
        self.assertEqual(self.ask((USER, b"alice"), (TIMESTAMP, struct.pack("!I", NOW))), (ACK, 0))

    def test_mapped(self) -> None:
        """A server's IPv4 address may come mapped into IPv6, where the port serves both."""
        Session(self, 1)
        self.assertEqual(self.ask((USER, b"alice"), source="::ffff:192.0.2.1"), (ACK, 0))

    def test_repeated(self) -> None:
        """A repeated request gets the same answer, although the session has ended (RFC 5080 section 2.2.2)."""
        session = Session(self, 1)
        self.assertEqual(self.ask((USER, b"alice")), (ACK, 0))
        session.record.end(session.entry, End.SERVER)
        self.assertEqual(self.ask((USER, b"alice")), (ACK, 0))
        self.assertEqual(self.ask((USER, b"alice"), identifier=2), (NAK, 503))
        for identifier in range(3, 256):
            self.ask((USER, b"bob"), identifier=identifier)
        for identifier in range(3):
            self.ask((USER, b"carol"), identifier=identifier)
        self.assertEqual(self.ask((USER, b"alice")), (NAK, 503))
