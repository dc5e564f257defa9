"""Attempts at several servers through one proxy, side by side, with a login that the proxy has not accepted yet."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol

from iphttps.core.errors import ProxyError, ProxyFault
from iphttps.core.proxy.challenges import basic

from .test_proxy import ALICE, OPEN, ProxyCase, challenge


class TurnTests(ProxyCase):
    """The login is sent by one attempt at a time until it has been accepted."""

    def together(self) -> tuple[tuple[Deferred[IProtocol], Protocol], tuple[Deferred[IProtocol], Protocol]]:
        """Begin two attempts, which the proxy asks for the login; the first has sent it."""
        begun = []
        for _ in range(2):
            attempt = self.connect()
            self.accept()
            self.asked_for()
            self.say(challenge(b"Basic realm=x"))
            begun.append((attempt, self.proxied, self.transport.value()))
        (first, its, sent), (second, others, untried) = begun
        self.assertEqual((True, b""), (basic(ALICE) in sent, untried))
        return (first, its), (second, others)

    def test_one_at_a_time(self) -> None:
        """Of two attempts, at different servers, one sends a login that may be wrong; the other then does not."""
        (first, its), (second, _) = self.together()
        its.dataReceived(challenge(b"Basic realm=x"))
        self.assertIs(ProxyFault.CREDENTIALS_WRONG, self.failureResultOf(first, ProxyError).value.fault)
        self.assert_fails(second, ProxyFault.CREDENTIALS_WRONG, "rejected the login, which is not sent")
        self.assertEqual(b"", self.transport.value())

    def test_both(self) -> None:
        """Once the proxy has accepted the login, the other attempt sends it, too; so do all later ones at once."""
        (first, its), (second, _) = self.together()
        its.dataReceived(OPEN)
        self.successResultOf(first)
        self.asked_for(basic(ALICE))
        self.say(OPEN)
        self.assert_open(second)
        for _ in range(2):
            self.connect()
            self.accept()
            self.asked_for()
            self.say(challenge(b"Basic realm=x"))
            self.asked_for(basic(ALICE))

    def test_turn_given_up(self) -> None:
        """An attempt that is cancelled leaves the turn to the next one, and need not have had it."""
        (first, _), (second, _) = self.together()
        second.cancel()
        self.failureResultOf(second, CancelledError)
        third = self.connect()
        self.accept()
        self.say(challenge(b"Basic realm=x"))
        self.transport.clear()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.asked_for(basic(ALICE))
        self.say(OPEN)
        self.assert_open(third)
