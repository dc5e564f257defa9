"""A peer that never reads, on real connections over loopback: what it costs, and whom."""

from __future__ import annotations

import array
import fcntl
import socket
import ssl
import termios
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import TestCase

from iphttps.core.errors import DropReason
from iphttps.core.ip.batch import Framer
from iphttps.core.iphttps.clients import ClientEntry
from iphttps.core.queues.memory import SharedMemory
from iphttps.net.iphttps.server_session import ServerSession
from iphttps.net.tls.contexts import ServerTLS
from iphttps.net.tls.immediate import ImmediateTLSFactory

from .certificates import Certificates
from .support import NAME, PRIVATE_HOST, ServerEnd, client_address, packet

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nHost: vpn.example.org\r\nContent-Length: 18446744073709551615\r\n\r\n"
MEBIBYTE = 1 << 20
BATCH = 50
OFFERED = 16 * MEBIBYTE
"""The amount of data sent to a peer, far above the limit."""


class Peer:
    """A client of a few lines, which reads only when told to."""

    def __init__(self, port: int, certificates: Certificates | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self._tls: ssl.SSLObject | None = None
        if certificates:
            context = ssl.create_default_context(cafile=certificates.authority.certificate)
            context.load_cert_chain(certificates.client.certificate, certificates.client.private_key)
            self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._in, self._out, server_hostname=NAME)

    def shaken_hands(self) -> bool:
        """Go on with the TLS handshake; tell whether it is complete."""
        if not self._tls:
            return True
        self._in.write(self._received())
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.socket.sendall(self._out.read())
        return True

    def write(self, data: bytes) -> None:
        """Send."""
        if self._tls:
            self._tls.write(data)
            data = self._out.read()
        self.socket.sendall(data)

    def read(self) -> bytes:
        """Return what has arrived."""
        if not self._tls:
            return self._received()
        self._in.write(self._received())
        read = b""
        try:
            while True:
                read += self._tls.read(1 << 16)
        except ssl.SSLWantReadError:
            return read

    def _received(self) -> bytes:
        received = b""
        try:
            while data := self.socket.recv(1 << 20):
                received += data
        except BlockingIOError:
            pass
        return received

    def unread(self) -> int:
        """Return how many bytes wait in the kernel to be read."""
        size = array.array("i", [0])
        fcntl.ioctl(self.socket, termios.FIONREAD, size)
        return size[0]


