"""Tests for iphttps.app.control.resource: requests over a real UNIX socket, carried out and rejected."""

from __future__ import annotations

import contextlib  # trial takes a name `suppress` in a test's module for its own
import json
import socket
import tempfile
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from iphttps.app.control.resource import BODY, Asked, Control, Refusal, Route
from iphttps.core.errors import ConfigError
from iphttps.host.process.unix import PrivateSocket
from iphttps.net.interfaces import IReactor

GET = b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(path: str, body: bytes = b"", *fields: str) -> bytes:
    """Build a request with a body."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


class ControlCase(TestCase):
    """A control socket with some routes."""

    timeout = 20

    def setUp(self) -> None:
        """Serve the routes."""
        directory = tempfile.TemporaryDirectory(prefix="iphttps-control-")  # a short path: AF_UNIX bears no long one
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "control.sock"
        self.asked: list[Asked] = []
        self.waiting: Deferred[object] = Deferred()
        self.control = Control(cast(IReactor, reactor), PrivateSocket(self.path), self.routes, "client")
        self.control.start()
        self.addCleanup(self.control.stop)

    def routes(self) -> list[Route]:
        """Return routes of every kind."""

        def noting(value: object) -> Callable[[Asked], object]:
            def action(asked: Asked) -> object:
                self.asked.append(asked)
                return value

            return action

        return [
            Route("GET", "/status", noting({"état": "\x1b[31m"})),
            Route("GET", "/long", lambda asked: {"text": "x" * 4_000_000}),
            Route("POST", "/things/*/end", noting({})),
            Route("POST", "/later", lambda asked: self.waiting),
            Route("POST", "/refused", self._refuse),
            Route("POST", "/impossible", self._cannot),
            Route("POST", "/broken", lambda asked: asked.words[0]),
            Route("POST", "/mode", lambda asked: {"mode": asked.member("mode", ("none", "some"))}),
            Route("GET", "/mode", lambda asked: {}),
        ]

    def _refuse(self, asked: Asked) -> object:
        raise Refusal(HTTPStatus.NOT_FOUND, "there is no such thing")

    def _cannot(self, asked: Asked) -> object:
        raise ConfigError("--it is missing")

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """Connect, and wait for nothing."""
        wire = socket.socket(socket.AF_UNIX)
        self.addCleanup(wire.close)
        if receive_buffer:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        wire.connect(str(self.path))  # waits for its turn, as it would not with a time-out set before
        wire.settimeout(15)
        return wire

    def said(self, wire: socket.socket, data: bytes) -> tuple[bytes, bytes]:
        """Send these bytes; return head and body of what comes until the connection ends. For a thread."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            wire.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while more := wire.recv(65536):
                received += more
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body

    async def answer(self, request: bytes) -> tuple[int, Any, bytes]:
        """Return the status of the answer, its JSON and its head."""
        # Connecting waits for a place in the queue, which only the reactor makes.
        head, body = await deferToThread(lambda: self.said(self.connect(), request))
        self.assertIn(b"Content-Type: application/json", head, head)
        self.assertIn(b"Connection: close", head)
        self.assertIn(f"Content-Length: {len(body)}".encode(), head)
        return int(head.split()[1]), json.loads(body), head

    async def refusal(self, request: bytes) -> tuple[int, str]:
        """Return the status of a rejection, and its sentence."""
        status, value, _ = await self.answer(request)
        self.assertEqual(["error"], list(value))
        return status, value["error"]


class RequestTests(ControlCase):
    """One request, one answer."""

    async def test_get(self) -> None:
        """The result of an action is the response, as JSON in ASCII."""
        status, value, head = await self.answer(GET)
        self.assertEqual((200, {"état": "\x1b[31m"}), (status, value))
        self.assertIn(b"Cache-Control: no-store", head)
        _, body = await deferToThread(self.said, self.connect(), GET)
        self.assertTrue(body.isascii())
        self.assertNotIn(b"\x1b", body)

    async def test_head(self) -> None:
        """HEAD is answered as GET is, without the body (RFC 9110 section 9.3.2)."""
        head, body = await deferToThread(self.said, self.connect(), GET.replace(b"GET", b"HEAD"))
        self.assertEqual((b"HTTP/1.1 200 OK", b""), (head.split(b"\r\n")[0], body))

    async def test_words(self) -> None:
        """An action gets what stands for the star in its path, and the body."""
        await self.answer(post("/things/7/end", b"text"))
        self.assertEqual([Asked(("7",), b"text")], self.asked)

    async def test_one_request(self) -> None:
        """A connection has one request: what comes behind it is not carried out."""
        _, body = await deferToThread(self.said, self.connect(), post("/things/1/end") + post("/things/2/end"))
        self.assertEqual(({}, [Asked(("1",))]), (json.loads(body), self.asked))

    async def test_later(self) -> None:
        """The answer comes when what was asked for is done; others are served meanwhile."""
        later = deferToThread(self.said, self.connect(), post("/later"))
        self.assertEqual(200, (await self.answer(GET))[0])
        self.assertNoResult(later)
        self.waiting.callback({"done": True})
        _, body = await later
        self.assertEqual({"done": True}, json.loads(body))

    async def test_not_waited_for(self) -> None:
        """Nothing is logged as an error if the peer hangs up before the answer."""
        wire = self.connect()
        wire.sendall(post("/later"))
        wire.close()
        await self.answer(GET)  # comes later, so the other has been heard by now
        self.waiting.callback({})
        self.assertEqual([], self.flushLoggedErrors())

    async def test_log(self) -> None:
        """Actions that change something are logged; reads are not."""
        with capturedLogs() as events:
            await self.answer(GET)
            await self.answer(post("/things/7/end"))
        lines = [line for line in map(formatEvent, events) if line and "request on" in line]
        self.assertEqual(["request on the control socket: /things/7/end"], lines)


