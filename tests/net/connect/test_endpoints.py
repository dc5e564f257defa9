"""From a URI to where one listens or connects."""

from __future__ import annotations

import socket
from pathlib import Path

from twisted.internet._resolver import HostResolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IProtocolFactory,
    IResolutionReceiver,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from iphttps.core.errors import ConfigError
from iphttps.core.iphttps.request import DEFAULT_PATH
from iphttps.net.connect.endpoints import CONNECT_TIMEOUT, URI, client_endpoint, listen

from ..certificates import Certificates


class URITests(SynchronousTestCase):
    """The URI of the server (3.1.1, 3.2.1)."""

    def assert_reads(self, text: str, uri: URI, authority: str, written: str) -> None:
        """Check a URI's parts, its Host header, and how it is written."""
        read = URI.parse(text, DEFAULT_PATH)
        self.assertEqual((read, read.authority, str(read)), (uri, authority, written))

    def test_defaults(self) -> None:
        """Port and path may be left out: 443 or 80, and /IPHTTPS."""
        self.assert_reads(
            "https://vpn.example.org", URI(True, "vpn.example.org", 443, ""),
            "vpn.example.org", "https://vpn.example.org/IPHTTPS",
        )  # fmt: skip
        self.assert_reads(
            "http://vpn.example.org/", URI(False, "vpn.example.org", 80, ""),
            "vpn.example.org", "http://vpn.example.org/IPHTTPS",
        )  # fmt: skip

    def test_everything_given(self) -> None:
        """Port and path may be given; a default port does not show."""
        self.assert_reads(
            "https://vpn.example.org:8443/Other", URI(True, "vpn.example.org", 8443, "/Other"),
            "vpn.example.org:8443", "https://vpn.example.org:8443/Other",
        )  # fmt: skip
        self.assert_reads(
            "https://vpn.example.org:443/IPHTTPS/", URI(True, "vpn.example.org", 443, "/IPHTTPS"),
            "vpn.example.org", "https://vpn.example.org/IPHTTPS",
        )  # fmt: skip

    def test_addresses(self) -> None:
        """A host may be an address, IPv6 in brackets (1.5)."""
        self.assert_reads(
            "https://192.0.2.1/IPHTTPS", URI(True, "192.0.2.1", 443, "/IPHTTPS"),
            "192.0.2.1", "https://192.0.2.1/IPHTTPS",
        )  # fmt: skip
        self.assert_reads(
            "https://[2001:DB8::1]:8443/IPHTTPS", URI(True, "2001:db8::1", 8443, "/IPHTTPS"),
            "[2001:db8::1]:8443", "https://[2001:db8::1]:8443/IPHTTPS",
        )  # fmt: skip

    def test_any(self) -> None:
        """A server may listen on all addresses."""
        self.assert_reads("https://*:443/IPHTTPS", URI(True, "*", 443, "/IPHTTPS"), "*", "https://*/IPHTTPS")

    def test_foreign_name(self) -> None:
        """A name in another script becomes what DNS knows it by."""
        self.assertEqual(URI.parse("https://bücher.example/IPHTTPS").host, "xn--bcher-kva.example")

    def test_query(self) -> None:
        """The URI of an SSTP server keeps query and final slash (RFC 3986 sections 3.3 and 3.4)."""
        for target in ("", "/", "/a/", "/a?tenantid=7", "/a/?b=c/d?e&f=%20", "?tenantid=7"):
            uri = URI.parse(f"https://vpn.example.org{target}", query=True)
            self.assertEqual((target, f"https://vpn.example.org{target}"), (uri.path, str(uri)))
        for target in ("/a#b", "/?a#b", "/?a b", "/?\x7f", "/?ü"):
            self.assertRaises(ConfigError, URI.parse, f"https://vpn.example.org{target}", query=True)

    def test_wrong(self) -> None:
        """An invalid URI is an error that quotes it and shows a valid one."""
        for text in (
            "vpn.example.org", "ftp://vpn.example.org/", "https://", "https:///IPHTTPS", "https://host:port/",
            "https://host:65536/", "https://[::1/", "https://user:secret@host/", "https://host/?query",
            "https://host/#fragment", "https://host/päth", "https://host/a b", "https://host/\x7f",
            f"https://{'ü' * 80}.example/",
        ):  # fmt: skip
            error = self.assertRaises(ConfigError, URI.parse, text)
            self.assertIn("it must look like https://vpn.example.org/IPHTTPS", str(error))


