"""ClientHellos that have gone wrong in every way that chance finds (RFC 8446 section 4.1.2)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from random import Random

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.iphttps.server import ServerEvent
from iphttps.net.listen.rejections import LINES

from .certificates import Certificates
from .support import NAME, ServerEnd

HELLOS = 10_000

RECORD = 5
"""Bytes of a record's header, the last two of which are its length; the message's own length ends at `MESSAGE`."""
MESSAGE = 9


def client_hello(highest: int) -> bytes:
    """Have OpenSSL write a ClientHello."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(highest)
    context.set_alpn_protos([b"h2", b"http/1.1"])
    client = SSL.Connection(context, None)
    client.set_tlsext_host_name(NAME.encode())
    client.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(1 << 16)


def damage(hello: bytes, chance: Random) -> bytes:
    """Damage a ClientHello in a few places; mostly the lengths of record and message are those of what is left."""
    body = bytearray(hello[MESSAGE:])
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(body) + 1)
        match chance.randrange(5):
            case 0:
                body[at : at + 1] = chance.randbytes(1)
            case 1:
                body[at:at] = chance.randbytes(chance.randrange(1, 60))
            case 2:
                del body[at : at + chance.randrange(1, 60)]
            case 3:
                body[at:at] = body[at : at + 100]
            case 4:
                body[at : at + 2] = chance.choice((b"\0\0", b"\0\1", b"\xff\xff"))
    head = bytearray(hello[:MESSAGE])
    if chance.random() < 0.9:
        head[RECORD + 1 :] = len(body).to_bytes(3)
        head[RECORD - 2 : RECORD] = (len(body) + MESSAGE - RECORD).to_bytes(2)
    if chance.random() < 0.1:
        head[chance.randrange(MESSAGE)] = chance.randrange(256)
    return bytes(head + body)


class DamagedHelloTests(SynchronousTestCase):
    """Many of them, to the real server in memory."""

    def test_damaged(self) -> None:
        """Each is rejected, answered or waited for; there is no traceback, little in the log, and nothing left."""
        clock, chance = MemoryReactorClock(), Random(24)
        end = ServerEnd(clock, Certificates(Path(self.mktemp())).server_tls())
        self.addCleanup(end.device.close)
        originals = [client_hello(version) for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)]
        alerts = answers = 0
        with capturedLogs() as events:
            for number in range(HELLOS):
                transport = StringTransport()
                protocol = end.accept(transport)
                protocol.dataReceived(damage(originals[number % 2], chance))
                clock.advance(0)  # handshakes wait for each other
                answer = transport.value()
                alerts += answer[:1] == b"\x15"
                answers += answer[:1] == b"\x16"
                protocol.connectionLost(Failure(ConnectionDone()))
                self.assertEqual(0, len(end.listener.limiter))
            end.server.handle(ServerEvent.SHUTDOWN)
        self.assertGreater(alerts, HELLOS // 4)
        self.assertGreater(answers, HELLOS // 100)
        self.assertEqual([], [event for event in events if event["log_level"] >= LogLevel.error])
        self.assertLessEqual(len(events), LINES + 3, [formatEvent(event) for event in events])
        self.assertEqual([], list(end.table))
