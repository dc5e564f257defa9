"""The authenticator of MS-CHAPv2 (RFC 1994 section 4, RFC 2759): it challenges the peer and sends the result.

It has no users' database: the command Verify asks the owner for a verdict, which may come at once or later, as from a
RADIUS server. The whole machine is this table:

    state            event       new state        action
    INITIAL          START       CHALLENGE_SENT   send the Challenge
    CHALLENGE_SENT   TIMEOUT     CHALLENGE_SENT   send the Challenge again
    CHALLENGE_SENT   EXHAUSTED   FAILED           report that no Response has come
    CHALLENGE_SENT   RESPONSE    VERIFYING        ask for a verdict
    VERIFYING        RESPONSE    VERIFYING        -
    VERIFYING        ACCEPTED    SUCCEEDED        send Success, report the success
    VERIFYING        REJECTED    FAILED           send Failure, report the failure
    SUCCEEDED        RESPONSE    SUCCEEDED        send Success again
    FAILED           RESPONSE    FAILED           send Failure again, if it was sent

A repeated Response gets the same answer as the first without being verified (RFC 1994 section 4.1): otherwise a peer
could guess passwords.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from . import chap

__all__ = [
    "MAX_CHALLENGE",
    "TRANSITIONS",
    "Action",
    "Authenticator",
    "Command",
    "Event",
    "Outcome",
    "Send",
    "State",
    "Verify",
]

TIMEOUT = 3.0
"""Seconds until the Challenge is sent again."""

MAX_CHALLENGE = 10
"""Maximum number of transmissions of the Challenge."""

SUCCESS_TEXT = b"Access granted"
FAILURE_TEXT = b"Access denied"


class State(Enum):
    """The states of the authenticator."""

    INITIAL = auto()
    CHALLENGE_SENT = auto()
    VERIFYING = auto()
    SUCCEEDED = auto()
    FAILED = auto()


class Event(Enum):
    """The events of the table."""

    START = auto()  # LCP has reached Opened
    RESPONSE = auto()  # a Response with the identifier of the Challenge
    TIMEOUT = auto()
    EXHAUSTED = auto()  # the timeout after the last Challenge
    ACCEPTED = auto()  # the owner's verdict
    REJECTED = auto()


class Action(Enum):
    """The actions of the table."""

    SEND_CHALLENGE = auto()
    VERIFY = auto()
    SEND_RESULT = auto()
    REPORT = auto()


@dataclass(frozen=True, slots=True)
class Send:
    """Send a CHAP packet, which begins with its code."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class Verify:
    """Verify a Response to a challenge, and call `accept` or `reject`."""

    challenge: bytes
    response: chap.Response


class Outcome(Enum):
    """The outcome of the authentication."""

    AUTHENTICATED = "authenticated"
    REJECTED = "rejected"
    NO_RESPONSE = "no response"


Command = Send | Verify | Outcome

TRANSITIONS: dict[tuple[State, Event], tuple[State, tuple[Action, ...]]] = {
    (State.INITIAL, Event.START): (State.CHALLENGE_SENT, (Action.SEND_CHALLENGE,)),
    (State.CHALLENGE_SENT, Event.TIMEOUT): (State.CHALLENGE_SENT, (Action.SEND_CHALLENGE,)),
    (State.CHALLENGE_SENT, Event.EXHAUSTED): (State.FAILED, (Action.REPORT,)),
    (State.CHALLENGE_SENT, Event.RESPONSE): (State.VERIFYING, (Action.VERIFY,)),
    (State.VERIFYING, Event.RESPONSE): (State.VERIFYING, ()),
    (State.VERIFYING, Event.ACCEPTED): (State.SUCCEEDED, (Action.SEND_RESULT, Action.REPORT)),
    (State.VERIFYING, Event.REJECTED): (State.FAILED, (Action.SEND_RESULT, Action.REPORT)),
    (State.SUCCEEDED, Event.RESPONSE): (State.SUCCEEDED, (Action.SEND_RESULT,)),
    (State.FAILED, Event.RESPONSE): (State.FAILED, (Action.SEND_RESULT,)),
}


