"""The server as a service: what it does to the host, and what it undoes."""

from __future__ import annotations

import socket
from ipaddress import IPv6Interface, IPv6Network
from typing import cast

from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python import usage
from twisted.python.failure import Failure

from iphttps.app.config.server_options import Options
from iphttps.app.daemon.running_server import RunningServer
from iphttps.app.daemon.server import ServerDaemon
from iphttps.core.errors import ConfigError
from iphttps.core.http.head import CONTENT_LENGTH
from iphttps.core.ip import ipv6
from iphttps.core.ip.router_advertisement import RouterAdvertisement
from iphttps.host.device.memory import MemoryDevice, MemoryInterface
from iphttps.net.device_reader import DeviceReader
from iphttps.net.interfaces import IReactor
from iphttps.net.iphttps.service import IPHTTPSService

from ...proxyprotocol import tls, version2
from ..support import DaemonCase

FLAGS = ("--uri", "http://127.0.0.1:0/", "--prefix", "2001:db8:2::/64", "--authentication", "none")
CLIENT = bytes.fromhex("20010db8000200000000000000001001")
PRIVATE_HOST = bytes.fromhex("20010db8000100000000000000000080")


BEHIND = ("--authentication", "certificates", "--trusted-proxy", "192.168.1.1", "--proxy-protocol")
"""Behind the front that every connection of these tests seems to come from."""
BROUGHT = version2("192.0.2.7", "198.51.100.1", 1234, tls(b"alice"))
"""How it announces a client with a certificate."""


def solicitation() -> bytes:
    """Build a Router Solicitation from an address."""
    source, destination = (
        bytes.fromhex("fe800000000000000000000000000123"),
        bytes.fromhex("ff020000000000000000000000000002"),
    )
    bare = bytes((133, 0, 0, 0, 0, 0, 0, 0))
    total = ipv6.checksum(source, destination, ipv6.ICMPV6, bare).to_bytes(2, "big")
    return ipv6.packet(source, destination, ipv6.ICMPV6, bare[:2] + total + bare[4:])


def service_of(running: RunningServer) -> IPHTTPSService:
    """Return the service of IP-HTTPS of a server."""
    assert running._iphttps
    return running._iphttps.service


class ServerDaemonCase(DaemonCase):
    """The server in its surroundings."""

    def setUp(self) -> None:
        """Nobody is connected yet."""
        super().setUp()
        self.protocols: list[IProtocol] = []

    def daemon(self, *flags: str) -> ServerDaemon:
        """Make the daemon with these flags besides those it must have."""
        return self.daemon_of([*FLAGS, *flags])

    def daemon_of(self, arguments: list[str]) -> ServerDaemon:
        """Make the daemon with this command line."""
        options = Options()
        options.parseOptions(arguments)
        return ServerDaemon(options, cast(IReactor, self.reactor), self.network, self.open_device)

    def start(self, *flags: str) -> ServerDaemon:
        """Start it as `twistd` does."""
        daemon = self.daemon(*flags)
        daemon.privilegedStartService()
        daemon.startService()
        return daemon

    @property
    def reader(self) -> DeviceReader:
        """What reads the device."""
        (reader,) = (reader for reader in self.reactor.getReaders() if isinstance(reader, DeviceReader))
        return reader

    def running(self, daemon: ServerDaemon) -> RunningServer:
        """Return the running parts."""
        return cast(RunningServer, daemon.running_parts)

    def factory(self) -> IProtocolFactory:
        """Return the factory that listens."""
        ((_, _, factory),) = self.reactor.adoptedPorts
        return factory  # type: ignore[no-any-return]  # MemoryReactor has no annotations

    def session(self, path: str = "/IPHTTPS", packets: bytes = b"", before: bytes = b"") -> StringTransport:
        """Open a session with this path, in which these packets are sent, and perhaps something before all."""
        transport = StringTransport()
        protocol = self.factory().buildProtocol(transport.getPeer())
        assert protocol
        transport.protocol = protocol  # type: ignore[attr-defined]
        protocol.makeConnection(transport)
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {CONTENT_LENGTH}\r\n\r\n"
        protocol.dataReceived(before + head.encode() + packets)
        self.protocols.append(transport.protocol)  # type: ignore[attr-defined]  # another by now
        return transport

    def advertised(self, *flags: str, before: bytes = b"") -> bytes:
        """Return what a client hears that solicits a router."""
        self.start(*flags)
        answer: bytes = self.session(packets=solicitation(), before=before).value()
        return answer.partition(b"\r\n\r\n")[2]


