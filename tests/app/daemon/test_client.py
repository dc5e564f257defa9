"""The client as a service: what it does to the host, and what it undoes."""

from __future__ import annotations

from ipaddress import IPv6Interface
from time import time
from typing import cast

from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.interfaces import IAddress, IProtocol, IReadDescriptor
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from iphttps.app.config.client_options import Options
from iphttps.app.daemon import running_client
from iphttps.app.daemon.client import ClientDaemon, RunningIPHTTPSClient
from iphttps.app.daemon.hooks.dns_settings import DNSSettings
from iphttps.app.daemon.running_client import RunningClient
from iphttps.app.daemon.watch.interface_keeper import InterfaceKeeper
from iphttps.core.errors import ConfigError
from iphttps.core.ip import ipv6
from iphttps.core.ip.ndp import router_solicitation
from iphttps.core.reconnect import SPREAD
from iphttps.host.device.memory import MemoryInterface
from iphttps.host.kernel.network import NetworkConfig
from iphttps.net.client import Client
from iphttps.net.device_reader import DeviceReader
from iphttps.net.interfaces import IReactor
from iphttps.net.tls.lifetime import INTERVAL

from ..support import DaemonCase, MemoryState

FLAGS = ("--uri", "http://127.0.0.1:8080/IPHTTPS")
ANSWER = b"HTTP/1.1 200 OK\r\n\r\n"
# design.md section 6: what routers say is heard also by a host that forwards, and routes are learned from it.
SETTINGS = {
    "accept_ra": 2,
    "accept_ra_pinfo": 1,
    "autoconf": 1,
    "max_addresses": 16,
    "accept_ra_min_lft": 0,
    "accept_ra_rtr_pref": 1,
    "accept_ra_rt_info_min_plen": 0,
    "accept_ra_rt_info_max_plen": 128,
    "addr_gen_mode": 0,
    "router_solicitations": -1,
    "router_solicitation_delay": 1,
    "router_solicitation_interval": 4,
    "router_solicitation_max_interval": 3600,
    "accept_redirects": 0,
    "accept_ra_defrtr": 1,
    "ra_defrtr_metric": 50,
}
DOWN = MemoryInterface(False, 1280, set(), SETTINGS)
UP = MemoryInterface(True, 1280, set(), SETTINGS)
TO_US = ipv6.packet(bytes(15) + b"\1", bytes(15) + b"\2", ipv6.UDP, b"answer")
FROM_US = ipv6.packet(bytes(15) + b"\2", bytes(15) + b"\1", ipv6.UDP, b"question")


class ClientDaemonCase(DaemonCase):
    """The client in its surroundings; the server is a string of bytes."""

    def setUp(self) -> None:
        """Leave this host's resolver alone."""
        super().setUp()
        self.patch(running_client, "dns_settings", DNSSettings)

    def daemon(self, *flags: str) -> ClientDaemon:
        """Make the daemon with these flags besides those it must have."""
        options = Options()
        options.parseOptions([*(() if "--uri" in flags else FLAGS), *flags])
        return ClientDaemon(options, cast(IReactor, self.reactor), self.network, self.open_device, self.open_monitor)

    def start(self, *flags: str) -> ClientDaemon:
        """Start it as `twistd` does."""
        daemon = self.daemon(*flags)
        daemon.privilegedStartService()
        daemon.startService()
        return daemon

    def running(self, daemon: ClientDaemon) -> RunningClient:
        """Return the running parts."""
        return cast(RunningClient, daemon.running_parts)

    def connect(self, received: bytes = ANSWER) -> tuple[IProtocol, StringTransport]:
        """Let the latest attempt succeed, and the server say this."""
        transport = StringTransport()
        protocol = self.reactor.tcpClients[-1][2].buildProtocol(cast(IAddress, transport.getPeer()))
        assert protocol
        protocol.makeConnection(transport)
        if received:
            protocol.dataReceived(received)
        return protocol, transport

    def refuse(self) -> None:
        """Let the latest attempt fail."""
        self.reactor.tcpClients[-1][2].clientConnectionFailed(
            self.reactor.connectors[-1], Failure(ConnectionRefusedError())
        )

    @property
    def readers(self) -> list[IReadDescriptor]:
        """The reader of the device."""
        return [reader for reader in self.reactor.getReaders() if isinstance(reader, DeviceReader)]

    @property
    def link(self) -> MemoryInterface:
        """The state of the interface in the network in memory."""
        return self.network.interfaces["iphttps0"]