class BacklogTestsMixin(TestCase):
    """A server whose clients may stop reading."""

    secure = True
    timeout = 60  # seconds, trial's word for it

    def setUp(self) -> None:
        """Listen on loopback."""
        self.certificates = Certificates(Path(self.mktemp())) if self.secure else None
        self.end = ServerEnd(MemoryReactorClock())
        self.addCleanup(self.end.device.close)
        factory: IProtocolFactory = self.end.listener
        if self.certificates:
            tls: ServerTLS = self.certificates.server_tls()
            factory = ImmediateTLSFactory(tls, False, factory, cast(IReactorTime, reactor))
        port = cast(Any, reactor).listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        address = port.getHost()
        assert isinstance(address, IPv4Address)
        self.port = address.port
        self.peers: list[Peer] = []
        self.addCleanup(self._hang_up)

    async def _hang_up(self) -> None:
        for peer in self.peers:
            peer.socket.close()
        await self.end.server.wait_closed()

    def turn(self) -> Deferred[object]:
        """Let the reactor turn once."""
        return deferLater(cast(IReactorTime, reactor), 0)

    async def open(self, number: int) -> None:
        """Open the session of the client with this number, which sends one packet."""
        peer = Peer(self.port, self.certificates)
        self.peers.append(peer)
        while not peer.shaken_hands():
            await self.turn()
        peer.write(REQUEST + packet(client_address(number), PRIVATE_HOST))
        while len(self.end.device.taken) < number:
            await self.turn()

    def held(self, entry: ClientEntry, peer: Peer) -> int:
        """Return how many bytes the server holds for a peer: queued or sent, and not in the peer's own queue yet.

        That queue has TLS records in it, which are longer than what is in them by less than one in 64.
        """
        queued = cast(ServerSession, entry.connection).backlog.size
        return queued + entry.counters.bytes_out - peer.unread() * 63 // 64

    async def offer(self, *numbers: int) -> None:
        """Offer each of these clients a lot, while the reactor turns and only the second peer ever reads."""
        batch = [packet(PRIVATE_HOST, client_address(number), bytes(1200)) for number in numbers for _ in range(BATCH)]
        self.read = b""
        for _ in range(OFFERED // (BATCH * 1240)):
            self.end.from_host(*batch)
            await self.turn()
            if len(self.peers) > 1:
                self.read += self.peers[1].read()

    async def test_at_once(self) -> None:
        """Data that fits is with the kernel before the reactor's next iteration."""
        await self.open(1)
        while not self.peers[0].read():  # the answer to the request, and nothing after it
            await self.turn()
        sent = [packet(PRIVATE_HOST, client_address(1), bytes(1200)) for _ in range(BATCH)]
        self.end.from_host(*sent)
        self.assertEqual(self.peers[0].read(), b"".join(sent))

    async def test_bound(self) -> None:
        """A client that never reads costs the server at most 1 MiB; what is more is dropped and counted."""
        await self.open(1)
        (entry,) = self.end.table
        await self.offer(1)
        held = self.held(entry, self.peers[0])
        self.assertLessEqual(held, MEBIBYTE)
        dropped = entry.counters.drops[DropReason.CONGESTED]
        queued = cast(ServerSession, entry.connection).backlog.size // 1240
        self.assertEqual(queued + entry.counters.packets_out + dropped, OFFERED // (BATCH * 1240) * BATCH)
        self.assertGreater(dropped, 0)

    async def test_together(self) -> None:
        """All that never read hold together no more than a bound that each could reach alone, and give it back."""
        bound = MEBIBYTE // 2
        memory = self.end.service.memory = SharedMemory(bound)
        for number in range(1, 7):
            await self.open(number)
        self.assertEqual(0, memory.held)
        await self.offer(1, 3, 4, 5, 6)
        tunnels = [cast(ServerSession, entry.connection) for entry in self.end.table]
        self.assertEqual([True, False, True, True, True, True], [tunnel.congested for tunnel in tunnels])
        self.assertLess(memory.held, bound)
        self.assertGreater(memory.held, bound // 4)
        for tunnel in tunnels:
            tunnel.wire.abortConnection()
        await self.end.server.wait_closed()
        self.assertEqual(0, memory.held)

    async def test_neighbour(self) -> None:
        """A client that never reads costs its neighbour nothing."""
        await self.open(1)
        await self.open(2)
        slow, quick = self.end.table
        await self.offer(1, 2)
        expected = OFFERED // (BATCH * 1240) * BATCH * 1240
        while len(self.read) < expected:
            await self.turn()
            self.read += self.peers[1].read()
        self.assertEqual((quick.counters.drops, len(self.read) - expected), ({}, len(self.read) % 1240))
        self.assertGreater(slow.counters.drops[DropReason.CONGESTED], 0)

    async def test_reading_again(self) -> None:
        """A client that reads again gets whole packets, all those not counted as dropped, and is served again."""
        await self.open(1)
        (entry,) = self.end.table
        await self.offer(1)
        peer, framer = self.peers[0], Framer()
        head, _, rest = peer.read().partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK"), head)
        packets = len(framer.feed(rest))
        while packets < entry.counters.packets_out or cast(ServerSession, entry.connection).backlog:
            await self.turn()
            packets += len(framer.feed(peer.read()))
        self.assertIsNone(framer.end)
        last = packet(PRIVATE_HOST, client_address(1), b"last")
        self.end.from_host(last)
        arrived: list[bytes] = []
        while not arrived:
            await self.turn()
            arrived += framer.feed(peer.read())
        self.assertEqual(arrived, [last])


class PlainBacklogTests(BacklogTestsMixin):
    """Over plain HTTP."""

    secure = False


class TLSBacklogTests(BacklogTestsMixin):
    """Over TLS."""


del BacklogTestsMixin
