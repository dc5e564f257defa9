"""The kernel's send buffer of real TCP connections over loopback."""

from __future__ import annotations

import socket
import struct

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.queues.send_limits import INITIAL_UNSENT, MAXIMUM_IN_KERNEL
from iphttps.net.stream import send_buffer
from iphttps.net.stream.send_buffer import SO_BUF_LOCK, SOCK_SNDBUF_LOCK, SendBuffer


class Transport(StringTransport):
    """A transport with a socket."""

    def __init__(self, handle: socket.socket) -> None:
        super().__init__()
        self.handle = handle

    def getHandle(self) -> socket.socket:
        """Return the socket."""
        return self.handle


class SendBufferTests(SynchronousTestCase):
    """The state that TCP reports, and the limits set."""

    def setUp(self) -> None:
        """Connect."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.ours = socket.create_connection(listener.getsockname())
            self.addCleanup(self.ours.close)
            self.peer, _ = listener.accept()
            self.addCleanup(self.peer.close)
        self.buffer = SendBuffer(Transport(self.ours))

    def option(self, level: int, name: int) -> int:
        """Return the value of a socket option."""
        return self.ours.getsockopt(level, name)

    def fill(self) -> int:
        """Send until the kernel takes no more; return how many bytes it took."""
        self.ours.setblocking(False)
        taken = 0
        try:
            while True:
                taken += self.ours.send(bytes(1000))
        except BlockingIOError:
            return taken

    def test_info(self) -> None:
        """Acknowledged bytes, round-trip times and the rate are those of tcp_info (linux/tcp.h)."""
        before = self.buffer.info()
        assert before
        for _ in range(10):
            self.ours.sendall(bytes(10_000))
            received = 0
            while received < 10_000:
                received += len(self.peer.recv(1 << 20))
            self.peer.sendall(b"answered")
            self.ours.recv(100)
        after = self.buffer.info()
        assert after
        self.assertEqual(100_000, after.acked - before.acked)
        self.assertTrue(0 < after.min_rtt <= after.rtt < 1, after)
        self.assertGreater(after.delivery_rate, 10_000)
        # The kernel's own order of the fields, as iproute2 and others read them.
        data = self.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
        words = struct.unpack_from("=24I", data, 8)
        self.assertEqual(after.rtt, words[15] / 1e6)

    def test_limit(self) -> None:
        """With a limit the kernel takes about that much from a peer's view that does not read, and no more."""
        self.buffer.limit(4096, INITIAL_UNSENT)
        self.assertEqual(8192, self.option(socket.SOL_SOCKET, socket.SO_SNDBUF))
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        limited = self.fill()
        self.buffer.limit(None, INITIAL_UNSENT)
        self.assertGreater(self.fill(), 4 * limited)

    def test_no_limit_again(self) -> None:
        """Without a limit the kernel adapts the size of the buffer again, as before (socket(7))."""
        before = self.option(socket.SOL_SOCKET, SO_BUF_LOCK)
        self.buffer.limit(4096, INITIAL_UNSENT)
        self.assertTrue(self.option(socket.SOL_SOCKET, SO_BUF_LOCK) & SOCK_SNDBUF_LOCK)
        self.buffer.limit(None, INITIAL_UNSENT)
        self.assertEqual(before, self.option(socket.SOL_SOCKET, SO_BUF_LOCK))
        self.assertGreaterEqual(self.option(socket.SOL_SOCKET, socket.SO_SNDBUF), MAXIMUM_IN_KERNEL)

    def test_small_changes(self) -> None:
        """Changes of less than an eighth are not worth a system call."""
        for limit, expected in ((40_000, 80_000), (42_000, 80_000), (36_000, 80_000), (48_000, 96_000)):
            self.buffer.limit(limit, INITIAL_UNSENT)
            self.assertEqual(expected, self.option(socket.SOL_SOCKET, socket.SO_SNDBUF))

    def test_unsent(self) -> None:
        """The limit of unsent bytes is set apart, and only if it changes."""
        self.buffer.limit(None, 2 * INITIAL_UNSENT)
        self.assertEqual(2 * INITIAL_UNSENT, self.option(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))
        self.ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 1)
        self.buffer.limit(None, 2 * INITIAL_UNSENT)
        self.assertEqual(1, self.option(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT))

    def test_closed(self) -> None:
        """A connection that is closed meanwhile says nothing, and can be told anything."""
        self.ours.close()
        self.assertIsNone(self.buffer.info())
        self.buffer.limit(4096, 1)
        self.assertIsNone(self.buffer.info())

    def test_no_tcp(self) -> None:
        """Other transports say nothing, and can be told anything: those without a socket, and UNIX sockets."""
        ours, peer = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(peer.close)
        size = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        for transport in (StringTransport(), Transport(ours)):
            buffer = SendBuffer(transport)
            self.assertIsNone(buffer.info())
            buffer.limit(4096, 1)
        self.assertEqual(size, ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))

    def test_old_kernel(self) -> None:
        """No limit is set that could not be removed again, as before Linux 5.14."""
        self.patch(send_buffer, "SO_BUF_LOCK", 9999)  # an option that this kernel does not know either
        size = self.option(socket.SOL_SOCKET, socket.SO_SNDBUF)
        buffer = SendBuffer(Transport(self.ours))
        buffer.limit(4096, 1)
        self.assertEqual((None, size), (buffer.info(), self.option(socket.SOL_SOCKET, socket.SO_SNDBUF)))
