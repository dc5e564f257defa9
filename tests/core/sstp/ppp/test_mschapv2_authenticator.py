"""Tests for iphttps.core.sstp.ppp.mschapv2_authenticator."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.sstp.ppp import mschapv2, mschapv2_authenticator
from iphttps.core.sstp.ppp.chap import Challenge, FailureCode, Response, Result, parse
from iphttps.core.sstp.ppp.mschapv2_authenticator import (
    MAX_CHALLENGE,
    TRANSITIONS,
    Authenticator,
    Command,
    Event,
    Outcome,
    Send,
    State,
    Verify,
)
from iphttps.pki.des import encrypt

CHALLENGE = bytes(range(16))
SENT = Send(Challenge(9, CHALLENGE, b"server").encode())
RESPONSE = Response(9, b"p" * 16, b"n" * 24, b"alice")
PACKET = RESPONSE.encode()
SUCCESS = b"S=" + b"0" * 40
SUCCEEDED = Send(Result(9, True, SUCCESS + b" M=Access granted").encode())
FAILED = Send(Result(9, False, b"E=691 R=0 C=000102030405060708090A0B0C0D0E0F V=3 M=Access denied").encode())


class AuthenticatorCase(SynchronousTestCase):
    """An authenticator that has not started."""

    def setUp(self) -> None:
        """Make it."""
        self.authenticator = Authenticator(CHALLENGE, b"server", 9)

    def verifying(self) -> None:
        """Have it wait for a verdict."""
        self.authenticator.start(0.0)
        self.authenticator.receive(PACKET, 1.0)


class ExchangeTests(AuthenticatorCase):
    """The exchange, command by command."""

    def test_success(self) -> None:
        """Challenge, Response, the owner's verdict, Success; then the network phase begins (RFC 1661 section 3.5)."""
        self.assertEqual([SENT], self.authenticator.start(0.0))
        self.assertEqual([Verify(CHALLENGE, RESPONSE)], self.authenticator.receive(PACKET, 1.0))
        self.assertEqual(b"alice", self.authenticator.name)
        self.assertEqual([SUCCEEDED, Outcome.AUTHENTICATED], self.authenticator.accept(SUCCESS, 20.0))
        self.assertIs(State.SUCCEEDED, self.authenticator.state)

    def test_failure(self) -> None:
        """A rejected peer gets a Failure that lets it not try again (RFC 2759 section 6)."""
        self.verifying()
        self.assertEqual([FAILED, Outcome.REJECTED], self.authenticator.reject(2.0))
        self.assertIs(State.FAILED, self.authenticator.state)

    def test_reason(self) -> None:
        """The owner may know a better reason, such as a disabled account (RFC 2759 section 6)."""
        self.verifying()
        commands = self.authenticator.reject(2.0, FailureCode.ACCT_DISABLED)
        assert isinstance(commands[0], Send)
        self.assertTrue(commands[0].packet[4:].startswith(b"E=647 R=0 C="))

    def test_whole(self) -> None:
        """With a real peer: the right password gives the same keys to both, and a wrong one none."""
        for password, outcome in (("secret", Outcome.AUTHENTICATED), ("guess", Outcome.REJECTED)):
            authenticator = Authenticator(CHALLENGE, b"server")
            (sent,) = authenticator.start(0.0)
            assert isinstance(sent, Send)
            challenge = parse(sent.packet)
            assert isinstance(challenge, Challenge)
            own = mschapv2.nt_password_hash(password)
            response = mschapv2.respond(own, challenge.identifier, challenge.value, b"q" * 16, b"D\\alice", encrypt)
            (asked,) = authenticator.receive(response.encode(), 0.1)
            assert isinstance(asked, Verify)
            known = mschapv2.nt_password_hash("secret")
            proof = mschapv2.verify(known, asked.challenge, asked.response, encrypt)
            result, reported = authenticator.accept(proof.success, 0.2) if proof else authenticator.reject(0.2)
            self.assertIs(outcome, reported)
            assert isinstance(result, Send)
            answer = parse(result.packet)
            assert isinstance(answer, Result)
            self.assertEqual(bool(proof), mschapv2.check_success(answer.message, own, challenge.value, response))