class ListenTests(SynchronousTestCase):
    """The addresses on which a server listens (1.5, 2.1), with a reactor in memory."""

    def setUp(self) -> None:
        """Nobody connects, so the factory need not be one."""
        self.reactor = MemoryReactorClock()
        self.factory = Factory.forProtocol(Protocol)

    def listen(self, text: str, *, secure: bool = False) -> tuple[socket.AddressFamily, IProtocolFactory]:
        """Listen; return the address family and the factory that the reactor has got."""
        tls = Certificates(Path(self.mktemp())).server_tls() if secure else None
        listen(self.reactor, URI.parse(text), self.factory, tls)
        ((_, family, factory),) = self.reactor.adoptedPorts
        return family, factory

    def test_address(self) -> None:
        """A server listens on the address named, IPv4 or IPv6."""
        self.assertEqual(self.listen("http://127.0.0.1:0/"), (socket.AF_INET, self.factory))
        self.reactor.adoptedPorts.clear()
        self.assertEqual(self.listen("http://[::1]:0/"), (socket.AF_INET6, self.factory))

    def test_tls(self) -> None:
        """A server at https:// has TLS around each connection."""
        _, factory = self.listen("https://127.0.0.1:0/", secure=True)
        assert isinstance(factory, TLSMemoryBIOFactory)
        self.assertIs(factory.wrappedFactory, self.factory)

    def test_taken(self) -> None:
        """A port that is taken is the operator's error, and the sentence says how to find who has it."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            error = self.assertRaises(ConfigError, self.listen, f"http://127.0.0.1:{port}/")
        expected = f"cannot listen on port {port} of 127.0.0.1: another program uses it; `ss -ltnp` names it"
        self.assertEqual(str(error), expected)

    def test_foreign_address(self) -> None:
        """An address that is not this host's cannot be listened on."""
        error = self.assertRaises(ConfigError, self.listen, "http://192.0.2.1:8443/")
        self.assertEqual(str(error), "cannot listen on port 8443 of 192.0.2.1: this host has no such address")

    def test_name(self) -> None:
        """A server is not told its place by a name, which could stand for several."""
        error = self.assertRaises(ConfigError, self.listen, "http://localhost:0/")
        self.assertEqual(str(error), "--uri has the host 'localhost': give an address of this host, or *")


@implementer(IHostnameResolver)
class Literal:
    """Resolves an address to itself, as every resolver does."""

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, portNumber: int = 0, *_: object, **__: object
    ) -> IHostResolution:
        """Answer at once."""
        receiver, resolution = resolutionReceiver, HostResolution(hostName)
        receiver.resolutionBegan(resolution)
        receiver.addressResolved((IPv6Address if ":" in hostName else IPv4Address)("TCP", hostName, portNumber))
        receiver.resolutionComplete()
        return resolution


@implementer(IHostnameResolver)
class Named:
    """Resolves every name to these addresses."""

    def __init__(self, *addresses: IAddress) -> None:
        self._addresses = addresses

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, portNumber: int = 0, *_: object, **__: object
    ) -> IHostResolution:
        """Answer at once."""
        resolution = HostResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self._addresses:
            resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolution


class ClientEndpointTests(SynchronousTestCase):
    """The address that a client connects to (1.5)."""

    def connect(self, text: str, *, secure: bool = False) -> MemoryReactorClock:
        """Begin to connect."""
        reactor = MemoryReactorClock()
        reactor.installNameResolver(Literal())
        tls = Certificates(Path(self.mktemp())).client_tls() if secure else None
        attempt = client_endpoint(reactor, URI.parse(text), tls).connect(Factory.forProtocol(Protocol))
        self.assertNoResult(attempt)
        return reactor

    def test_address(self) -> None:
        """The client connects to the host and port in the URI, by IPv4 or IPv6, with a time limit."""
        for text, host in (("http://192.0.2.1:8080/", "192.0.2.1"), ("http://[2001:db8::1]:8080/", "2001:db8::1")):
            reactor = self.connect(text)
            ((reached, port, _, timeout, _),) = reactor.tcpClients
            self.assertEqual((reached, port, timeout), (host, 8080, CONNECT_TIMEOUT))

    def test_tls(self) -> None:
        """Over https the first bytes are a TLS handshake; over http nothing is said before the tunnel speaks."""
        for secure, expected in ((True, b"\x16\x03"), (False, b"")):
            reactor = self.connect("https://192.0.2.1/", secure=secure)
            protocol = reactor.tcpClients[0][2].buildProtocol(None)
            assert protocol
            transport = StringTransport()
            protocol.makeConnection(transport)
            self.assertEqual(transport.value()[:2], expected)
