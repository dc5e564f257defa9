"""The way through a web proxy over real connections on loopback: what is left of the proxy is the transport."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import TestCase

from iphttps.core.errors import ProxyError, ProxyFault
from iphttps.core.proxy.login import ProxyCredentials
from iphttps.core.proxy.url import Proxy
from iphttps.core.queues.send_limits import INITIAL_UNSENT, QUEUE
from iphttps.net.connect.endpoints import URI, client_endpoint
from iphttps.net.connect.proxy import ProxySettings
from iphttps.net.connect.proxy_connection import ProxyConnection
from iphttps.net.connect.spnego import tokens
from iphttps.net.session import Session

from ..certificates import Certificates
from ..support import NAME


class Behind(Protocol):
    """The server behind the proxy: it sends back what it gets."""

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        cast(ITransport, self.transport).write(data)


class AnyProxy(Protocol):
    """A proxy that connects everybody, and every host is the same one."""

    head = b""

    def __init__(self, behind: IProtocolFactory) -> None:
        self._behind = behind

    def dataReceived(self, data: bytes) -> None:
        """Take the head of a request; then the server takes over."""
        self.head += data
        if self.head.endswith(b"\r\n\r\n"):
            transport = cast(Any, self.transport)
            transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
            server = self._behind.buildProtocol(transport.getPeer())
            assert server
            if isinstance(transport, TLSMemoryBIOProtocol):
                transport.wrappedProtocol = server
            else:
                transport.protocol = server
            server.makeConnection(transport)


class EchoTunnel(Session):
    """The client: once its connection is established it says a word, and waits until that comes back."""

    def __init__(self) -> None:
        super().__init__(cast(Any, reactor))
        self.heard: Deferred[bytes] = Deferred()

    def established(self) -> None:
        """Say it."""
        super().established()
        self.wire.write(b"word")

    def head_received(self, data: bytes) -> None:
        """Hear it."""
        self.heard.callback(data)


class WireTests(TestCase):
    """TLS around, inside, both, or neither."""

    def setUp(self) -> None:
        """Make certificates for the proxy and the server, which are both at 127.0.0.1."""
        self.certificates = Certificates(Path(self.mktemp()))

    def listen(self, *, around: bool, inside: bool) -> int:
        """Start a proxy, and return its port."""
        tls = self.certificates.server_tls(ask=False)
        behind = cast(IProtocolFactory, Factory.forProtocol(Behind))
        if inside:
            behind = TLSMemoryBIOFactory(tls, False, behind)
        factory = cast(IProtocolFactory, Factory.forProtocol(lambda: AnyProxy(behind)))
        if around:
            factory = TLSMemoryBIOFactory(tls, False, factory)
        port: IListeningPort = cast(Any, reactor).listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(cast(Any, port.getHost()).port)

    async def through(self, *, around: bool, inside: bool, name: str = NAME) -> EchoTunnel:
        """Connect through a proxy; `name` is what its certificate must be for."""
        proxy = Proxy(around, "127.0.0.1", self.listen(around=around, inside=inside))
        tls = self.certificates.client_tls(name=name) if around else None
        settings = ProxySettings(proxy, ProxyCredentials(), tokens, tls)
        endpoint = client_endpoint(
            reactor,
            URI.parse(f"{'https' if inside else 'http'}://{NAME}/"),
            self.certificates.client_tls() if inside else None,
            settings,
        )
        return cast(EchoTunnel, await endpoint.connect(cast(Any, Factory.forProtocol(EchoTunnel))))

    async def test_layers(self) -> None:
        """The tunnel sits on TLS, TLS on TCP, and nothing in between; TCP has the tunnel's options and its producer."""
        for around in (False, True):
            for inside in (False, True):
                tunnel = await self.through(around=around, inside=inside)
                self.assertEqual(b"word", await tunnel.heard)
                transport: Any = tunnel.transport
                for _ in range(inside + around):
                    self.assertIsInstance(transport, TLSMemoryBIOProtocol)
                    transport = transport.transport
                self.assertIsInstance(transport, Connection)
                if not around:
                    self.assertIs(transport.protocol, tunnel.transport if inside else tunnel)
                self.assertEqual(QUEUE, transport.bufferSize)
                self.assertEqual(
                    INITIAL_UNSENT, transport.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
                )
                transport.producer.pauseProducing()
                self.assertTrue(tunnel.congested)
                tunnel.disconnect("enough")
                await tunnel.ended

    async def test_plain(self) -> None:
        """A proxy that does not do its part of TLS in time may be one for http://; with another the answer is late."""
        silent = cast(IProtocolFactory, Factory.forProtocol(Protocol))
        tls = TLSMemoryBIOFactory(self.certificates.server_tls(ask=False), False, silent)
        for server, told in ((silent, True), (tls, False)):
            port: IListeningPort = cast(Any, reactor).listenTCP(0, server, interface="127.0.0.1")
            self.addCleanup(port.stopListening)
            uri = URI.parse(f"https://127.0.0.1:{cast(Any, port.getHost()).port}/")
            factory = Factory.forProtocol(
                lambda: ProxyConnection(cast(Any, reactor), Proxy(True, "proxy.example", 443), "vpn.example:443")
            )
            endpoint = client_endpoint(reactor, uri, self.certificates.client_tls())
            connection = cast(ProxyConnection, await endpoint.connect(cast(Any, factory)))
            waiting = connection.ask(None)
            if not told:
                await connection.secured
            self.assertEqual(told, "it may be an http:// proxy" in str(connection.expired()))
            connection.abort()
            self.assertNoResult(waiting)

    async def test_wrong_certificate(self) -> None:
        """A proxy at https:// must show a certificate for its name, before it hears anything."""
        attempt = Deferred.fromCoroutine(self.through(around=True, inside=False, name="proxy.example"))
        error = cast(ProxyError, await self.assertFailure(attempt, ProxyError))
        self.assertEqual(ProxyFault.UNREACHABLE, error.fault)
        self.assertIn(f"the certificate is for {NAME}, not for proxy.example", str(error))