class RepeatTests(AuthenticatorCase):
    """Packets that come again, and those that must not count."""

    def test_while_verifying(self) -> None:
        """While the verdict is awaited, a repeated Response asks for no second one."""
        self.verifying()
        self.assertEqual([], self.authenticator.receive(PACKET, 1.5))
        self.assertEqual([SUCCEEDED, Outcome.AUTHENTICATED], self.authenticator.accept(SUCCESS, 2.0))

    def test_after(self) -> None:
        """A repeated Response gets the same answer, whatever is in it (RFC 1994 section 4.1)."""
        other = Response(9, b"x" * 16, b"y" * 24, b"root").encode()
        self.verifying()
        self.authenticator.accept(SUCCESS, 2.0)
        for packet in (PACKET, other, PACKET):
            self.assertEqual([SUCCEEDED], self.authenticator.receive(packet, 3.0))
        self.assertEqual(b"alice", self.authenticator.name)

        self.setUp()
        self.verifying()
        self.authenticator.reject(2.0)
        for packet in (PACKET, other):
            self.assertEqual([FAILED], self.authenticator.receive(packet, 3.0))

    def test_discarded(self) -> None:
        """Another identifier, another code, and what is malformed are discarded in silence (RFC 1994 section 4.1)."""
        self.assertEqual([], self.authenticator.receive(PACKET, 0.0))  # before the Challenge
        self.authenticator.start(0.0)
        for packet in (
            b"",
            PACKET[:-1],
            PACKET[:1] + b"\x0a" + PACKET[2:],
            SENT.packet,
            SUCCEEDED.packet,
            FAILED.packet,
        ):
            self.assertEqual([], self.authenticator.receive(packet, 1.0), packet)
        self.assertIs(State.CHALLENGE_SENT, self.authenticator.state)
        self.assertEqual(3.0, self.authenticator.deadline)

    def test_second_verdict(self) -> None:
        """A second verdict is a bug of the caller, and changes nothing."""
        self.assertRaises(KeyError, self.authenticator.accept, SUCCESS, 0.0)
        self.verifying()
        self.authenticator.reject(2.0)
        self.assertRaises(KeyError, self.authenticator.accept, SUCCESS, 2.0)
        self.assertRaises(KeyError, self.authenticator.start, 2.0)
        self.assertEqual([FAILED], self.authenticator.receive(PACKET, 3.0))


class TimeTests(AuthenticatorCase):
    """The timer."""

    def test_again(self) -> None:
        """The same Challenge is sent ten times, three seconds apart; then the authenticator gives up."""
        self.assertIsNone(self.authenticator.deadline)
        self.assertEqual([SENT], self.authenticator.start(100.0))
        for number in range(1, MAX_CHALLENGE):
            self.assertEqual(100.0 + 3 * number, self.authenticator.deadline)
            self.assertEqual([], self.authenticator.expired(100.0 + 3 * number - 0.1))
            self.assertEqual([SENT], self.authenticator.expired(100.0 + 3 * number))
        self.assertEqual([Outcome.NO_RESPONSE], self.authenticator.expired(130.0))
        self.assertIsNone(self.authenticator.deadline)
        # There is no result that a late Response could get.
        self.assertEqual([], self.authenticator.receive(PACKET, 131.0))

    def test_none(self) -> None:
        """Once a Response has come there is nothing to wait for."""
        self.verifying()
        self.assertIsNone(self.authenticator.deadline)
        self.assertEqual([], self.authenticator.expired(1000.0))
        self.authenticator.accept(SUCCESS, 1000.0)
        self.assertIsNone(self.authenticator.deadline)

    @given(st.lists(st.sampled_from(["response", "other", "accept", "reject", "expired"]), max_size=30))
    def test_any_order(self, steps: list[str]) -> None:
        """In any order: one verdict at most is asked for, one outcome at most is reported, Success only if accepted."""
        self.setUp()
        now = 0.0
        said: list[Command] = self.authenticator.start(now)
        for step in steps:
            now += 1.0
            waiting = self.authenticator.state is State.VERIFYING
            match step:
                case "response":
                    said += self.authenticator.receive(PACKET, now)
                case "other":
                    said += self.authenticator.receive(PACKET[:1] + b"\x01" + PACKET[2:], now)
                case "accept" if waiting:
                    said += self.authenticator.accept(SUCCESS, now)
                case "reject" if waiting:
                    said += self.authenticator.reject(now)
                case "expired":
                    now += 3.0
                    said += self.authenticator.expired(now)
        self.assertLessEqual(sum(isinstance(each, Verify) for each in said), 1)
        self.assertLessEqual(sum(isinstance(each, Outcome) for each in said), 1)
        self.assertEqual(Outcome.AUTHENTICATED in said, SUCCEEDED in said)


class TableTests(SynchronousTestCase):
    """The table itself."""

    def test_as_described(self) -> None:
        """Each row of the module's description is in the table, and nothing else."""
        states, events = {each.name for each in State}, {each.name for each in Event}
        rows = [line.split()[:3] for line in (mschapv2_authenticator.__doc__ or "").splitlines()]
        described = [row for row in rows if row and row[0] in states and row[1] in events]
        expected = [[state.name, event.name, new.name] for (state, event), (new, _) in TRANSITIONS.items()]
        self.assertEqual(expected, described)

    def test_ends(self) -> None:
        """SUCCEEDED and FAILED are never left, and no other event belongs there."""
        for state, event in product((State.SUCCEEDED, State.FAILED), Event):
            if event is Event.RESPONSE:
                self.assertIs(state, TRANSITIONS[state, event][0])
            else:
                self.assertNotIn((state, event), TRANSITIONS)
