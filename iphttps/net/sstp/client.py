"""The client's session with an SSTP server ([MS-SSTP] 3.2): the request, the call and its timers, the packets in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from ...core.errors import ConfigError, DropReason, ProtocolError
from ...core.failure import FailureReason, Stage
from ...core.ip.batch import Batch
from ...core.sstp.client_call import ClientCall, Command, Drop, LinkDown, LinkUp
from ...core.sstp.client_request import ANSWER_TIMEOUT, ClientHandshake
from ...core.sstp.codec import ControlPacket, SSTPCodec
from ...core.sstp.packet import MessageType, message
from ...core.sstp.ppp.chap import FailureCode
from ...core.sstp.ppp.login import Login
from ..client_session import ClientSession, Owner
from ..connection import HANDSHAKE_DEADLINE
from ..stream import compiled
from .echo import Echo
from .session import MOST_OWED

__all__ = ["SHUTDOWN", "WRONG_LOGIN", "Account", "SSTPClientSession", "Setup"]

SHUTDOWN = 2.0
"""Seconds that the server has to acknowledge a disconnect by this side; otherwise [MS-SSTP] gives it 5."""

WRONG_LOGIN = str(FailureCode.AUTHENTICATION_FAILURE.value)
"""The code of a failure that the user or the password is the reason of; such a login is kept back."""


class Account(Protocol):
    """The user's login for one server, and that server's answers to it."""

    def login(self, now: float) -> Login:
        """Return the login for an attempt; raises ConfigError if there is none now."""

    def rejected(self, now: float) -> None:
        """Note that the server has rejected the login."""

    def accepted(self) -> None:
        """Note that the server has accepted the login."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The parts that each session of a client starts from.

    `call` makes the call for a login, and the server's certificate in DER, b"" without TLS. `echo` measures whether the
    server answers, for all sessions of a client.
    """

    handshake: ClientHandshake
    account: Account
    call: Callable[[Login, bytes], ClientCall]
    echo: Echo


class SSTPClientSession(ClientSession):
    """One connection to an SSTP server; it counts as open when packets pass."""

    unanswered = (
        "the server closed the connection instead of answering the request: it is not an SSTP server, or SSTP is not"
        " enabled there"
    )

    def __init__(self, client: Owner, handshake_deadline: float, setup: Setup) -> None:
        super().__init__(client, handshake_deadline)
        self.link: LinkUp | None = None
        """The result of the negotiation, once the link has been up."""
        self.call: ClientCall | None = None
        """The call, once the server has answered the request."""
        self._setup = setup
        self._login: Login | None = None
        self._packets = SSTPCodec(compiled.LOOPS)
        self._answers: list[bytes] = []
        self._timer: IDelayedCall | None = None
        self._last_moment: IDelayedCall | None = None
        self._passes = False
        self._owed = 0

    @property
    def stage(self) -> Stage:
        """The current stage of the attempt."""
        return self.call.stage if self.call else self._stage

    # The HTTP exchange.

    def request(self) -> None:
        """Send the request ([MS-SSTP] 3.2.4.1), unless the login must not be shown to this server now."""
        try:
            self._login = self._setup.account.login(self.clock.seconds())
        except ConfigError as error:
            self._client.answered(self)
            self._fail(FailureReason(Stage.LOGIN, str(error), WRONG_LOGIN))
            return
        if self.handshake_deadline >= HANDSHAKE_DEADLINE:  # otherwise there is another address to try
            self.handshake_deadline = ANSWER_TIMEOUT
        self._cancel_deadline()
        self._deadline = self.clock.callLater(self.handshake_deadline, self.expired)
        self.wire.write(self._setup.handshake.request())

    def head_received(self, data: bytes) -> None:
        """Read the answer; a successful one begins the call ([MS-SSTP] 3.2.4.1)."""
        try:
            opened = self._setup.handshake.feed(data)
        except ProtocolError as error:
            self._fail(FailureReason(Stage.HTTP, str(error), retry_after=error.retry_after))
            return
        if opened:
            self._begin(opened.rest)

    def _begin(self, rest: bytes) -> None:
        assert self._login is not None
        self._answered = True
        self._client.answered(self)
        certificate = self.tls.get_peer_certificate(as_cryptography=True) if self.tls else None
        self.call = self._setup.call(self._login, certificate.public_bytes(Encoding.DER) if certificate else b"")
        self._perform(self.call, self.call.start(self.clock.seconds()))
        self._flush()
        self._arm()
        self.opened(rest, self._packets)

    # What the server sends.

    def _packets_received(self, data: bytes) -> None:
        call, codec = self.call, self._packets
        if call is None:
            return
        batch = codec.feed(data)
        if batch and self._passes and not (codec.control or codec.end or codec.drops):  # the way of nearly all data
            call.heard(self.clock.seconds())
            self.deliver(batch)
            return
        while True:
            for reason, number in codec.drops.items():
                self.counters.dropped(reason, number)
            codec.drops.clear()
            if batch:
                call.heard(self.clock.seconds())
                if self._passes:
                    self.deliver(batch)
            items, codec.control = codec.control, []
            for item in items:
                if isinstance(item, ControlPacket) and item.data == _ECHO_RESPONSE:
                    self._setup.echo.answered(self)
                self._perform(call, call.receive(item, self.clock.seconds()))
            if not codec.pending:
                break
            batch = codec.feed(b"")
        if codec.end:
            self._perform(call, call.lost_step(self.clock.seconds()))
        self._flush()
        self._arm()

    # What the call wants.

    def _perform(self, call: ClientCall, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self._answers.append(command)
                case LinkUp():
                    self._link_up(call, command)
                case LinkDown():
                    self._passes = False
                case Drop(reason):
                    self._drop(reason)
        self._packets.data_passes = call.data_passes

    def _link_up(self, call: ClientCall, link: LinkUp) -> None:
        self._flush()  # the proof of the binding comes before the first packet
        before, self.link, self._passes = self.link, link, True
        agreed = call.negotiated
        self._packets.data_passes = True
        self._packets.compress(address_and_control=agreed.acfc, protocol=agreed.pfc)
        if before is None:
            self._stage = Stage.SSTP
            self._setup.account.accepted()
            self._setup.echo.session = self
            self._client.responded(self)
        elif before != link:
            self._client.renumbered(self)
            self._setup.echo.session = self

    def _arm(self) -> None:
        """Have the timer run at the call's deadline, or earlier: then it is set again."""
        deadline = self.call.deadline if self.call else None
        if deadline is None or self.ending:
            return
        wait = max(deadline - self.clock.seconds(), 0.0)
        if self._timer and self._timer.active():
            if self._timer.getTime() > deadline:
                self._timer.reset(wait)
        else:
            self._timer = self.clock.callLater(wait, self._timed)

    def _timed(self) -> None:
        if self.call:
            self._perform(self.call, self.call.expired(self.clock.seconds()))
            self._flush()
            self._arm()

    # What the server is sent.

    def send(self, batch: Batch) -> None:
        """Send whole packets while they pass ([MS-SSTP] 3.2.7.1), behind the answers that were made before them."""
        if self._passes and not self.ending:
            self._flush()
            super().send(batch)

    def echo(self) -> None:
        """Ask the server for an Echo Response ([MS-SSTP] 3.1.2.3)."""
        if self._passes and not self.ending:
            self._answers.append(message(MessageType.ECHO_REQUEST))
            self._flush()

    def _flush(self) -> None:
        if self._answers and not self.ending:
            answers = b"".join(self._answers)
            self._answers.clear()
            if self.congested:
                self._owed += len(answers)
                if self._owed > MOST_OWED:
                    self._fail(FailureReason(Stage.SSTP, "the server does not read what it is answered"))
                    return
            self.wire.write(answers)

    def resumeProducing(self) -> None:
        """Leave congestion; data that waits for a link that has gone meanwhile goes nowhere ([MS-SSTP] 3.2.7.1)."""
        self._owed = 0
        if not self._passes:
            self.counters.dropped(DropReason.NOT_CONNECTED, self.backlog.clear())
        super().resumeProducing()

    # The end.

    def _fail(self, reason: FailureReason) -> None:
        self._trouble = reason
        super().disconnect(reason.sentence)

    def disconnect(self, sentence: str) -> None:
        """End the call for this reason, and the connection after the server's acknowledgement ([MS-SSTP] 3.2.4.2)."""
        if self.ending or self.ended.called:
            return
        if self.call is None or self.call.ends:
            super().disconnect(sentence)
            return
        self._passes = False
        self._perform(self.call, self.call.disconnect(sentence, self.clock.seconds()))
        self._flush()
        self._arm()
        if not self._last_moment:
            self._last_moment = self.clock.callLater(SHUTDOWN, self._close, sentence)

    def reject(self, reason: FailureReason) -> None:
        """Disconnect, since this host cannot use what was negotiated."""
        self._trouble = reason
        self.disconnect(reason.sentence)

    def _drop(self, reason: FailureReason) -> None:
        if reason.stage is Stage.LOGIN and reason.code == WRONG_LOGIN:
            self._setup.account.rejected(self.clock.seconds())
        self._trouble = self._trouble or reason
        self._close(reason.sentence)

    def _close(self, sentence: str) -> None:
        self._flush()
        super().disconnect(sentence)
        self._cancel_timers()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tear down the call: the connection is gone ([MS-SSTP] 3.1.7.2); report why."""
        self._cancel_timers()
        self._passes = False
        self._answers.clear()
        if self.call:
            self._stage = self.call.stage
            self._trouble = self._trouble or self.call.reason
            self.call.lost(self.clock.seconds())
            self._code = self.call.reason.code if self.call.reason else None
        super().connectionLost(reason)

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._last_moment):
            if timer and timer.active():
                timer.cancel()
        self._timer = self._last_moment = None


_ECHO_RESPONSE = message(MessageType.ECHO_RESPONSE)
