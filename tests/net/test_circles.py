"""Ended sessions are freed at once, without reference cycles for the garbage collector.

The server's collector does not look again at what it once has found alive (`app/daemon/process/gc_tuning.py`): what
would need it then, stays.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import cast
from weakref import ref

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTCP, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from iphttps.core.http.document import Document
from iphttps.core.iphttps.server import ServerEvent
from iphttps.core.proxy.trusted_proxies import TrustedProxies
from iphttps.net.listen.accept import AcceptFilter
from iphttps.net.listen.listener import Listener
from iphttps.net.listen.static import StaticService
from iphttps.net.tls.contexts import ServerTLS

from .certificates import Certificates
from .support import NAME, ServerEnd

LONG = Document("/long", "text/plain", bytes(64 << 20))
"""So long that it does not find room in the kernel."""

OPEN = b"POST /IPHTTPS HTTP/1.1\r\nHost: gateway\r\nContent-Length: 18446744073709551615\r\n\r\n"
ENDING = b"POST /IPHTTPS HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n"
FETCH = b"GET /long HTTP/1.1\r\nHost: gateway\r\n\r\n"
WRONG = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"

REQUESTS = (b"", OPEN[:30], OPEN, ENDING, FETCH)
"""The data sent by clients in the middle of each phase."""


def close(client: socket.socket) -> None:
    """Hang up."""
    client.close()


def reset(client: socket.socket) -> None:
    """Hang up so that the peer hears of an error."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def mistake(client: socket.socket) -> None:
    """Say what nobody may say here, wherever one is, and wait for the end."""
    with contextlib.suppress(OSError):
        client.sendall(WRONG)
        while client.recv(1 << 20):
            pass
    client.close()


def unwrap(client: socket.socket) -> None:
    """End TLS in order."""
    if isinstance(client, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            client.settimeout(1)
            client.unwrap()
    client.close()


def never(factory: IProtocolFactory) -> IListeningPort:
    """Listen nowhere: the test has a port of its own."""
    raise NotImplementedError


def nothing(client: socket.socket) -> None:
    """Leave it to the server."""


class Old:
    """Protocols that have grown old, with what is beneath them, none of which may be there in the end."""

    def __init__(self, protocols: Iterable[object]) -> None:
        """Take note of them, and let them grow old."""
        parts: list[object] = list(protocols)
        for part in parts:
            parts += filter(None, (getattr(part, name, None) for name in ("tls", "transport")))
        self._parts = [(type(part).__name__, ref(part)) for part in parts]
        del parts, part
        gc.collect()
        gc.freeze()

    def left(self) -> list[str]:
        """Return what is still there."""
        gc.collect()  # what has come only now, as Twisted's Failures have
        gc.unfreeze()
        return [name for name, part in self._parts if part()]


class ConnectionTests(TestCase):
    """A server on a real port, and clients in threads."""

    def setUp(self) -> None:
        """Have a certificate for each."""
        self.certificates = Certificates(Path(self.mktemp()))
        # While a thread collects, gc.collect does nothing: then what it is to find would seem to be left.
        gc.disable()
        self.addCleanup(gc.enable)
        self.addCleanup(gc.unfreeze)

    def listen(self, factory: IProtocolFactory) -> None:
        """Listen for those that `open` connects."""
        port = cast(IReactorTCP, reactor).listenTCP(0, cast(ServerFactory, factory), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.address = "127.0.0.1", cast(IPv4Address, port.getHost()).port

    def serve(self, tls: ServerTLS | None) -> None:
        """Start the server."""
        self.end = ServerEnd(cast(MemoryReactorClock, reactor), tls)
        self.end.documents.documents = (LONG,)
        self.addCleanup(self.end.device.close)
        self.addCleanup(self.end.server.handle, ServerEvent.SHUTDOWN)
        assert self.end.factory
        self.listen(self.end.factory)

    def open(self, says: Iterable[bytes], *, secure: bool = False) -> list[socket.socket]:
        """Come once for each thing to say, and wait for an answer where there is one."""
        context = ssl.create_default_context(cafile=self.certificates.authority.certificate)
        context.load_cert_chain(self.certificates.client.certificate, self.certificates.client.private_key)
        clients = []
        for said in says:
            client = socket.create_connection(self.address, 10)
            if secure:
                client = context.wrap_socket(client, server_hostname=NAME)
            client.sendall(said)
            if said.endswith(b"\r\n\r\n"):
                client.recv(100)
            clients.append(client)
        return clients

    async def come_and_go(self, go: Callable[[socket.socket], None], *, secure: bool) -> None:
        """Have all clients come, and grow old; then have all of them go, and see that nothing of them is left."""
        clients = [*self.open([b""]), *await deferToThread(self.open, REQUESTS, secure=secure)]
        listener = self.end.listener
        while len(listener._requests) + len(listener._sessions) < len(clients):
            await self.turn()
        old, gone = Old([*listener._requests, *listener._sessions]), self.end.server.wait_closed()
        if go is nothing:
            listener.disconnect("it is told to go")
        for client in clients:
            await deferToThread(go, client)
        await gone
        await self.turn()
        self.assertEqual(old.left(), [], go.__name__)
        for client in clients:
            client.close()

    def turn(self) -> Deferred[object]:
        """Let the reactor turn once."""
        return deferLater(cast(IReactorTime, reactor), 0)

    async def test_tls(self) -> None:
        """However a connection with TLS ends, and wherever it was."""
        self.serve(self.certificates.server_tls())
        for go in (close, reset, mistake, unwrap, nothing):
            await self.come_and_go(go, secure=True)

    async def test_plain(self) -> None:
        """And one without."""
        self.serve(None)
        for go in (close, reset, mistake, nothing):
            await self.come_and_go(go, secure=False)

    async def test_beside(self) -> None:
        """And those of fronts, and of who fetches what is published."""
        documents = StaticService("name")
        documents.documents = (LONG,)
        published = Listener(cast(IReactorTime, reactor), never, (documents,), name="name")
        fronts = TrustedProxies((ip_network("127.0.0.1"),))
        accept_filter = AcceptFilter(
            published, published.clock, published.limiter, published.rejections, fronts, proxy_protocol=True
        )
        self.listen(accept_filter)
        self.addCleanup(published.rejections.close)
        header = b"PROXY TCP4 192.0.2.7 192.0.2.8 1000 443\r\n"
        for go in (close, reset, mistake):
            clients = await deferToThread(self.open, [b"", header[:9], header, header + FETCH[:9], header + FETCH])
            while len(accept_filter.announcing) + len(published.limiter) < len(clients):
                await self.turn()
            old = Old([*accept_filter.announcing, *published.limiter])
            for client in clients:
                await deferToThread(go, client)
            while accept_filter.announcing or len(published.limiter):
                await self.turn()
            await self.turn()
            self.assertEqual(old.left(), [], go.__name__)


class ContextTests(SynchronousTestCase):
    """The TLS state shared by all connections: keys, authorities, lists."""

    def test_change(self) -> None:
        """If other certificates are put in force, the old ones do not stay."""
        tls = Certificates(Path(self.mktemp())).server_tls()
        old = ref(tls._contexts[0])
        gc.collect()
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        tls.change(tls.settings)
        self.assertIsNone(old())
