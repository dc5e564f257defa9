"""Tests for iphttps.net.tls.direct_reads: the compiled loop and pyOpenSSL give the same data, and the same end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from cryptography.hazmat.bindings._rust import _openssl
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream import compiled
from iphttps.net.tls import direct_reads
from iphttps.net.tls.direct_reads import TESTED, objection, reader, version
from iphttps.net.tls.immediate import RECORD, ImmediateTLSFactory, ReadBatching

from ..certificates import Certificates

DATA = bytes(range(256)) * 200
"""More than three records."""

Break = Callable[["Joined", bytes], Iterator[bytes]]
"""Changes to the encrypted stream on its way: each yields the pieces as received."""


class Session(Protocol, ReadBatching):
    """Notes what comes, and how."""

    gathering = True

    def __init__(self) -> None:
        self.heard = b""
        self.at_once: list[int] = []
        self.ended: str | None = None

    def dataReceived(self, data: bytes) -> None:
        """Note the data of a record from pyOpenSSL."""
        self.heard += data

    def records_received(self, data: bytes, records: int) -> None:
        """Note the data of several records from the compiled loop."""
        self.heard += data
        self.at_once.append(records)

    def turn_over(self) -> None:
        """Do nothing."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note why."""
        self.ended = repr(reason.value)


class Joined:
    """A server's TLS at a transport in memory, and a client's OpenSSL, after their handshake."""

    def __init__(self, certificates: Certificates) -> None:
        self.session, self.transport = Session(), StringTransport()
        factory = Factory.forProtocol(lambda: self.session)
        clock = MemoryReactorClock()
        server = ImmediateTLSFactory(certificates.server_tls(ask=False), False, factory, clock)
        self.tls = server.buildProtocol(None)
        self.client = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        self.client.set_connect_state()
        self.tls.makeConnection(self.transport)
        for _ in range(4):
            with contextlib.suppress(SSL.WantReadError):
                self.client.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                self.tls.dataReceived(self.client.bio_read(1 << 16))
            clock.advance(1)
            if self.transport.value():
                self.client.bio_write(self.transport.value())
                self.transport.clear()
        self.tls.hand_over(self.session)

    def encrypted(self, data: bytes) -> bytes:
        """Return the client's records of these bytes."""
        for start in range(0, len(data), RECORD):
            self.client.send(data[start : start + RECORD])
        return self.client.bio_read(1 << 20)


def whole(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """At once."""
    yield stream


def cut(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """In pieces that end in the middle of records, and of their headers."""
    for start in range(0, len(stream), 4999):
        yield stream[start : start + 4999]


def closed(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """With close_notify behind it (RFC 8446 section 6.1)."""
    joined.client.shutdown()
    yield stream + joined.client.bio_read(1 << 16)


def corrupted(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """With one bit wrong in the third record, and more behind it."""
    at = 2 * (RECORD + 22) + 1000
    yield stream[:at] + bytes((stream[at] ^ 1,)) + stream[at + 1 :]
    yield stream


def no_record(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """With something behind it that is no record."""
    yield stream + b"GET / HTTP/1.1\r\n\r\n"


def too_long(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """With the header of a record behind it that is longer than records may be (RFC 8446 section 5.2)."""
    yield stream + b"\x17\x03\x03\xff\xff" + bytes(100)


def aborted(joined: Joined, stream: bytes) -> Iterator[bytes]:
    """And more after the server has aborted the connection."""
    yield stream[:30000]
    joined.tls.abortConnection()
    yield stream[30000:]


BREAKS: tuple[Break, ...] = (whole, cut, closed, corrupted, no_record, too_long, aborted)


class SameTests(SynchronousTestCase):
    """A stream of records, good and bad, once by the compiled loop and once by pyOpenSSL."""

    def setUp(self) -> None:
        """Make certificates."""
        self.certificates = Certificates(Path(self.mktemp()))

    def outcome(self, change: Break, lost: bool) -> tuple[object, list[int]]:
        """Return what the session and the client see, and how many records came at a time."""
        joined = Joined(self.certificates)
        for piece in change(joined, joined.encrypted(DATA)):
            joined.tls.dataReceived(piece)
        answer = len(joined.transport.value())
        closing = joined.transport.disconnecting
        if lost:
            joined.tls.connectionLost(Failure(ConnectionDone()))
        session = joined.session
        return (session.heard, session.ended, answer, closing), session.at_once

    def test_same(self) -> None:
        """Data, alerts, the reason of the end and what follows it are the same for every kind of stream."""
        self.assertIsNone(objection(), "the loop is compiled, and this OpenSSL tested")
        for change in BREAKS:
            for lost in (False, True):
                by_loop, at_once = self.outcome(change, lost)
                with mock.patch.object(compiled, "DECRYPT", None):
                    by_library, at_none = self.outcome(change, lost)
                self.assertEqual(by_library, by_loop, change.__doc__)
                self.assertTrue(at_once and sum(at_once) >= 1, change.__doc__)
                self.assertEqual([], at_none)
        self.assertEqual([4], self.outcome(whole, lost=False)[1])

    def test_not_gathering(self) -> None:
        """A protocol that takes records one by one gets them so."""
        joined = Joined(self.certificates)
        joined.session.gathering = False
        joined.tls.dataReceived(joined.encrypted(DATA))
        self.assertEqual((DATA, []), (joined.session.heard, joined.session.at_once))


class ChoiceTests(SynchronousTestCase):
    """The conditions for the use of the loop."""

    def test_version(self) -> None:
        """Another OpenSSL than those tested is not called by address, and the sentence names it."""
        self.assertIn(version(), TESTED)
        connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        self.assertIsNotNone(reader(connection))
        self.patch(direct_reads, "version", lambda: (4, 9, 1))
        self.assertIsNone(reader(connection))
        self.assertEqual("not tested with OpenSSL 4.9.1", objection())

    def test_number(self) -> None:
        """The version comes from OpenSSL itself, not from the library in front of it."""
        text = _openssl.ffi.string(_openssl.lib.OpenSSL_version(_openssl.lib.OPENSSL_VERSION)).decode()
        self.assertEqual(text.split()[1], ".".join(map(str, version())))

    def test_missing(self) -> None:
        """Without the compiled part there is no reader, nor for what is no connection of pyOpenSSL's."""
        self.assertIsNone(reader(object()))
        self.patch(compiled, "DECRYPT", None)
        self.assertIsNone(reader(SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)))
        self.assertEqual("the compiled part is missing", objection())
