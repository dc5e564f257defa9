"""Which of several servers answers fastest, with servers that the test lets answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import ISSLTransport, IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from iphttps.net.connect.race import PATIENCE, Fastest
from iphttps.net.connect.remote_server import RemoteServer

from ..support import Endpoint


class FastestTests(SynchronousTestCase):
    """Three servers, which are tried all at once."""

    def setUp(self) -> None:
        """Let the race begin."""
        self.clock = MemoryReactorClock()
        self.endpoints = [Endpoint() for _ in range(3)]
        self.order: Deferred[Sequence[RemoteServer[None]]] = Fastest(self.clock)(
            [self.server(str(number), endpoint) for number, endpoint in enumerate(self.endpoints)]
        )

    def server(self, name: str, endpoint: Endpoint) -> RemoteServer[None]:
        """Return a server that is reached through this endpoint."""
        return RemoteServer(name, cast(IStreamClientEndpoint, endpoint), None)

    def assert_order(self, expected: str) -> None:
        """Check the order of the servers, and that nothing is left waiting."""
        self.assertEqual("".join(server.uri for server in self.successResultOf(self.order)), expected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_first(self) -> None:
        """Who answers first is first, and nobody else is waited for; the connection is closed."""
        self.endpoints[0].refuse(ConnectionRefusedError())
        self.assertNoResult(self.order)
        transport = StringTransport()
        self.endpoints[2].accept(transport)
        self.assert_order("201")
        self.assertTrue(transport.disconnecting)
        self.assertEqual([endpoint.cancelled for endpoint in self.endpoints], [0, 1, 0])

    def test_nobody(self) -> None:
        """Where all fail, or nobody answers in time, the order is that of the list."""
        for endpoint in self.endpoints:
            endpoint.refuse(ConnectionRefusedError())
        self.assert_order("012")
        self.setUp()
        self.clock.advance(PATIENCE - 0.1)
        self.assertNoResult(self.order)
        self.clock.advance(0.1)
        self.assert_order("012")
        self.assertEqual([endpoint.cancelled for endpoint in self.endpoints], [1, 1, 1])

    def test_connection_lost(self) -> None:
        """A connection that ends before it is established has failed."""
        transport = StringTransport()
        directlyProvides(transport, ISSLTransport)  # whose handshake is still to come
        self.endpoints[1].accept(transport).connectionLost(Failure(ConnectionDone()))
        self.assertNoResult(self.order)
        self.endpoints[2].accept(StringTransport())
        self.assert_order("201")

    def test_cancelled(self) -> None:
        """A race that is called off has no winner, and leaves no attempt behind."""
        self.order.cancel()
        self.failureResultOf(self.order, CancelledError)
        self.assertEqual([endpoint.cancelled for endpoint in self.endpoints], [1, 1, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])