class LifeTests(ClientDaemonCase):
    """From start to stop."""

    def test_prepared(self) -> None:
        """Prepared, the device is there and its link down, so that no Router Solicitation is lost."""
        self.daemon().privilegedStartService()
        self.assertEqual((self.link, len(self.devices), self.events), (DOWN, 1, ["keep"]))
        self.assertEqual(self.reactor.tcpClients, [])

    def test_started(self) -> None:
        """Started, the client connects at once: that it runs is the policy to have the link (3.1.3)."""
        self.start()
        ((host, port, _, _, _),) = self.reactor.tcpClients
        self.assertEqual((host, port, self.link, self.events), ("127.0.0.1", 8080, DOWN, ["keep", "narrow"]))

    def test_link_up(self) -> None:
        """The link comes up with the answer, ready for what a router says, and the device is read (3.1.5.2)."""
        self.start()
        protocol, _ = self.connect(b"")
        self.assertEqual((self.link, self.readers), (DOWN, []))
        protocol.dataReceived(ANSWER)
        self.assertEqual((self.link, len(self.readers)), (UP, 1))
        self.assertFalse(self.network.forwarding)

    def test_packets(self) -> None:
        """Packets pass between the server and the device (3.1.5.3)."""
        self.start()
        _, transport = self.connect(ANSWER + TO_US)
        self.devices[0].inject(FROM_US)
        self.readers[0].doRead()
        self.assertEqual(self.devices[0].taken, [TO_US])
        self.assertTrue(transport.value().endswith(b"\r\n\r\n" + FROM_US))

    def test_request(self) -> None:
        """The request names the server and the path in the URI (3.1.5.2)."""
        self.start("--uri", "http://127.0.0.1:8080/Other")
        _, transport = self.connect(b"")
        self.assertTrue(transport.value().startswith(b"POST /Other HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"))

    def test_request_length(self) -> None:
        """The request announces what it is told to."""
        self.start("--request-length", "2^63-1")
        _, transport = self.connect(b"")
        self.assertIn(b"\r\nContent-Length: 9223372036854775807\r\n", transport.value())

    def test_link_down(self) -> None:
        """With the connection the link goes down, and with it all that the session has brought (3.1.5.4)."""
        self.start()
        protocol, _ = self.connect()
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.link, self.readers), (DOWN, []))

    def test_delays(self) -> None:
        """The delays are those given, so that tests need not wait (3.1.2.1)."""
        with capturedLogs() as events:
            self.start("--reconnect-initial", "2", "--reconnect-maximum", "3")
            for attempt in range(4):
                self.assertEqual(len(self.reactor.tcpClients), attempt + 1)
                self.refuse()
                self.reactor.pump([0.5] * 10)  # the endpoint takes some time to see that there is no other address
        said = [str(formatEvent(event)) for event in events]
        waited = [float(text.split()[3]) for text in said if text.startswith("next attempt in ")]
        for seconds, (least, most) in zip(waited, ((2, 2), (2, 3), (3, 3), (3, 3)), strict=True):
            self.assertTrue(least <= seconds <= most * (1 + SPREAD) + 0.05, waited)  # they are rounded in the log

    def test_interface_stripped(self) -> None:
        """If another program removes the addresses, the link-local one is put back and the router solicited."""
        self.patch(RunningIPHTTPSClient, "_own_address", lambda running: bytes(15) + b"\2")
        self.start()
        _, transport = self.connect()
        addresses = {IPv6Interface("fe80::2/64"), IPv6Interface("2001:db8:2::2/64")}
        self.link.addresses |= addresses
        (keeper,) = (reader for reader in self.reactor.getReaders() if isinstance(reader, InterfaceKeeper))
        self.patch(MemoryState, "changed", lambda state: True)
        self.reactor.advance(1)
        self.link.addresses.clear()
        transport.clear()
        keeper.doRead()
        self.reactor.advance(1)
        self.assertEqual({IPv6Interface("fe80::2/64")}, self.link.addresses)
        self.assertEqual(router_solicitation(bytes(15) + b"\2"), transport.value())

    def test_undone(self) -> None:
        """Stopped in any state, the daemon leaves nothing: no link, device, timer or attempt (3.1.4.2)."""
        for reach in (lambda: None, self.refuse):
            daemon = self.start()
            reach()
            self.successResultOf(daemon.stopService())
            self.assertEqual((self.link, self.everything()), (DOWN, self.before))
            self.assertEqual((self.reactor.getReaders(), self.reactor.getDelayedCalls()), ([], []))
            self.assertTrue(self.closed(self.devices[-1]))
            self.assertTrue(self.monitors[-1].closed)

    def test_good_bye(self) -> None:
        """With the link up, it goes down at once, and the device when the connection has ended."""
        daemon = self.start()
        protocol, transport = self.connect()
        stopped = daemon.stopService()
        self.assertEqual((self.link, transport.disconnecting), (DOWN, True))
        self.assertNoResult(stopped)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)
        self.assertTrue(self.closed(self.devices[0]))

    def test_certificates_end(self) -> None:
        """While it runs, and not longer, it looks by the time of day whether the server's certificate has ended."""
        looks: list[float] = []
        self.patch(Client, "end_overdue", lambda client, now: looks.append(now))
        daemon = self.start()
        self.reactor.advance(INTERVAL)
        self.assertEqual(2, len(looks))
        self.assertLess(abs(time() - looks[-1]), 60)
        self.successResultOf(daemon.stopService())
        self.reactor.advance(INTERVAL)
        self.assertEqual(2, len(looks))

    def test_interface_gone(self) -> None:
        """If the link cannot be brought up any more, the program says so and stops; waiting does not mend it."""
        self.start()
        del self.network.interfaces["iphttps0"]
        with capturedLogs() as events:
            self.connect()
        self.assertIn("there is no interface iphttps0 any more; stopping", [formatEvent(event) for event in events])
        self.assertTrue(self.reactor.hasStopped)

    def test_stop_without_the_interface(self) -> None:
        """A daemon whose interface somebody removed still stops in order."""
        daemon = self.start()
        protocol, _ = self.connect()
        del self.network.interfaces["iphttps0"]
        self.devices[0].close()
        self.readers[0].doRead()
        self.assertTrue(self.reactor.hasStopped)
        stopped = daemon.stopService()
        protocol.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)


