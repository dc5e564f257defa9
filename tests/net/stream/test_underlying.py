"""Tests for iphttps.net.stream.underlying."""

from __future__ import annotations

import socket

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from iphttps.net.stream.underlying import underlying_socket


class Layer:
    """A transport with a handle, perhaps upon another."""

    def __init__(self, handle: object, transport: object = None) -> None:
        self._handle = handle
        self.transport = transport

    def getHandle(self) -> object:
        """Return the handle."""
        return self._handle


class OuterTests(SynchronousTestCase):
    """The socket under a transport."""

    def test_found(self) -> None:
        """It is found under any number of layers, such as TLS through a proxy's TLS."""
        with socket.socket() as one:
            plain = Layer(one)
            for transport in (plain, Layer("TLS", plain), Layer("TLS", Layer("TLS", plain))):
                self.assertIs(underlying_socket(transport), one)

    def test_none(self) -> None:
        """A transport without a socket has none, nor has what is no transport any more."""
        for transport in (None, StringTransport(), Layer("TLS"), Layer("TLS", Layer(None))):
            self.assertIsNone(underlying_socket(transport))
