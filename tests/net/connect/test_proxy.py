"""The way through a web proxy, with the proxy played by the test."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, fail, succeed
from twisted.internet.error import ConnectingCancelledError, ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ProxyError, ProxyFault
from iphttps.core.proxy.challenges import basic
from iphttps.core.proxy.login import AuthScheme, ProxyCredentials
from iphttps.core.proxy.url import Login, Proxy
from iphttps.net.connect.proxy import (
    DEADLINE,
    MAXIMUM_REQUESTS,
    NextTokenOf,
    NoTokenError,
    ProxyEndpoint,
    ProxySettings,
)

from ..support import Endpoint

ALICE = Login("alice", "secret")
PROXY = Proxy(False, "proxy.example", 3128)
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
CLOSED = Failure(ConnectionDone())


def challenge(offer: bytes, *, close: bool = False) -> bytes:
    """Build a 407 with a body."""
    kept = b"Connection: close\r\n" if close else b""
    return b"HTTP/1.1 407 Login\r\nProxy-Authenticate: " + offer + b"\r\n" + kept + b"Content-Length: 4\r\n\r\npage"


class Recorder(Protocol):
    """The server behind the proxy, which records the data received."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Note the bytes."""
        self.received += data

    def connectionLost(self, reason: Failure = CLOSED) -> None:
        """Note the end."""
        self.lost = True


class ProxyCase(SynchronousTestCase):
    """A client on its way; `transport` is the connection to the proxy made last."""

    def setUp(self) -> None:
        """Begin."""
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.asked: list[tuple[AuthScheme, bytes | None]] = []
        self.factory: IProtocolFactory = cast(IProtocolFactory, Factory.forProtocol(Recorder))
        self.credentials = ProxyCredentials(lambda: ALICE, basic_in_clear=True)
        self.turn = DeferredLock()

    def tokens(self, way: AuthScheme, host: str, login: Login | None) -> NextTokenOf:
        """Make tokens for NTLM alone."""
        self.assertEqual("proxy.example", host)
        if way is not AuthScheme.NTLM:
            raise NoTokenError("there is no such thing")

        def next_token(token: bytes | None) -> Deferred[bytes]:
            self.asked.append((way, token))
            return fail(NoTokenError("nonsense")) if token == b"nonsense" else succeed(b"ours")

        return next_token

    def connect(self, host: str = "vpn.example") -> Deferred[IProtocol]:
        """Begin an attempt."""
        settings = ProxySettings(PROXY, self.credentials, self.tokens, turn=self.turn)
        endpoint = ProxyEndpoint(cast(Any, self.clock), cast(IStreamClientEndpoint, self.endpoint), settings, host, 443)
        return endpoint.connect(self.factory)

    def accept(self) -> None:
        """Let the connection to the proxy come about."""
        self.transport = StringTransport()
        self.transport.protocol = None  # type: ignore[attr-defined]
        self.proxied = self.endpoint.accept(self.transport)

    def asked_for(self, authorization: bytes | None = None, host: bytes = b"vpn.example") -> None:
        """Check that exactly one request has come since, with these credentials."""
        request = b"CONNECT " + host + b":443 HTTP/1.1\r\nHost: " + host + b":443\r\n"
        request += b"User-Agent: iphttps\r\nProxy-Connection: Keep-Alive\r\n"
        if authorization:
            request += b"Proxy-Authorization: " + authorization + b"\r\n"
        self.assertEqual(request + b"\r\n", self.transport.value())
        self.transport.clear()

    def say(self, data: bytes) -> None:
        """Let the proxy say something."""
        self.proxied.dataReceived(data)

    def hang_up(self) -> None:
        """Let the proxy close the connection."""
        self.proxied.connectionLost(CLOSED)

    def assert_open(self, attempt: Deferred[IProtocol]) -> Recorder:
        """Check that the way is open and nothing of the proxy is left in it."""
        protocol = self.successResultOf(attempt)
        assert isinstance(protocol, Recorder)
        self.assertIs(self.transport.protocol, protocol)  # type: ignore[attr-defined]
        self.assertIs(protocol.transport, self.transport)
        self.assertFalse(self.transport.disconnecting or self.transport.disconnected)
        self.assertEqual([], self.clock.getDelayedCalls())
        return protocol

    def assert_fails(self, attempt: Deferred[IProtocol], fault: ProxyFault, words: str) -> None:
        """Check that there is no way, and nothing left over."""
        error = self.failureResultOf(attempt, ProxyError).value
        self.assertEqual(fault, error.fault)
        self.assertIn(words, str(error))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertTrue(self.transport.disconnected or self.transport.disconnecting)