class RefusalTests(ControlCase):
    """A failed action is answered with a status and a sentence."""

    async def test_no_such_path(self) -> None:
        """Status 404, and what there is."""
        for path in ("/", "/statusx", "/status/", "/things", "/things/7", "//", "/things/7/end/"):
            status, sentence = await self.refusal(GET.replace(b"/status", path.encode()))
            self.assertEqual(404, status, path)
            self.assertIn("this daemon is a client, which offers GET /status", sentence)

    async def test_method(self) -> None:
        """Status 405, with the methods in Allow (RFC 9110 section 15.5.6)."""
        status, value, head = await self.answer(post("/status"))
        self.assertEqual((405, {"error": "/status allows only GET"}), (status, value))
        self.assertIn(b"\r\nAllow: GET, HEAD\r\n", head + b"\r\n")
        status, value, head = await self.answer(GET.replace(b"GET /status", b"DELETE /mode"))
        self.assertEqual((405, {"error": "/mode allows only POST or GET"}), (status, value))
        self.assertIn(b"\r\nAllow: POST, GET, HEAD\r\n", head + b"\r\n")

    async def test_action(self) -> None:
        """An action's rejection has its own status, an unfit configuration 409."""
        self.assertEqual((404, "there is no such thing"), await self.refusal(post("/refused")))
        self.assertEqual((409, "--it is missing"), await self.refusal(post("/impossible")))

    async def test_bug(self) -> None:
        """A bug is logged, and answered with 500; the daemon goes on."""
        status, sentence = await self.refusal(post("/broken"))
        self.assertEqual((500, True), (status, "bug" in sentence))
        self.assertEqual(1, len(self.flushLoggedErrors(IndexError)))
        self.assertEqual(200, (await self.answer(GET))[0])

    async def test_body(self) -> None:
        """A body that is not the JSON object wanted is rejected with 400 and an example."""
        self.assertEqual((200, {"mode": "some"}), (await self.answer(post("/mode", b'{"mode": "some"}')))[:2])
        for body in (
            b"",
            b"{",
            b"\xff",
            b"none",
            b'"none"',
            b'["mode"]',
            b"{}",
            b'{"mode": "None"}',
            b'{"mode": null}',
            b'{"mode": ["none"]}',
            b'{"mode": "none", "more": 1}',
            b"[" * BODY,
            b'{"mode": ' + b"9" * (BODY - 20) + b"}",
        ):
            status, sentence = await self.refusal(post("/mode", body))
            self.assertEqual(400, status, body[:40])
            self.assertIn('such as {"mode": "none"}', sentence)

    async def test_form(self) -> None:
        """The default Content-Type of curl is accepted."""
        for kind in ("application/x-www-form-urlencoded", "text/plain", "nonsense"):
            request = post("/mode", b'{"mode": "none"}', f"Content-Type: {kind}")
            self.assertEqual(200, (await self.answer(request))[0], kind)


class EndTests(ControlCase):
    """Begin and end."""

    async def test_waiting(self) -> None:
        """A request during the start of the daemon is served once it is ready."""
        path = self.path.with_name("other.sock")
        other = Control(cast(IReactor, reactor), PrivateSocket(path), self.routes, "server")
        self.path = path
        wire = self.connect()
        wire.sendall(GET)
        other.start()
        head, _ = await deferToThread(self.said, wire, b"")
        self.assertIn(b" 200 ", head)
        other.stop()

    async def test_stop(self) -> None:
        """At the end connections are cut and the socket is gone; stopping again does nothing."""
        wire = self.connect()
        wire.sendall(post("/later"))
        await self.answer(GET)
        self.control.stop()
        self.assertFalse(self.path.exists())
        self.assertEqual((b"", b""), await deferToThread(self.said, wire, b""))
        self.control.stop()
        await succeed(None)
