"""Which of several servers answers fastest, with servers that the test lets answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client_handshake import ClientHandshake
from iphttps.net.client import RemoteServer
from iphttps.net.fastest import PATIENCE, Fastest

from .support import Endpoint


class FastestTests(SynchronousTestCase):
    """Three servers, which are tried all at once."""

    def setUp(self) -> None:
        """Let the race begin."""
        self.clock = MemoryReactorClock()
        self.endpoints = [Endpoint() for _ in range(3)]
        self.order: Deferred[Sequence[RemoteServer]] = Fastest(self.clock)(
            [self.server(str(number), endpoint) for number, endpoint in enumerate(self.endpoints)]
        )

    def server(self, name: str, endpoint: Endpoint) -> RemoteServer:
        """Return a server that is reached through this endpoint."""
        return RemoteServer(name, cast(IStreamClientEndpoint, endpoint), lambda: ClientHandshake(name, "/"))

    def assert_order(self, expected: str) -> None:
        """Check the order of the servers, and that nothing is left waiting."""
        self.assertEqual("".join(server.uri for server in self.successResultOf(self.order)), expected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_order(self) -> None:
        """The servers come in the order of their answers, the failed one last; each connection is closed."""
        transports = [StringTransport(), StringTransport()]
        self.endpoints[2].accept(transports[0])
        self.endpoints[0].refuse(ConnectionRefusedError())
        self.assertNoResult(self.order)
        self.endpoints[1].accept(transports[1])
        self.assert_order("210")
        self.assertEqual([transport.disconnecting for transport in transports], [True, True])

    def test_impatience(self) -> None:
        """Who has not answered in time comes last, and is not waited for."""
        self.endpoints[1].accept(StringTransport())
        self.clock.advance(PATIENCE - 0.1)
        self.assertNoResult(self.order)
        self.clock.advance(0.1)
        self.assert_order("102")
        self.assertEqual([endpoint.cancelled for endpoint in self.endpoints], [1, 0, 1])

    def test_connection_lost(self) -> None:
        """A connection that ends after it was established has counted already."""
        protocol = self.endpoints[2].accept(StringTransport())
        protocol.connectionLost(Failure(ConnectionDone()))
        for endpoint in self.endpoints[:2]:
            endpoint.refuse(ConnectionRefusedError())
        self.assert_order("201")

    def test_cancelled(self) -> None:
        """A race that is called off has no winner, and leaves no attempt behind."""
        self.order.cancel()
        self.failureResultOf(self.order, CancelledError)
        self.assertEqual([endpoint.cancelled for endpoint in self.endpoints], [1, 1, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])