class WayTests(ProxyCase):
    """Without a login."""

    def test_open(self) -> None:
        """The request goes out, and behind a 2xx the transport belongs to the protocol, first bytes included."""
        attempt = self.connect()
        self.accept()
        self.asked_for()
        self.say(OPEN[:10])
        self.assertNoResult(attempt)
        self.say(OPEN[10:] + b"hello")
        self.assertEqual(b"hello", self.assert_open(attempt).received)

    def test_literal(self) -> None:
        """A server named by its IPv6 address stands in brackets."""
        self.connect("2001:db8::1")
        self.accept()
        self.asked_for(host=b"[2001:db8::1]")

    def test_no_proxy(self) -> None:
        """A proxy that cannot be reached is named, with the reason."""
        attempt = self.connect()
        self.endpoint.refuse(ConnectionRefusedError())
        error = self.failureResultOf(attempt, ProxyError).value
        self.assertEqual(ProxyFault.UNREACHABLE, error.fault)
        self.assertIn("cannot reach the proxy http://proxy.example:3128: connection refused", str(error))

    def test_refused(self) -> None:
        """A rejection ends the attempt, and the connection."""
        attempt = self.connect()
        self.accept()
        self.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever")
        self.assert_fails(attempt, ProxyFault.REFUSED, '403 Forbidden: "never"')

    def test_closed(self) -> None:
        """A proxy that closes without an answer is rejected; a rejection may end so as well."""
        attempt = self.connect()
        self.accept()
        self.hang_up()
        self.assert_fails(attempt, ProxyFault.NO_ANSWER, "closed the connection without an answer")
        attempt = self.connect()
        self.accept()
        self.say(b"HTTP/1.0 502 Bad\r\n\r\nwhy")
        self.hang_up()
        self.assert_fails(attempt, ProxyFault.REFUSED, '502 Bad: "why"')

    def test_deadline(self) -> None:
        """There is one time limit for all of it."""
        attempt = self.connect()
        self.clock.advance(DEADLINE)
        self.assertEqual(1, self.endpoint.cancelled)
        self.assertEqual(ProxyFault.UNREACHABLE, self.failureResultOf(attempt, ProxyError).value.fault)
        attempt = self.connect()
        self.accept()
        self.say(challenge(b"Basic realm=x"))
        self.clock.advance(DEADLINE)
        self.assert_fails(attempt, ProxyFault.NO_ANSWER, "did not answer in time")

    def test_cancelled(self) -> None:
        """A cancelled attempt leaves no connection and no error behind."""
        attempt = self.connect()
        self.accept()
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)
        self.assertTrue(self.transport.disconnected or self.transport.disconnecting)
        attempt = self.connect()
        self.endpoint.refuse(ConnectingCancelledError(PROXY))
        self.failureResultOf(attempt, CancelledError)

    def test_nobody(self) -> None:
        """A factory that wants no connection any more gets none."""
        factory = Factory()
        factory.buildProtocol = lambda addr: None  # type: ignore[method-assign]
        self.factory = cast(IProtocolFactory, factory)
        attempt = self.connect()
        self.accept()
        self.say(OPEN)
        self.failureResultOf(attempt, CancelledError)
        self.assertTrue(self.transport.disconnected or self.transport.disconnecting)


