"""Tests for iphttps.app.control.resource: what a connection may cost, and who may have one (RS-16)."""

from __future__ import annotations

import contextlib  # trial takes a name `suppress` in a test's module for its own
import os
import socket
from typing import cast

from twisted.internet import reactor, unix
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.threads import deferToThread

from iphttps.app.control import resource
from iphttps.app.control.resource import BODY, CONNECTIONS, HEAD, LINE

from .test_resource import GET, ControlCase, post


class BoundTests(ControlCase):
    """Hostile input costs little, and nobody else anything (RS-16)."""

    async def test_not_http(self) -> None:
        """Data that is not HTTP is rejected with 400."""
        for rubbish in (b"\r\n\r\nrubbish\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\0\r\n\r\n", GET[:-2] + b"x\r\n\r\n"):
            self.assertEqual((400, "not an HTTP request"), await self.refusal(rubbish), rubbish)

    async def test_long_line(self) -> None:
        """A line without an end is rejected once it is too long, as the request line and in the head."""
        for start in (b"", GET[:-2]):
            status, sentence = await self.refusal(start + b"x" * 10_000_000)
            self.assertEqual((431, f"a line is longer than {LINE} bytes"), (status, sentence))

    async def test_long_head(self) -> None:
        """A head with too many lines is rejected."""
        for lines in (b"A: b\r\n" * 100, (b"A: " + b"b" * 1000 + b"\r\n") * (HEAD // 1000 + 1)):
            status, _ = await self.refusal(GET[:-2] + lines + b"\r\n")
            self.assertEqual(400, status)

    async def test_long_body(self) -> None:
        """A body that is too long is rejected before it comes, one of unknown length too."""
        self.assertEqual(200, (await self.answer(post("/things/1/end", b"x" * BODY)))[0])
        status, sentence = await self.refusal(post("/mode", b"x" * (BODY + 1)))
        self.assertEqual((413, f"the body is longer than {BODY} bytes"), (status, sentence))
        huge = post("/mode", b"").replace(b"Content-Length: 0", b"Content-Length: 18446744073709551615")
        self.assertEqual(413, (await self.refusal(huge))[0])
        chunked = post("/mode", b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
        self.assertEqual(411, (await self.refusal(chunked))[0])

    async def test_many_connections(self) -> None:
        """Of too many idle connections those that are silent longest end, and the next is served."""
        idle = [self.connect() for _ in range(16)]
        for wire in idle:
            wire.sendall(b"GET")
        await self.answer(GET)
        idle[0].sendall(b" /status HTTP/1.1")
        await self.answer(GET)  # so that all this has been heard
        more = [await self._connected() for _ in range(CONNECTIONS - 16)]
        self.assertEqual(200, (await self.answer(GET))[0])
        ended = await deferToThread(idle[1].recv, 1)
        self.assertEqual(b"", ended)
        for wire in (idle[0], more[-1]):
            wire.setblocking(False)
            self.assertRaises(BlockingIOError, wire.recv, 1)

    async def test_many_at_once(self) -> None:
        """However many come at once, no more are kept."""

        def served() -> int:
            return sum(isinstance(reader, unix.Server) for reader in cast(IReactorFDSet, reactor).getReaders())

        wires = await deferToThread(lambda: [self.connect() for _ in range(4 * CONNECTIONS)])
        self.assertEqual(200, (await self.answer(GET))[0])
        self.assertLessEqual(served(), CONNECTIONS)
        self.assertEqual((b"", b""), await deferToThread(self.said, wires[0], GET))

    async def _connected(self) -> socket.socket:
        wire = self.connect()
        wire.sendall(b"GET")
        await deferToThread(lambda: None)
        return wire

    async def test_idle(self) -> None:
        """A connection that asks nothing ends after the deadline, and one that dribbles too."""
        self.patch(resource, "DEADLINE", 0.3)
        silent, slow = self.connect(), self.connect()
        slow.sendall(b"G")
        for wire in (silent, slow):
            self.assertEqual((b"", b""), await deferToThread(self.said, wire, b"E"))

    async def test_unread_answer(self) -> None:
        """A peer that does not read its answer is cut off after the deadline."""
        self.patch(resource, "DEADLINE", 0.3)
        wire = self.connect(receive_buffer=4096)
        wire.sendall(GET.replace(b"/status", b"/long"))
        cut_off = deferToThread(self._wait_for_end, wire)
        self.assertEqual(200, (await self.answer(GET))[0])
        await cut_off
        _, body = await deferToThread(self.said, wire, b"")
        self.assertLess(len(body), 4_000_000)

    def _wait_for_end(self, wire: socket.socket) -> None:
        # Writing fails once the other end is gone; reading would be what this peer does not do.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while True:
                wire.send(b"x")

    async def test_other_user(self) -> None:
        """A connection of a user other than root and the daemon's is closed without a response."""
        users = iter((os.geteuid() + 1, os.geteuid(), 0))
        self.patch(resource, "peer_user", lambda connected: next(users))
        self.assertEqual((b"", b""), await deferToThread(self.said, self.connect(), GET))
        for _ in range(2):
            self.assertEqual(200, (await self.answer(GET))[0])
