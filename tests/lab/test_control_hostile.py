"""The control socket withstands faulty and hostile programs of the daemon's own user (RS-16)."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

from iphttps.lab.poll import DEADLINE, wait_until
from tests.lab.raw import descriptors, resident
from tests.lab.test_control import ControlCase

MEBIBYTE = 1 << 20
MOST_CONNECTIONS = 32


class HostileTests(ControlCase):
    """A server with a client that pings all the time, and somebody who does what he should not."""

    def setUp(self) -> None:
        """Start both, and let the server see each kind of request once: what that allocates does not count."""
        super().setUp()
        self.process = self.controlled_server()
        self.controlled_client()
        for path in ("/status", "/clients", "/nowhere"):
            self.curl(path)
        self.change_mode("nobody")

    def connect(self) -> socket.socket:
        """Connect to the control socket."""
        wire = socket.socket(socket.AF_UNIX)
        self.addCleanup(wire.close)
        wire.connect(str(self.socket()))  # waits for its turn, as it would not with a time-out set before
        wire.settimeout(DEADLINE)
        return wire

    @contextlib.contextmanager
    def bounded(self) -> Iterator[None]:
        """Check that meanwhile no ping is lost, and that the server neither grows nor keeps a descriptor."""
        before = resident(self.process.pid), descriptors(self.process.pid)
        with self.pinging():
            yield
            self.assertEqual(200, self.curl("/status")[0])
        self.assertLess(resident(self.process.pid) - before[0], 4 * MEBIBYTE)
        wait_until(lambda: descriptors(self.process.pid) <= before[1], "no descriptor left behind")

    def answer(self, wire: socket.socket) -> bytes:
        """Return all that comes until the connection ends."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while more := wire.recv(65536):
                received += more
        return received

    def test_long_line(self) -> None:
        """A line of 100 MB is rejected before it is there."""
        for start in (b"", b"GET /status HTTP/1.1\r\nCookie: "):
            with self.bounded():
                wire = self.connect()
                with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                    wire.sendall(start + b"x" * (100 * MEBIBYTE))
                self.assertIn(b" 431 ", self.answer(wire))

    def test_long_body(self) -> None:
        """So is a body of 100 MB."""
        with self.bounded():
            wire = self.connect()
            head = f"POST /authentication HTTP/1.1\r\nContent-Length: {100 * MEBIBYTE}\r\n\r\n"
            with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                wire.sendall(head.encode() + b" " * (100 * MEBIBYTE))
            self.assertIn(b" 413 ", self.answer(wire))

    def test_broken_json(self) -> None:
        """Broken JSON is rejected, and nobody is disconnected."""
        with self.bounded():
            for body in (
                "{",
                "[" * 4000,
                '{"mode": "\\ud800"}',
                '{"mode":' + "9" * 4000,
                '{"mode": NaN}',
                "null",
            ):
                status, answer = self.curl("/authentication", "--data-binary", body)
                self.assertEqual((400, ["error"]), (status, list(answer)))
        self.assertEqual([1], [client["number"] for client in self.client_list()])

    def test_idle_connections(self) -> None:
        """Of 1000 idle connections a few are kept, for some seconds; others are served meanwhile."""
        with self.bounded():
            before = descriptors(self.process.pid)
            wires = [self.connect() for _ in range(1000)]
            for wire in wires:
                with contextlib.suppress(BrokenPipeError):
                    wire.send(b"G")
            self.assertEqual(200, self.curl("/clients")[0])
            self.assertLessEqual(descriptors(self.process.pid), before + MOST_CONNECTIONS)
            begin = time.monotonic()
            for wire in wires:
                self.answer(wire)
            self.assertLess(time.monotonic() - begin, 15)

    def test_unread_output(self) -> None:
        """A client that sends requests without reading gets one response at most, and a few seconds."""
        with self.bounded():
            request = b"GET /status HTTP/1.1\r\n\r\n"
            for wire in [self.connect() for _ in range(100)]:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    wire.sendall(request * 10_000)
            last = self.connect()
            last.sendall(request * 2)
            head, _, body = self.answer(last).partition(b"\r\n\r\n")
            self.assertIn(b" 200 ", head)
            self.assertEqual("server", json.loads(body)["role"])
