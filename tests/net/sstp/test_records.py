"""The users' database gets a record of each session: its start, its end, and the side that has ended it."""

from __future__ import annotations

from dataclasses import replace

from iphttps.core.sstp.ppp.server import Credentials
from iphttps.core.sstp.sessions import SessionEntry
from iphttps.net.sstp.login import Denied, End, Granted
from iphttps.net.sstp.session import SHUTDOWN
from tests.net.sstp.support import Caller, SSTPCase, Users, leave, to_far
from tests.sstp_client import CALL_ABORT, CALL_DISCONNECT, CALL_DISCONNECT_ACK, message, packet

Told = tuple[str, str, bytes, int, End | None]


class Recording(Users):
    """Users whose sessions are recorded."""

    def __init__(self, told: list[Told]) -> None:
        super().__init__()
        self._told = told

    def _judge(self, credentials: Credentials) -> Granted | Denied:
        verdict = super()._judge(credentials)
        return replace(verdict, record=_Record(self._told)) if isinstance(verdict, Granted) else verdict


class _Record:
    def __init__(self, told: list[Told]) -> None:
        self._told = told

    def begin(self, entry: SessionEntry) -> None:
        self._told.append(("begin", entry.user, entry.address, entry.counters.packets_in, None))

    def end(self, entry: SessionEntry, end: End) -> None:
        self._told.append(("end", entry.user, entry.address, entry.counters.packets_in, end))


class RecordTests(SSTPCase):
    """Records, from the login to the end."""

    def setUp(self) -> None:
        """Record sessions."""
        super().setUp()
        self.told: list[Told] = []
        self.users = self.service._logins = Recording(self.told)

    def ended(self) -> End | None:
        """Return the side that has ended the only session, whose end is recorded once, as the last event."""
        self.assertEqual([name for name, *_ in self.told], ["begin", "end"])
        end = self.told[-1][-1]
        self.told.clear()
        return end

    def test_begin(self) -> None:
        """A session begins when its packets pass, with its address, and not at the login (3.3.5.2.3)."""
        caller = self.caller()
        caller.bind = lambda: b""
        caller.call()
        self.assertEqual((caller.hlak != b"", self.told), (True, []))
        caller.send(caller.bound())
        self.assertEqual(self.told, [("begin", "alice", caller.ipcp.address, 0, None)])

    def test_usage(self) -> None:
        """At the end the counters are those of the whole session; the address is free already."""
        caller = self.connected()
        caller.send(packet(to_far(caller)), packet(to_far(caller, 1)))
        leave(caller)
        self.assertEqual(self.told[1:], [("end", "alice", b"", 2, End.LOST)])

    def test_client(self) -> None:
        """A client that disconnects or aborts has ended its session."""
        for kind in (CALL_DISCONNECT, CALL_ABORT):
            caller = self.connected()
            caller.send(message(kind))
            leave(caller)
            self.assertIs(End.CLIENT, self.ended())

    def test_server(self) -> None:
        """So has the server that disconnects it, as for a newer session, whatever the client does then."""
        caller = self.connected()
        caller.session.disconnect("enough")
        self.assertEqual(len(self.told), 1)
        caller.send(message(CALL_DISCONNECT_ACK))
        self.assertIs(End.SERVER, self.ended())
        self.table.per_user = 1
        older = self.connected()
        newer = self.connected()
        older.send(message(CALL_DISCONNECT_ACK))
        self.assertEqual([(name, end) for name, *_, end in self.told], [("begin", None)] * 2 + [("end", End.SERVER)])
        leave(newer)

    def test_stopping(self) -> None:
        """A shutdown of the server has its own cause, even if a client does not acknowledge it."""
        callers = [self.connected("alice"), self.connected("bob")]
        self.listener.stop()
        self.listener.disconnect("server shutting down")
        callers[0].send(message(CALL_DISCONNECT_ACK))
        self.clock.advance(SHUTDOWN)
        self.assertEqual([end for *_, end in self.told], [None, None, End.STOPPING, End.STOPPING])

    def test_silent(self) -> None:
        """The session of a client that no longer answers counts as lost (3.1.2.3)."""
        caller = self.connected()
        self.clock.pump([1.0] * 125)
        leave(caller)
        self.assertIs(End.LOST, self.ended())

    def test_not_begun(self) -> None:
        """A session without a crypto binding has no start record; its end is recorded, so that no state remains."""
        caller = self.caller()
        caller.bind = lambda: b""
        caller.call()
        leave(caller)
        self.assertEqual([(name, end) for name, *_, end in self.told], [("end", End.LOST)])

    def test_denied(self) -> None:
        """A failed login, or one for which there is no seat, has no record."""
        self.users.denied = Denied(691, "wrong")
        caller = self.caller()
        caller.call()
        leave(caller)
        self.users.denied = None
        self.table.seats.maximum = 0
        full: Caller = self.caller()
        full.call()
        leave(full)
        self.assertEqual(self.told, [])
