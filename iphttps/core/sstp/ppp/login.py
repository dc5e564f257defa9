"""The client's login: the peer's side of MS-CHAPv2 (RFC 2759) and of PAP (RFC 1334).

The peer answers, and the authenticator sends the result. With MS-CHAPv2 a Success must have `S=` and a proof that the
server knows the password; otherwise the client ends the link. The client neither tries a second password on a link
(`R=1`) nor changes an expired one: both need a user at the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from ...text import ascii_only, shortened
from ..crypto_binding import NO_HLAK, client_hlak
from . import chap, mschapv2, pap
from .automaton import MAX_CONFIGURE, RESTART
from .chap import FailureCode
from .frame import ProtocolNumber

__all__ = ["MAXIMUM_CHALLENGES", "Command", "Login", "MSCHAPv2Login", "PAPLogin", "Proven", "Rejected"]

MAXIMUM_CHALLENGES = 10
"""Maximum Challenges that the client answers before the server accepts an answer."""

_CHANGING = "changing it over the connection is not supported"
_FAILURES: dict[int, str] = {
    FailureCode.RESTRICTED_LOGON_HOURS: "this account may not log in at this time of the day",
    FailureCode.ACCT_DISABLED: "this account is disabled",
    FailureCode.PASSWD_EXPIRED: f"the password has expired and must be changed first: {_CHANGING}",
    FailureCode.NO_DIALIN_PERMISSION: "this account has no permission to dial in",
    FailureCode.AUTHENTICATION_FAILURE: "the user name or the password is wrong",
    FailureCode.CHANGING_PASSWORD: f"the server demands a new password: {_CHANGING}",
}
"""The meaning of the codes of RFC 2759 section 6."""

_UNPROVEN = "778"  # ERROR_UNABLE_TO_AUTHENTICATE_SERVER
_WRONG = str(FailureCode.AUTHENTICATION_FAILURE.value)


@dataclass(frozen=True, slots=True)
class Login:
    """The credentials: the name as sent, the NT hash of the password, 16 bytes, and for PAP only the password."""

    user: bytes
    nt_hash: bytes = field(repr=False)
    password: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """The server has accepted the login, and with MS-CHAPv2 proved itself; `hlak` is the client's HLAK, 32 bytes."""

    hlak: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The login has failed: the reason, and the error code of Windows' client for it."""

    sentence: str
    code: str


Command = bytes | Proven | Rejected
"""Bytes are a packet to send."""


class MSCHAPv2Login:
    """The peer's side of MS-CHAPv2 on one link.

    `random` returns a number of random bytes. The server may send a Challenge at any time (RFC 1994 section 4.1), and
    each gets its own Success; the keys are from the first.
    """

    NUMBER: ClassVar[int] = ProtocolNumber.CHAP
    deadline: ClassVar[float | None] = None
    awaits: ClassVar[str] = "the Challenge of MS-CHAPv2, or the answer to it"

    def __init__(self, login: Login, random: Callable[[int], bytes], des: mschapv2.DES) -> None:
        self._login = login
        self._random = random
        self._des = des
        self._challenge: chap.Challenge | None = None
        self._response: chap.Response | None = None
        self._answered = 0

    def start(self, now: float) -> list[Command]:
        """Send nothing: the server sends the first packet."""
        return []

    def expired(self, now: float) -> list[Command]:
        """Do nothing: only the server has a timer."""
        return []

    def receive(self, packet: bytes, now: float) -> list[Command]:
        """Process a packet of CHAP; discard one that is malformed or answers no Response (RFC 1994 section 4)."""
        match chap.parse(packet):
            case chap.Challenge() as challenge:
                return self._respond(challenge)
            case chap.Result(identifier, succeeded, message) if self._answers(identifier):
                return self._succeeded(message) if succeeded else [_failed(message)]
        return []

    def _respond(self, challenge: chap.Challenge) -> list[Command]:
        if self._response and challenge == self._challenge:
            return [self._response.encode()]  # RFC 1994 4.1: a retransmission
        if self._answered == MAXIMUM_CHALLENGES:
            return [Rejected("the server sends too many Challenges", _WRONG)]
        self._answered += 1
        self._challenge = challenge
        self._response = mschapv2.respond(
            self._login.nt_hash,
            challenge.identifier,
            challenge.value,
            self._random(chap.CHALLENGE_LENGTH),
            self._login.user,
            self._des,
        )
        return [self._response.encode()]

    def _answers(self, identifier: int) -> bool:
        return self._response is not None and self._response.identifier == identifier

    def _succeeded(self, message: bytes) -> list[Command]:
        assert self._response and self._challenge  # _answers says so
        login, response = self._login, self._response
        if not mschapv2.check_success(message, login.nt_hash, self._challenge.value, response):
            # RFC 2759 section 5: the peer must end the link.
            return [
                Rejected(
                    "the server does not prove that it knows the password (S=): it may not be the real one", _UNPROVEN
                )
            ]
        self._answered = 0
        keys = mschapv2.client_keys(login.nt_hash, response.nt_response)
        return [Proven(client_hlak(keys.send, keys.receive))]


def _failed(message: bytes) -> Rejected:
    """Return the reason in a Failure (RFC 2759 section 6)."""
    failure = chap.Failure.parse(message)
    if failure is None:
        return Rejected(f"the server rejected the login without a code{_quoted(message)}", _WRONG)
    words = _FAILURES.get(failure.code, f"error {failure.code}")
    return Rejected(f"the server rejected the login: {words}{_quoted(failure.text)}", str(failure.code))


def _quoted(text: bytes) -> str:
    """Return the server's message for the end of a sentence."""
    return f' (it says "{shortened(ascii_only(text))}")' if text else ""


class PAPLogin:
    """The peer's side of PAP on one link: it repeats its request until it gets an answer (RFC 1334 section 2.1)."""

    NUMBER: ClassVar[int] = ProtocolNumber.PAP
    awaits: ClassVar[str] = "the answer to the password (PAP)"

    def __init__(self, login: Login) -> None:
        self.deadline: float | None = None
        self._login = login
        self._sent = 0
        self._proven = False

    def start(self, now: float) -> list[Command]:
        """Send the request."""
        if max(len(self._login.user), len(self._login.password)) > pap.LONGEST_MESSAGE:
            return [Rejected(f"PAP carries names and passwords of at most {pap.LONGEST_MESSAGE} bytes", _WRONG)]
        self._sent += 1
        self.deadline = now + RESTART
        return [pap.AuthenticateRequest(self._sent, self._login.user, self._login.password).encode()]

    def expired(self, now: float) -> list[Command]:
        """Send the request again, or give up, if the timer has expired."""
        if self.deadline is None or now < self.deadline:
            return []
        if self._sent < MAX_CONFIGURE:
            return self.start(now)
        self.deadline = None
        return [Rejected("the server does not answer the login (PAP)", "718")]

    def receive(self, packet: bytes, now: float) -> list[Command]:
        """Process a packet of PAP; discard one that is malformed or answers no request (RFC 1334 section 2.2)."""
        answer = pap.Answer.parse(packet)
        if answer is None or not 1 <= answer.identifier <= self._sent or self._proven:
            return []
        self.deadline = None
        if not answer.accepted:
            words = _FAILURES[FailureCode.AUTHENTICATION_FAILURE]
            return [Rejected(f"the server rejected the login: {words}{_quoted(answer.message)}", _WRONG)]
        self._proven = True
        return [Proven(NO_HLAK)]