class LoginTests(ProxyCase):
    """With one."""

    def ntlm(self, token: bytes) -> bytes:
        """Build the proxy's half of an exchange."""
        return b"NTLM " + b64encode(token)

    def test_same_connection(self) -> None:
        """On a connection that the proxy keeps, the next request is made there."""
        attempt = self.connect()
        self.accept()
        self.asked_for()
        self.say(challenge(b"Basic realm=x"))
        self.asked_for(basic(ALICE))
        with capturedLogs() as events:
            self.say(OPEN)
        self.assert_open(attempt)
        said = [formatEvent(event) for event in events]
        self.assertEqual(["http://proxy.example:3128 connects to vpn.example:443 (login by Basic)"], said)

    def test_closed_connection(self) -> None:
        """If the proxy closes it, or turns out to have closed it, another one is made."""
        for ending in ("said", "at once", "upon the request"):
            attempt = self.connect()
            self.accept()
            self.asked_for()
            self.say(challenge(b"Basic realm=x", close=ending == "said"))
            if ending != "said":
                self.asked_for(basic(ALICE))
                self.hang_up()
            self.accept()
            self.asked_for(basic(ALICE))
            self.say(OPEN)
            self.assert_open(attempt)

    def test_closed_again(self) -> None:
        """A new connection that is closed without an answer is not replaced once more."""
        attempt = self.connect()
        self.accept()
        self.say(challenge(b"Basic realm=x", close=True))
        self.accept()
        self.hang_up()
        self.assert_fails(attempt, ProxyFault.NO_ANSWER, "without an answer")

    def test_wrong(self) -> None:
        """Wrong credentials are shown once; the next attempt does not show them, and says why (PX-01)."""
        for answers in (2, 1):
            attempt = self.connect()
            self.accept()
            for _ in range(answers):
                self.say(challenge(b"Basic realm=x"))
            self.assertEqual(answers - 1, self.transport.value().count(b"Proxy-Authorization"))
            error = self.failureResultOf(attempt, ProxyError).value
            self.assertEqual(ProxyFault.CREDENTIALS_WRONG, error.fault)

    def test_ntlm(self) -> None:
        """A way that takes several tokens keeps to one connection."""
        attempt = self.connect()
        self.accept()
        self.say(challenge(b"NTLM", close=True))
        self.accept()
        self.asked_for(b"NTLM b3Vycw==")
        self.say(challenge(self.ntlm(b"theirs")))
        self.asked_for(b"NTLM b3Vycw==")
        self.say(OPEN)
        self.assert_open(attempt)
        self.assertEqual([(AuthScheme.NTLM, None), (AuthScheme.NTLM, b"theirs")], self.asked)

    def test_ntlm_broken_off(self) -> None:
        """A proxy that closes in the middle, or sends nonsense, is asked another way, on another connection."""
        for token, close in ((b"theirs", True), (b"nonsense", False)):
            attempt = self.connect()
            self.accept()
            self.say(challenge(b"Negotiate, NTLM, Basic realm=x"))
            self.transport.clear()
            with capturedLogs() as events:
                self.say(challenge(self.ntlm(token) + b", Basic realm=x", close=close))
            self.assertIn("no NTLM: ", str(formatEvent(events[0])))
            self.assertEqual((b"", True), (self.transport.value(), self.transport.disconnected))
            self.accept()
            self.asked_for(basic(ALICE))
            self.say(OPEN)
            self.assert_open(attempt)

    def test_ntlm_gone(self) -> None:
        """A connection that ends between two tokens cannot be replaced."""
        attempt = self.connect()
        self.accept()
        self.say(challenge(b"NTLM"))
        self.say(challenge(self.ntlm(b"theirs")))
        self.hang_up()
        self.assert_fails(attempt, ProxyFault.NO_ANSWER, "without an answer")

    def test_rounds(self) -> None:
        """A proxy that never has enough is left."""

        def tokens(way: AuthScheme, host: str, login: Login | None) -> NextTokenOf:
            return lambda token: succeed(b"ours")

        self.patch(self, "tokens", tokens)
        attempt = self.connect()
        self.accept()
        self.say(challenge(b"Negotiate"))
        for _ in range(MAXIMUM_REQUESTS - 1):
            self.say(challenge(b"Negotiate " + b64encode(b"more")))
        self.assert_fails(attempt, ProxyFault.REFUSED, "keeps asking for authentication")

    def test_unasked(self) -> None:
        """Unsolicited data of a proxy is discarded."""
        waiting: Deferred[bytes] = Deferred()
        self.patch(self, "tokens", lambda way, host, login: lambda token: waiting)
        attempt = self.connect()
        self.accept()
        self.say(challenge(b"NTLM"))
        self.transport.clear()
        self.say(OPEN)
        self.assertNoResult(attempt)
        self.hang_up()
        waiting.callback(b"ours")
        self.accept()
        self.asked_for(b"NTLM b3Vycw==")
