"""Logins against RADIUS servers (RFC 2865), with accounting (RFC 2866) and disconnection by a server (RFC 5176)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from time import time

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from ...core.errors import ConfigError, ProtocolError
from ...core.ip.address import IPAddress
from ...core.login_limits import TOO_MANY, LoginLimiter, Turn
from ...core.sstp import radius
from ...core.sstp.ppp.chap import FailureCode
from ...core.sstp.ppp.pap import AuthenticateRequest
from ...core.sstp.ppp.server import Credentials
from ...core.sstp.radius import Attributes, Status
from ...core.text import ascii_only
from ...net.interfaces import IReactor
from ...net.log import logger
from ...net.sstp.login import Denied, Granted
from . import radius_packets
from .radius_disconnect import DisconnectPort
from .radius_exchange import PACKET, RadiusServers, Server
from .radius_packets import Answer, Outcome, Request
from .radius_sessions import Account, RadiusSession, RadiusSessions
from .users_file import User

__all__ = ["GOODBYE", "RadiusLogins"]

GOODBYE = 10.0
"""Seconds after `stop` within which the servers must confirm the last records.

The sessions take up to three seconds to end, and systemd gives the daemon 30.
"""


class RadiusLogins:
    """Checks logins with RADIUS servers, and sends them accounting records.

    `nas` is the NAS-Identifier, `random(n)` returns n random bytes, and `day` returns the time of day.
    """

    log = logger()
    users: Sequence[User] = ()
    """Empty: a RADIUS server does not list its users."""

    def __init__(
        self,
        reactor: IReactor,
        servers: Sequence[Server],
        secret: bytes,
        *,
        disconnect_port: int = 0,
        nas: bytes = b"",
        random: Callable[[int], bytes] = os.urandom,
        day: Callable[[], float] = time,
    ) -> None:
        """Open the port for Disconnect-Requests, unless it is 0.

        Raises:
            ConfigError: The port cannot be opened.
        """
        self.ended: Callable[[str, str], None] = _nothing
        """Unused: a RADIUS server ends sessions itself."""
        self.finished: Deferred[None] = Deferred()
        self._reactor = reactor
        self._secret = secret
        self._nas = nas or os.uname().nodename.encode("utf-8")[: radius.LONGEST]
        self._random = random
        self._servers = RadiusServers(reactor, servers)
        # RFC 2866 section 3: accounting has its own port, by custom the next one.
        self._accounting = RadiusServers(reactor, [Server(each.address, each.port + 1) for each in servers])
        self._limiter = LoginLimiter()
        self._sessions = RadiusSessions()
        self._account = Account(reactor, day, self._nas, self._report)
        self._own = random(8).hex().encode("ascii")
        self._port: IListeningPort | None = None
        if disconnect_port:
            self._port = self._listen(disconnect_port, [each.address for each in servers])

    def _listen(self, number: int, servers: Sequence[IPAddress]) -> IListeningPort:
        protocol = DisconnectPort(self._sessions, servers, self._secret, self._nas, self._account.day)
        everywhere = "::" if any(address.version == 6 for address in servers) else "0.0.0.0"
        try:
            return self._reactor.listenUDP(number, protocol, everywhere, PACKET)
        except CannotListenError as error:
            raise ConfigError(f"--sstp-radius-disconnect {number} cannot be opened: {error.socketError}") from error

    @property
    def problem(self) -> str | None:
        """The problem with the servers, a sentence; None if they answer."""
        if self._servers.silent:
            return self._servers.silence
        return f"accounting: {self._accounting.silence}" if self._accounting.silent else None

    def look(self) -> None:
        """Do nothing: there is no file to reread."""

    def start(self) -> None:
        """Send Accounting-On (RFC 2866 section 5.1), which ends all earlier sessions in the servers' records."""
        self._whole(Status.ON)

    def stop(self) -> None:
        """Stop checking logins, and send Accounting-Off once all sessions have ended."""
        self._servers.close(at_once=True)
        self._lost = self._accounting.unanswered
        self._last_moment = self._reactor.callLater(GOODBYE, self._give_up)
        self._sessions.emptied = self._finish
        if not self._sessions:
            self._finish()
        if self._port:
            self._port.stopListening()
            self._port = None

    def _finish(self) -> None:
        self._whole(Status.OFF)
        self._accounting.close(at_once=False).addCallback(self._told)

    def _give_up(self) -> None:
        self._accounting.close(at_once=True).addCallback(self._told)

    def _told(self, result: object) -> None:
        if self.finished.called:
            return
        if self._last_moment.active():
            self._last_moment.cancel()
        if lost := self._accounting.unanswered - self._lost:
            self.log.warn(
                "{count} accounting records are lost at shutdown: {reason}",
                event="radius-lost",
                count=lost,
                reason=self._accounting.silence,
            )
        self.finished.callback(None)

    def check(self, credentials: Credentials, address: IPAddress | None) -> Deferred[Granted | Denied]:
        """Check credentials with the servers, delayed after repeated failures of this user or source."""
        name = radius.user_name(credentials)
        identifier = self._random(8).hex().encode("ascii")
        try:
            attributes = radius.access_request(credentials, address, self._nas, identifier)
        except ProtocolError as error:
            return succeed(_denied(str(error)))
        password = credentials.password if isinstance(credentials, AuthenticateRequest) else None
        turn = self._limiter.book(name, address, self._reactor.seconds())
        if turn is None:
            return succeed(_denied(f"{_shown(name[:100])!r}: {TOO_MANY}"))

        def make(number: int) -> Request:
            return radius_packets.login(number, self._secret, attributes, password)

        def judge(answer: Answer | None) -> Granted | Denied:
            result = self._judge(answer, credentials, address, identifier)
            if isinstance(result, Granted):
                self._limiter.succeeded(name, address)
            elif answer and answer.outcome is Outcome.REJECT:
                self._limiter.failed(name, address, self._reactor.seconds())
            return result

        return self._turn(turn).addCallback(lambda _: self._servers.ask(make)).addCallback(judge)

    def _turn(self, turn: Turn) -> Deferred[None]:
        """Return a Deferred that fires when the login may be checked."""
        if not turn.wait:
            return succeed(None)

        def cancel(come: object) -> None:
            due.cancel()
            self._limiter.cancel(turn)

        come: Deferred[None] = Deferred(cancel)
        due = self._reactor.callLater(turn.wait, come.callback, None)
        return come

    def _judge(
        self, answer: Answer | None, credentials: Credentials, address: IPAddress | None, identifier: bytes
    ) -> Granted | Denied:
        sent = radius.user_name(credentials)
        who = _shown(sent[:100])
        if answer is None:
            return _denied(f"{who!r}: {self._servers.silence}")
        if answer.outcome is Outcome.REJECT:
            code, words = radius.read_reject(answer.attributes)
            return _denied(f"{who!r}: the RADIUS server rejects the login{words and f': {words}'}", code)
        if answer.outcome is not Outcome.ACCEPT:
            return _denied(f"{who!r}: the RADIUS server demands more than a password")
        try:
            accepted = radius.read_accept(answer.attributes, credentials, self._secret, answer.authenticator)
        except ProtocolError as error:
            return _denied(f"{who!r}: {error}")
        name = accepted.name or sent
        record = RadiusSession(self._account, self._sessions, identifier, name, address, accepted)
        return Granted(_shown(name), accepted.success, accepted.hlak, accepted.address, record, accepted.max_rate)

    def _whole(self, status: Status) -> None:
        self._report(radius.accounting(status, self._account.day(), nas=self._nas, session=self._own))

    def _report(self, attributes: Attributes) -> None:
        def make(number: int) -> Request:
            return radius_packets.account(number, self._secret, attributes)

        self._accounting.ask(make)


def _denied(sentence: str, code: int = FailureCode.AUTHENTICATION_FAILURE) -> Denied:
    return Denied(code, sentence)


def _shown(name: bytes) -> str:
    """Return a name as text, escaped if it is not printable UTF-8."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return ascii_only(name)
    return text if text.isprintable() else ascii_only(name)


def _nothing(name: str, reason: str) -> None:
    """Do nothing."""