class Authenticator:
    """One authentication of one peer.

    `deadline` is the time to call `expired`, in seconds, or None.
    """

    def __init__(self, challenge: bytes, name: bytes, identifier: int = 1) -> None:
        """Prepare a Challenge of 16 random bytes from the authenticator of this name, with this packet identifier."""
        self.state = State.INITIAL
        self.deadline: float | None = None
        self.name = b""
        """The peer's name, as sent, once a Response has come."""
        self._challenge = chap.Challenge(identifier, challenge, name)
        self._sent = 0
        self._response: chap.Response | None = None
        self._result: chap.Result | None = None
        self._outcome = Outcome.NO_RESPONSE

    def start(self, now: float) -> list[Command]:
        """Send the Challenge.

        Raises:
            KeyError: It was called before, which is a bug of the caller.
        """
        return self._handle(Event.START, now)

    def receive(self, packet: bytes, now: float) -> list[Command]:
        """Process a packet from the peer.

        It is silently discarded if it is malformed, not a Response, or answers another Challenge (RFC 1994 section
        4.1), or arrives before the Challenge.
        """
        found = chap.parse(packet)
        if not isinstance(found, chap.Response) or found.identifier != self._challenge.identifier:
            return []
        if self.state is State.INITIAL:
            return []
        if self.state is State.CHALLENGE_SENT:
            self._response = found
            self.name = found.name
        return self._handle(Event.RESPONSE, now)

    def accept(self, success: bytes, now: float) -> list[Command]:
        """Process the verdict that the Response is right; `success` is the authenticator response, `S=` and 40 digits.

        Raises:
            KeyError: No verdict was asked for, which is a bug of the caller.
        """
        return self._decided(Event.ACCEPTED, Outcome.AUTHENTICATED, success + b" M=" + SUCCESS_TEXT, now)

    def reject(self, now: float, code: int = chap.FailureCode.AUTHENTICATION_FAILURE) -> list[Command]:
        """Process the verdict that the Response is rejected with this code (RFC 2759 section 6).

        R=0 tells the peer not to retry on this connection.

        Raises:
            KeyError: No verdict was asked for, which is a bug of the caller.
        """
        # C= is for a retry, which R=0 excludes, but it is mandatory; the old challenge reveals nothing new.
        failure = chap.Failure(code, False, self._challenge.value, FAILURE_TEXT)
        return self._decided(Event.REJECTED, Outcome.REJECTED, failure.encode(), now)

    def expired(self, now: float) -> list[Command]:
        """Send the Challenge again, or give up, if the deadline is reached."""
        if self.deadline is None or now < self.deadline:
            return []
        return self._handle(Event.TIMEOUT if self._sent < MAX_CHALLENGE else Event.EXHAUSTED, now)

    def _decided(self, event: Event, outcome: Outcome, message: bytes, now: float) -> list[Command]:
        _ = TRANSITIONS[self.state, event]  # a second verdict must not change the first
        self._outcome = outcome
        self._result = chap.Result(self._challenge.identifier, outcome is Outcome.AUTHENTICATED, message)
        return self._handle(event, now)

    def _handle(self, event: Event, now: float) -> list[Command]:
        self.state, actions = TRANSITIONS[self.state, event]
        self.deadline = now + TIMEOUT if Action.SEND_CHALLENGE in actions else None
        return [command for action in actions for command in self._commands(action)]

    def _commands(self, action: Action) -> list[Command]:
        match action:
            case Action.SEND_CHALLENGE:
                # RFC 1994 section 4.1 requires a new identifier for a new challenge; this is a retransmission, which a
                # late Response to the first transmission also answers.
                self._sent += 1
                return [Send(self._challenge.encode())]
            case Action.VERIFY:
                assert self._response is not None
                return [Verify(self._challenge.value, self._response)]
            case Action.SEND_RESULT:
                return [Send(self._result.encode())] if self._result else []
        assert action is Action.REPORT
        return [self._outcome]
