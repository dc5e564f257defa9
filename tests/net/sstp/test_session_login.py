"""A session and the verdicts on its client's password: at once, later, or too late."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from iphttps.net.sstp.login import Denied, Granted
from tests.net.sstp.support import SSTPCase
from tests.sstp_client import (
    CALL_ABORT,
    CALL_CONNECT_ACK,
    CALL_DISCONNECT,
    data,
    message,
)

LCP = 0xC021


def lost() -> Failure:
    """Return what a connection ends with."""
    return Failure(ConnectionDone())


class LoginTests(SSTPCase):
    """Verdicts that come at once, later, or too late."""

    def setUp(self) -> None:
        """Have verdicts come later."""
        super().setUp()
        self.users.later = True

    def decide(self) -> None:
        """Let the oldest verdict come."""
        found, verdict = self.users.waiting.pop(0)
        if not found.called:
            found.callback(verdict)

    def test_later(self) -> None:
        """A verdict may take its time, and the binding may come before it (3.3.7.1)."""
        caller = self.caller()
        caller.call()
        self.assertEqual((len(self.users.waiting), caller.hlak), (1, b""))
        self.decide()
        caller.send(caller.take())
        self.assertTrue(caller.ready)

    def test_too_late(self) -> None:
        """The check of a client that disconnects before the verdict is cancelled, and no address is taken."""
        for act in (
            lambda caller: caller.session.connectionLost(lost()),
            lambda caller: caller.send(message(CALL_DISCONNECT)),
            lambda caller: caller.session.disconnect("enough"),
            lambda caller: caller.send(message(CALL_ABORT)),
            lambda caller: caller.send(b"\x11"),
        ):
            caller, before = self.caller(), self.users.cancelled
            caller.call()
            act(caller)
            self.assertEqual(self.users.cancelled, before + 1)
            self.decide()
            self.assertEqual(len(self.pool), 0)
            self.clock.pump([1.0] * 8)
        self.assertEqual(len(self.table), 0)

    def test_verdict_on_an_end(self) -> None:
        """A verdict on a call that ends takes no address, and ends no other session of the user."""
        self.users.later = False
        first, second = self.connected(), self.connected()
        self.users.later = True
        caller = self.caller()
        caller.call()
        caller.session.disconnect("enough")
        held = len(self.pool)
        verdict = self.users.waiting[0][1]
        self.assertEqual(self.service.decided(caller.entry, caller.session.call, verdict), [])
        self.assertEqual((len(self.pool), first.session.call.ends, second.session.call.ends), (held, False, False))

    def test_negotiated_again(self) -> None:
        """A client that negotiates the link again, to try two passwords at a time, is disconnected."""
        caller = self.caller()
        caller.call()
        caller.send(data(LCP, bytes.fromhex("01770004")))
        self.assertEqual((len(self.users.waiting), self.users.cancelled), (1, 1))
        self.assertEqual((True, False), (caller.session.call.ends, caller.session.call.awaits_verdict))
        self.decide()
        self.assertEqual((0, [CALL_CONNECT_ACK, CALL_DISCONNECT]), (len(self.pool), caller.kinds))

    def test_refused(self) -> None:
        """A login that is wrong is told so, and the call ends (RFC 2759 section 6)."""
        self.users.later, self.users.denied = False, Denied(691, "wrong")
        caller = self.caller()
        caller.call()
        self.assertTrue(caller.refused.startswith(b"E=691 R=0"), caller.refused)
        self.assertEqual(caller.kinds, [CALL_CONNECT_ACK, CALL_DISCONNECT])

    def test_bug(self) -> None:
        """A check that fails is logged, and the call ends; nobody waits for a verdict for ever."""

        def failing(*_: object) -> Deferred[Granted | Denied]:
            found: Deferred[Granted | Denied] = Deferred()
            found.errback(ZeroDivisionError())
            return found

        self.patch(self.users, "check", failing)
        caller = self.caller()
        caller.call()
        self.assertEqual(caller.kinds, [CALL_CONNECT_ACK, CALL_DISCONNECT])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