class LifeTests(ServerDaemonCase):
    """From start to stop."""

    def test_applied(self) -> None:
        """The link is up with an MTU of 1280 and two addresses, and the host forwards (3.2.3.1)."""
        self.start()
        addresses = {IPv6Interface("fe80::1/64"), IPv6Interface("2001:db8:2::1/64")}
        expected = MemoryInterface(True, 1280, addresses, {"accept_ra": 0, "addr_gen_mode": 1})
        self.assertEqual(self.network.interfaces["iphttps0"], expected)
        self.assertEqual((self.network.forwarding, self.network.interfaces["uplink"].settings["accept_ra"]), (True, 2))

    def test_interface(self) -> None:
        """The device bears the name given by --interface."""
        self.network.interfaces["vpn0"] = MemoryInterface()
        self.start("--interface", "vpn0")
        self.assertEqual([device.name for device in self.devices], ["vpn0"])
        self.assertTrue(self.network.interfaces["vpn0"].up)

    def test_privileges(self) -> None:
        """Everything privileged happens before the daemon's user changes; narrowing follows that."""
        daemon = self.daemon()
        daemon.privilegedStartService()
        self.assertEqual((self.events, len(self.reactor.adoptedPorts)), (["keep"], 1))
        self.assertEqual(self.reactor.getReaders(), [])
        daemon.startService()
        self.assertEqual((self.events, len(self.reactor.getReaders())), (["keep", "narrow"], 2))

    def test_interface_changed(self) -> None:
        """What another program has changed of the interface shows until it has been put right."""
        daemon = self.start()
        self.assertIsNone(daemon.interface_changed())
        self.network.interfaces["iphttps0"].mtu = 1500
        self.reactor.advance(0)
        shown = daemon.interface_changed()
        assert shown
        sentence = "another program changed the interface iphttps0: its MTU is 1500"
        self.assertEqual((sentence, False), (shown["change"], shown["put_right"]))
        self.assertTrue(daemon.condition().text.endswith(f"0 clients; {sentence}"))
        self.reactor.advance(1)
        shown = daemon.interface_changed()
        assert shown
        self.assertTrue(shown["put_right"])
        self.assertTrue(daemon.condition().text.endswith("0 clients"))
        self.assertEqual(1280, self.network.interfaces["iphttps0"].mtu)

    def test_undone(self) -> None:
        """Stopped, the daemon has closed device and port, and put the host back as it was (3.2.7.3)."""
        daemon = self.start()
        self.successResultOf(daemon.stopService())
        self.assertEqual((self.everything(), self.closed(self.devices[0])), (self.before, True))
        self.assertEqual((self.reactor.getReaders(), self.reactor.getDelayedCalls()), ([], []))

    def test_clients_first(self) -> None:
        """The device stays until the last client has gone, or has been cut off (3.2.7.3)."""
        daemon = self.start()
        transport = self.session()
        stopped = daemon.stopService()
        self.assertTrue(transport.disconnecting)
        self.assertNoResult(stopped)
        self.assertFalse(self.closed(self.devices[0]))
        self.reactor.advance(1)
        self.assertTrue(transport.disconnected)
        self.protocols[0].connectionLost(Failure(ConnectionAborted()))
        self.successResultOf(stopped)
        self.assertTrue(self.closed(self.devices[0]))

    def test_device_lost(self) -> None:
        """When somebody removes the interface, the daemon says so and stops the program, once."""
        self.start()
        self.devices[0].close()
        reader = self.reader
        with capturedLogs() as events:
            reader.doRead()
        self.assertEqual(
            [formatEvent(event) for event in events],
            ["the interface was removed (Bad file descriptor); stopping"],
        )
        self.assertTrue(self.reactor.hasStopped)


class SessionTests(ServerDaemonCase):
    """What a client finds."""

    def test_packets(self) -> None:
        """Packets pass between a client and the device."""
        self.start()
        outward = ipv6.packet(CLIENT, PRIVATE_HOST, ipv6.UDP, b"question")
        inward = ipv6.packet(PRIVATE_HOST, CLIENT, ipv6.UDP, b"answer")
        transport = self.session(packets=outward)
        self.devices[0].inject(inward)
        self.reader.doRead()
        self.assertEqual(self.devices[0].taken, [outward])
        self.assertTrue(transport.value().endswith(b"\r\n\r\n" + inward))

    def test_paths(self) -> None:
        """The server answers at /IPHTTPS and /IPTLS, whatever the case, and at the path in its URI."""
        self.start("--uri", "http://127.0.0.1:0/Other")
        for path, status in (("/IPHTTPS", 200), ("/iptls", 200), ("/OTHER", 200), ("/", 404)):
            self.assertTrue(self.session(path).value().startswith(f"HTTP/1.1 {status} ".encode()), path)

    def test_max_clients(self) -> None:
        """One client more than --max-clients gets no answer (3.2.5.1)."""
        self.start("--max-clients", "1")
        self.assertTrue(self.session().value())
        self.assertFalse(self.session().value())

    def test_advertisement(self) -> None:
        """A client is told prefix, MTU and routes, and that this is no default router (3.2.3.1)."""
        heard = self.advertised("--route", "2001:db8:1::/48", *BEHIND, before=BROUGHT)
        expected = RouterAdvertisement(
            IPv6Network("2001:db8:2::/64"), on_link=True, routes=(IPv6Network("2001:db8:1::/48"),)
        )
        self.assertEqual(heard, expected.packet(IPv6Interface("fe80::1").packed, solicitation()[8:24]))

    def test_default_router(self) -> None:
        """With --default-router it is one, for three times the interval between advertisements (RFC 4861, 6.2.1)."""
        heard = self.advertised("--default-router")
        self.assertEqual(int.from_bytes(heard[46:48], "big"), 1800)

    def test_mode_none(self) -> None:
        """In mode None the prefix is not on-link, since no client can resolve another; a route leads there instead."""
        prefix = IPv6Network("2001:db8:2::/64")
        heard = self.advertised("--authentication", "none")
        expected = RouterAdvertisement(prefix, on_link=False, routes=(prefix,))
        self.assertEqual(heard, expected.packet(IPv6Interface("fe80::1").packed, solicitation()[8:24]))


