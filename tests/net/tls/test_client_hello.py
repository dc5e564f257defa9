"""The suites in a ClientHello: whole, byte by byte, in many records, and in other data."""

from __future__ import annotations

import random

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.tls.client_hello import LONGEST, offered_suites


def hello(ciphers: bytes) -> bytes:
    """Return what OpenSSL sends first."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(ciphers)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return connection.bio_read(1 << 16)
    raise AssertionError


def records(data: bytes, size: int) -> bytes:
    """Return the same message in records of so many bytes."""
    head, body = data[:3], data[5:]
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(head + len(piece).to_bytes(2, "big") + piece for piece in pieces)


class OfferedTests(SynchronousTestCase):
    """The suites in a hello."""

    def setUp(self) -> None:
        """Have a hello with a suite that encrypts and one that does not."""
        self.hello = hello(b"ECDHE-RSA-AES128-GCM-SHA256:NULL-SHA256:@SECLEVEL=0")
        self.suites = {0xC02F, 0x003B}

    def test_cut(self) -> None:
        """They are known once they have come, however they come, and never wrongly before."""
        for data in (self.hello, records(self.hello, 1), records(self.hello, 7)):
            answers = [offered_suites(data[:end]) for end in range(len(data) + 1)]
            self.assertIsNone(answers[0])
            self.assertLessEqual(self.suites, answers[-1] or frozenset())
            self.assertEqual({None, answers[-1]}, set(answers))

    def test_not_tls(self) -> None:
        """Data other than a ClientHello offers nothing."""
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x01\x02", b"\x15\x03\x01\x00\x02\x01\x00"):
            self.assertEqual(frozenset(), offered_suites(data))

    def test_endless(self) -> None:
        """An endless ClientHello is not parsed for ever."""
        self.assertEqual(frozenset(), offered_suites(b"\x16\x03\x01\x40\x00\x01" + b"\xff" * 2 * LONGEST))
        self.assertIsNotNone(offered_suites(b"\x16\x03\x01\x00\x00" * LONGEST))

    def test_any(self) -> None:
        """Any bytes have an answer."""
        chance = random.Random(1)
        for _ in range(2000):
            data = bytearray(self.hello)
            for _ in range(chance.randrange(1, 5)):
                data[chance.randrange(60)] = chance.randrange(256)
            self.assertIsInstance(offered_suites(bytes(data)), frozenset | None)
