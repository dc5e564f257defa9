"""Connecting through a web proxy with CONNECT: an endpoint that wraps the endpoint of the proxy (3.1.5.1).

Once the proxy has connected, the protocol for the server replaces the one for the proxy at the transport. `TLSEndpoint`
wraps this endpoint for TLS to the server.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, cast

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from ...core.errors import ProxyError, ProxyFault
from ...core.failure import FailureReason, Stage
from ...core.proxy.challenges import read_challenges
from ...core.proxy.connect import Challenged, Connected, Header
from ...core.proxy.login import AuthNegotiation, AuthScheme, NextToken, ProxyCredentials
from ...core.proxy.url import Login, Proxy
from ..explain import TIMED_OUT, sentence
from ..log import logger
from .addresses import Addresses
from .alternatives import Attempt
from .proxy_connection import NoAnswerError, ProxyConnection, unreachable

__all__ = [
    "DEADLINE",
    "LOGIN_FAULTS",
    "MAXIMUM_REQUESTS",
    "NextTokenOf",
    "NoTokenError",
    "ProxyAttempt",
    "ProxyEndpoint",
    "ProxySettings",
    "Tokens",
]

DEADLINE = 30.0
"""Seconds for one address of the proxy, from the TCP connection to the proxy's 200, authentication included."""

LOGIN_FAULTS = (ProxyFault.NO_CREDENTIALS, ProxyFault.CREDENTIALS_WRONG)
"""Faults for which no other address is tried: it would fail too, and further attempts may lock the account."""

MAXIMUM_REQUESTS = 10
"""Maximum CONNECT requests for one attempt, over all its connections."""

NextTokenOf = Callable[[bytes | None], Deferred[bytes]]
"""A function from the proxy's last token, None at first, to our next one; fails with NoTokenError."""

Tokens = Callable[[AuthScheme, str, Login | None], NextTokenOf]
"""A function that begins a token exchange with the proxy on a host; raises NoTokenError. See `spnego.tokens`."""