class TLSTests(ServerDaemonCase):
    """Certificates from files."""

    def secure(self, *flags: str) -> tuple[str, ...]:
        """Return the flags of a server with a certificate."""
        identity = self.certificates.server("localhost")
        return (
            "--uri", "https://127.0.0.1:0/", "--certificate", str(identity.certificate),
            "--private-key", str(identity.private_key), "--client-ca", str(self.certificates.certificate), *flags,
        )  # fmt: skip

    def test_tls(self) -> None:
        """An https URI has TLS around each connection."""
        self.start(*self.secure())
        transport = StringTransport()
        protocol = self.factory().buildProtocol(transport.getPeer())
        assert protocol
        protocol.makeConnection(transport)
        protocol.dataReceived(b"\x16")
        self.assertIsInstance(transport.protocol, TLSMemoryBIOProtocol)  # type: ignore[attr-defined]

    def test_wrong_files(self) -> None:
        """A file that cannot serve ends the program before anything is touched."""
        missing = self.directory / "missing.pem"
        for flag in ("--certificate", "--private-key", "--client-ca"):
            self.assert_refuses_to_start(
                self.daemon(*self.secure(flag, str(missing))),
                f"{flag}: cannot read {missing}: No such file or directory",
            )
        self.assertEqual(self.devices, [])

    def test_no_authority(self) -> None:
        """In mode None there need be no authority that issues clients' certificates."""
        flags = self.secure("--authentication", "none")
        where = flags.index("--client-ca")
        self.start(*flags[:where], *flags[where + 2 :])
        self.assertEqual(len(self.reactor.adoptedPorts), 1)


class RefusalTests(ServerDaemonCase):
    """What cannot be ends in one sentence, and nothing is left behind."""

    def test_no_device(self) -> None:
        """Where the device cannot be made, nothing else is begun."""

        def refuse(name: str) -> MemoryDevice:
            raise ConfigError(f"cannot create the interface {name}: it takes root or CAP_NET_ADMIN")

        daemon = self.daemon()
        daemon.open_device = refuse
        self.assert_refuses_to_start(daemon, "cannot create the interface iphttps0: it takes root or CAP_NET_ADMIN")

    def test_no_network(self) -> None:
        """Where the network refuses, the device is closed again."""
        del self.network.interfaces["iphttps0"]
        self.assert_refuses_to_start(self.daemon(), "there is no interface iphttps0 any more")
        self.assertEqual(len(self.devices), 1)

    def test_port_taken(self) -> None:
        """Where the port is taken, device and forwarding are undone."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assert_refuses_to_start(
                self.daemon("--uri", f"http://127.0.0.1:{port}/"),
                f"cannot listen on port {port} of 127.0.0.1: another program uses it; `ss -ltnp` names it",
            )
        self.assertEqual(len(self.devices), 1)

    def test_not_undone(self) -> None:
        """What cannot be put back either is logged, and does not hide why the program ends."""

        def refuse() -> None:
            raise ConfigError("cannot set it back")

        self.network.restore = refuse  # type: ignore[method-assign]
        del self.network.interfaces["iphttps0"]
        with capturedLogs() as events:
            _, said = self.ending(self.daemon().privilegedStartService)
        self.assertIn("there is no interface iphttps0 any more", said)
        self.assertIn("cannot set it back", [formatEvent(event) for event in events])
        self.assertTrue(self.closed(self.devices[0]))

    def test_foreground(self) -> None:
        """In the foreground the sentence is said once, on standard error; in the background it is logged as well."""
        for nodaemon, logged in ((1, 0), (0, 1)):
            options = Options()
            options.parent = usage.Options()
            options.parent.update(nodaemon=nodaemon, uid=None, gid=None)
            options.parseOptions([*FLAGS, "--interface", "nowhere"])
            daemon = ServerDaemon(options, cast(IReactor, self.reactor), self.network, self.open_device)
            with capturedLogs() as events:
                _, said = self.ending(daemon.privilegedStartService)
            self.assertEqual(said, "twistd iphttps-server: there is no interface nowhere any more\n")
            self.assertEqual(len(events), logged)