class RefusalTests(ClientDaemonCase):
    """An impossible start ends with one sentence, and leaves nothing behind."""

    def test_wrong_files(self) -> None:
        """A file that cannot serve ends the program before anything is touched."""
        identity = self.certificates.client()
        missing = str(self.directory / "missing.pem")
        good = {"--certificate": str(identity.certificate), "--private-key": str(identity.private_key)}
        for flag in ("--ca", *good):
            for path, reason in ((missing, "No such file or directory"), (str(self.directory), "Is a directory")):
                flags = [word for pair in (good | {flag: path}).items() for word in pair]
                self.assert_refuses_to_start(
                    self.daemon("--uri", "https://127.0.0.1/", *flags), f"{flag}: cannot read {path}: {reason}"
                )
        self.assertEqual(self.devices, [])

    def test_name_taken(self) -> None:
        """A device that cannot be made ends the program."""

        def refuse(name: str) -> None:
            raise ConfigError(f"interface {name} already exists")

        daemon = self.daemon()
        daemon.open_device = refuse  # type: ignore[assignment]
        self.assert_refuses_to_start(daemon, "interface iphttps0 already exists")

    def test_no_network(self) -> None:
        """If the network rejects the configuration, the device is closed again."""

        def refuse(config: NetworkConfig) -> None:
            raise ConfigError(f"cannot configure {config.interface}")

        self.network.apply = refuse  # type: ignore[method-assign]
        self.assert_refuses_to_start(self.daemon(), "cannot configure iphttps0")
        self.assertEqual(len(self.devices), 1)
