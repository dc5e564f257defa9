"""The ways to a server, one after the other."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.proxy.url import Proxy
from iphttps.net.connect.fallback import FallbackEndpoint

from ..support import Endpoint

PROXY = Proxy.parse("http://proxy.example:3128")


class FallbackEndpointTests(SynchronousTestCase):
    """A proxy, and the direct way."""

    def setUp(self) -> None:
        """Begin an attempt."""
        self.endpoints: dict[Proxy | None, Endpoint] = {PROXY: Endpoint(), None: Endpoint()}
        self.found: Deferred[tuple[Proxy | None, ...]] = Deferred()
        self.forgotten = 0
        self.ways = FallbackEndpoint(
            lambda: self.found, lambda way: cast(IStreamClientEndpoint, self.endpoints[way]), self.forget
        )
        self.attempt: Deferred[IProtocol] = self.ways.connect(Factory.forProtocol(Protocol))

    def forget(self) -> None:
        """Note that what was found is not to be kept."""
        self.forgotten += 1

    def test_first(self) -> None:
        """The first way is taken if it leads to the server; no other is tried, and what was found is kept."""
        self.found.callback((PROXY, None))
        protocol = self.endpoints[PROXY].accept(StringTransport())
        self.assertIs(self.successResultOf(self.attempt), protocol)
        self.assertEqual((self.ways.latest, self.endpoints[None].attempts, self.forgotten), (PROXY, [], 0))

    def test_next(self) -> None:
        """A way that fails is said to, and the next one is tried at once; the last one's failure is the whole's.

        Then what was found was of no use, and is forgotten.
        """
        self.found.callback((PROXY, None))
        with capturedLogs() as events:
            self.endpoints[PROXY].refuse(ConnectionRefusedError())
        (said,) = [str(formatEvent(event)) for event in events]
        self.assertTrue(said.startswith("proxy http://proxy.example:3128: connection refused"), said)
        self.assertTrue(said.endswith("trying the next"), said)
        self.assertIsNone(self.ways.latest)
        self.assertEqual(self.forgotten, 0)
        self.endpoints[None].refuse(ConnectionRefusedError())
        self.failureResultOf(self.attempt, ConnectionRefusedError)
        self.assertEqual(self.forgotten, 1)

    def test_cancelled(self) -> None:
        """An attempt that is given up gives up the way that is tried, and tries no other."""
        self.found.callback((PROXY, None))
        self.attempt.cancel()
        self.failureResultOf(self.attempt, CancelledError)
        self.assertEqual((self.endpoints[PROXY].cancelled, self.endpoints[None].attempts), (1, []))

    def test_cancelled_in_other_words(self) -> None:
        """A cancelled attempt may fail with another error, as in Twisted's resolver; no alternative is tried."""
        self.endpoints[PROXY].cancelling = DNSLookupError
        self.found.callback((PROXY, None))
        self.attempt.cancel()
        self.failureResultOf(self.attempt, DNSLookupError)
        self.assertEqual((self.endpoints[None].attempts, self.forgotten), ([], 0))

    def test_cancelled_in_vain(self) -> None:
        """A search that goes on although it is cancelled finds ways that nobody takes any more."""
        found: Deferred[tuple[Proxy | None, ...]] = Deferred(lambda cancelled: None)
        found.addErrback(lambda failure: (PROXY, None))
        ways = FallbackEndpoint(
            lambda: found, lambda way: cast(IStreamClientEndpoint, self.endpoints[way]), self.forget
        )
        attempt = ways.connect(Factory.forProtocol(Protocol))
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)
        self.assertEqual((self.endpoints[PROXY].attempts, self.endpoints[None].attempts), ([], []))

    def test_not_found(self) -> None:
        """A search that fails, or is given up, is the attempt's failure."""
        self.attempt.cancel()
        self.failureResultOf(self.attempt, CancelledError)
        ways = FallbackEndpoint(
            lambda: succeed((None,)), lambda way: cast(IStreamClientEndpoint, self.endpoints[way]), self.forget
        )
        ways.connect(Factory.forProtocol(Protocol))
        self.assertEqual(len(self.endpoints[None].attempts), 1)