class NoTokenError(Exception):
    """An authentication scheme with tokens (NTLM, Negotiate) cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """A proxy, the credentials and token source for it, and TLS settings if it is at https://.

    `headers` are sent with each request. Attempts that share the credentials share `turn`, too: one of them at a time
    sends a login that the proxy has not accepted yet, so that a wrong password is sent once.
    """

    proxy: Proxy
    credentials: ProxyCredentials
    tokens: Tokens
    tls: IOpenSSLClientConnectionCreator | None = None
    headers: tuple[Header, ...] = ()
    turn: DeferredLock = field(default_factory=DeferredLock, compare=False)


@implementer(IStreamClientEndpoint)
class ProxyEndpoint:
    """An endpoint of a host and port behind a proxy; `endpoint` is the proxy's, with TLS if it is at https://.

    `addresses` tracks the addresses of the proxy's name: if one fails or times out, the next is tried, as for a
    server. `deadline` is in seconds, for one address.
    """

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        settings: ProxySettings,
        host: str,
        port: int,
        addresses: Addresses | None = None,
        *,
        deadline: float = DEADLINE,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._settings = settings
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._addresses = addresses or Addresses()
        self._deadline = deadline

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect a protocol of the factory; fails with ProxyError, or CancelledError when cancelled."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        whole = Attempt(str(self._settings.proxy), self._addresses)
        errors: dict[str, ProxyError] = {}
        while True:
            attempt = ProxyAttempt(self._clock, self._endpoint, self._settings, self._authority, whole)
            try:
                return await attempt.run(factory, self._deadline)
            except ProxyError as error:
                stage = Stage.PROXY if attempt.reached else Stage.CONNECT
                trouble = FailureReason(stage, str(error), TIMED_OUT if attempt.late else None)
                errors[trouble.sentence] = error
                if error.fault in LOGIN_FAULTS:
                    raise
                if not whole.goes_on(trouble):
                    raise errors[whole.verdict(trouble).sentence] from None


class ProxyAttempt:
    """One attempt through one address of the proxy: successive requests, over one connection at a time.

    `whole` is the attempt over all addresses of the proxy, which limits the time until the first response.
    """

    log = logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        settings: ProxySettings,
        authority: str,
        whole: Attempt,
    ) -> None:
        self._clock = clock
        self._endpoint = endpoint
        self._proxy = settings.proxy
        self._tokens = settings.tokens
        self._headers = settings.headers
        self._authority = authority
        self._credentials = settings.credentials
        self._turn = settings.turn
        self._has_turn = False
        self._negotiation = self._negotiate()
        self._connection: ProxyConnection | None = None
        self._next_token: NextTokenOf | None = None
        self._exchanging = False
        """True if the last request carried a token."""
        self._bound = False
        """True if the next request continues a token exchange, which is bound to its connection."""
        self._whole = whole
        self._end = 0.0
        self.reached = False
        """True if the proxy has accepted a TCP connection."""
        self.late = False
        """True if the attempt has failed by its deadline."""

    def _negotiate(self) -> AuthNegotiation:
        return AuthNegotiation(self._proxy, self._authority, self._credentials, self._clock.seconds())

    def run(self, factory: IProtocolFactory, deadline: float) -> Deferred[IProtocol]:
        """Connect a protocol of the factory to the server through the proxy, within `deadline` seconds."""

        def expire() -> None:
            self.late = True
            done.cancel()

        self._end = self._clock.seconds() + deadline
        self._timer = timer = self._clock.callLater(deadline, expire)
        done: Deferred[IProtocol] = Deferred.fromCoroutine(self._run(factory))

        def settle(result: Any) -> Any:
            if timer.active():
                timer.cancel()
            return result

        return done.addBoth(settle)

    async def _run(self, factory: IProtocolFactory) -> IProtocol:
        try:
            connection, rest = await self._open()
            protocol = factory.buildProtocol(connection.peer)
            if protocol is None:
                raise CancelledError  # the factory rejects the connection
            self._connection = None
        except CancelledError:
            if self.late:
                raise self._expired() from None
            raise
        finally:
            self._drop()
            if self._has_turn:
                self._turn.release()
        connection.hand_over(protocol, rest)
        return protocol

    async def _open(self) -> tuple[ProxyConnection, bytes]:
        await self._connect()
        authorization = self._negotiation.begin(_nonce())
        for _ in range(MAXIMUM_REQUESTS):
            answer = await self._ask(authorization)
            if isinstance(answer, Connected):
                assert self._connection
                self._negotiation.accepted()
                self.log.info(
                    "{proxy} connects to {authority}{login}",
                    event="proxy-connects",
                    proxy=self._proxy,
                    authority=self._authority,
                    login=f" (login by {self._negotiation.scheme.value})" if self._negotiation.scheme else "",
                )
                return self._connection, answer.rest
            if not answer.reusable:
                self._drop()
            authorization = await self._answer(answer)
        raise ProxyError(f"the proxy {self._proxy} keeps asking for authentication", ProxyFault.REFUSED)

    async def _ask(self, authorization: bytes | None) -> Connected | Challenged:
        connection = self._connection or await self._connect()
        try:
            answer = await connection.ask(authorization)
            self._timer.reset(max(self._end - self._clock.seconds(), 0.0))  # it responds: the full deadline applies
            return answer
        except NoAnswerError as ended:
            if self._bound or not ended.used:
                raise ended.error from None
        # A proxy may announce a persistent connection and close it nevertheless: retry once over a new one.
        self._drop()
        return await self._ask(authorization)

    async def _connect(self) -> ProxyConnection:
        factory = Factory.forProtocol(
            partial(ProxyConnection, self._clock, self._proxy, self._authority, self._headers)
        )
        factory.noisy = False
        connecting = cast("Deferred[ProxyConnection]", self._endpoint.connect(factory))
        self._connection = connection = await connecting.addErrback(self._not_connected)
        if not self.reached:
            self.reached = True
            self._whole.using(connection.peer)
            self._timer.reset(min(self._whole.deadline, max(self._end - self._clock.seconds(), 0.0)))
        return connection

    def _not_connected(self, failure: Failure) -> NoReturn:
        if isinstance(failure.value, CancelledError | ConnectingCancelledError):
            raise CancelledError
        raise unreachable(self._proxy, sentence(failure))

    async def _answer(self, challenged: Challenged) -> bytes:
        """Return the value of Proxy-Authorization that answers the challenge."""
        if not self._has_turn and self._credentials.is_untried(self._proxy):
            await self._turn.acquire()
            self._has_turn = True
            self._negotiation = self._negotiate()  # another attempt may have found out that the login is wrong
        challenges = read_challenges(challenged.offers)
        exchanging, self._exchanging, self._bound = self._exchanging, False, False
        step = self._negotiation.challenged(challenges, _nonce(), refused=challenged.refused)
        while isinstance(step, NextToken):
            scheme = step.scheme
            try:
                token = await self._token(step)
            except NoTokenError as error:
                self.log.info(
                    "{proxy}: no {way}: {error}",
                    event="proxy-login-unavailable",
                    proxy=self._proxy,
                    way=scheme.value,
                    error=str(error),
                )
                self._negotiation.unavailable(str(error))
                step = self._negotiation.challenged(challenges, _nonce())
            else:
                self._exchanging, self._bound = True, step.token is not None
                step = (step.spelling or scheme.token).encode() + b" " + b64encode(token)
        if exchanging and not self._bound:
            self._drop()  # Squid accepts no other scheme on a connection once a token exchange has begun on it
        return step

    async def _token(self, step: NextToken) -> bytes:
        if step.token is None:
            self._next_token = self._tokens(step.scheme, self._proxy.host, self._negotiation.login)
        elif not self._connection:  # this authentication is bound to its connection
            raise NoTokenError("the proxy closed the connection during the token exchange")
        assert self._next_token
        return await self._next_token(step.token)

    def _drop(self) -> None:
        if self._connection:
            self._connection.abort()
            self._connection = None

    def _expired(self) -> ProxyError:
        if self._connection:
            return self._connection.expired()
        return ProxyError(f"connecting to the proxy {self._proxy} timed out", ProxyFault.UNREACHABLE)


def _nonce() -> str:
    return secrets.token_hex(16)
