"""The SSTP client as a service, in memory with the server's session at the other end."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import cast

from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent

from iphttps.app.config.secrets.password_login import PASSWORD
from iphttps.app.config.sstp_client_config import SSTPClientConfig
from iphttps.app.config.sstp_client_options import Options
from iphttps.app.daemon import running_client, sstp_network
from iphttps.app.daemon.hooks.dns_settings import DNSSettings
from iphttps.app.daemon.sstp_client import RunningSSTPClient, SSTPClientDaemon
from iphttps.app.daemon.sstp_network import EVERYTHING, check, harmless_peer, network_config
from iphttps.app.daemon.stable_key import FILE
from iphttps.core.client import ClientState
from iphttps.core.errors import ConfigError
from iphttps.core.failure import Stage
from iphttps.core.sstp.client_call import LinkUp
from iphttps.core.sstp.ppp.client import IPv4Addresses, IPv6Identifiers
from iphttps.host.device.memory import MemoryInterface
from iphttps.host.kernel.ipv4 import IPv4Config
from iphttps.net.interfaces import IReactor
from tests.app.support import DaemonCase
from tests.net.sstp import support
from tests.net.sstp.support import SSTPCase
from tests.net.support import OUTER, Connection

IDENTIFIER = bytes(range(1, 9))
INNER, PEER = IPv4Address("10.99.0.2"), IPv4Address("10.99.0.1")
LINK = LinkUp(IPv4Addresses(INNER.packed, PEER.packed), IPv6Identifiers(IDENTIFIER), 1400)
OUTSIDE = "198.51.100.1"


def configured(*flags: str) -> SSTPClientConfig:
    """Return the configuration of a command line."""
    options = Options()
    options.parseOptions(["--uri", "http://127.0.0.1:8080", "--user", "alice", *flags])
    return options.config


class SSTPClientDaemonCase(DaemonCase, SSTPCase):
    """The client's daemon in its surroundings, and a server."""

    def setUp(self) -> None:
        """Make both; without TLS a client has seen no certificate, and its hash is of zeros."""
        DaemonCase.setUp(self)
        self.patch(support, "CERTIFICATE_HASH", bytes(32))
        SSTPCase.setUp(self)
        self.reactor = self.clock
        self.network.interfaces["sstp0"] = MemoryInterface()
        password = self.directory / "password"
        password.touch(0o600)
        password.write_text("secret\n")
        self.password: tuple[str, ...] = ("--password-file", str(password))
        self.patch(running_client, "dns_settings", DNSSettings)

    def daemon(self, *flags: str) -> SSTPClientDaemon:
        """Make the daemon with these flags besides those it must have."""
        options = Options()
        options.parseOptions(["--uri", "http://127.0.0.1:8080", "--user", "alice", *self.password, *flags])
        reactor = cast(IReactor, self.reactor)
        return SSTPClientDaemon(options, reactor, self.network, self.open_device, self.open_monitor)

    def start(self, *flags: str) -> SSTPClientDaemon:
        """Start it as `twistd` does."""
        daemon = self.daemon(*flags)
        daemon.privilegedStartService()
        daemon.startService()
        return daemon

    def running(self, daemon: SSTPClientDaemon) -> RunningSSTPClient:
        """Return the running parts."""
        return cast(RunningSSTPClient, daemon.running_parts)

    def join(self) -> Connection:
        """Connect the latest attempt to the server, and carry bytes until both ends are idle."""
        protocol = cast(Protocol, self.reactor.tcpClients[-1][2].buildProtocol(OUTER))
        connection = Connection(self.clock, cast(Protocol, self.listener.buildProtocol(OUTER)), protocol)
        connection.settle()
        return connection

    @property
    def link(self) -> MemoryInterface:
        """The interface as the network has it."""
        return self.network.interfaces["sstp0"]


class LifeTests(SSTPClientDaemonCase):
    """From start to stop."""

    def test_prepared(self) -> None:
        """Prepared, the device is there and its link down, without an address."""
        self.daemon().privilegedStartService()
        self.assertEqual((False, 1400, set(), IPv4Config()), self.state())

    def identifier(self) -> bytes:
        """Return the interface identifier that a newly started daemon requests."""
        daemon = self.start()
        requested = self.running(daemon)._requested.identifier
        daemon.stopService()
        return requested

    def test_identifier(self) -> None:
        """The interface identifier is the same after each start, given a state directory (RFC 5072 section 4.1)."""
        self.assertNotEqual(self.identifier(), self.identifier())
        os.environ["STATE_DIRECTORY"] = str(self.directory)
        self.addCleanup(os.environ.pop, "STATE_DIRECTORY")
        self.assertEqual(self.identifier(), self.identifier())
        (self.directory / FILE).write_text("too short")
        with capturedLogs() as events:
            self.assertNotEqual(self.identifier(), self.identifier())
        self.assertIn("the addresses in the tunnel will change at the next start", str([*map(formatEvent, events)]))

    def state(self) -> tuple[bool, int, set[IPv6Interface], IPv4Config]:
        """Return the interface's state."""
        return self.link.up, self.link.mtu, self.link.addresses, self.link.ipv4

    def test_link_up(self) -> None:
        """The link comes up with the addresses that PPP has given, and the kernel forms no other link-local one."""
        daemon = self.start()
        self.join()
        self.assertIs(ClientState.LINK_UP, self.running(daemon).client.state)
        up, mtu, addresses, ipv4 = self.state()
        self.assertEqual((True, 1400, IPv4Config(IPv4Interface(INNER), PEER)), (up, mtu, ipv4))
        self.assertEqual([True], [address.ip.is_link_local for address in addresses])
        self.assertEqual((1, 0), (self.link.settings["addr_gen_mode"], self.link.settings["accept_ra_defrtr"]))

    def test_dns(self) -> None:
        """The DNS servers of IPCP are passed on; without systemd-resolved the log has them."""
        with capturedLogs() as events:
            self.start()
            self.join()
        self.assertIn("DNS servers 10.0.0.53 and", " ".join(str(formatEvent(event)) for event in events))

    def test_stopped(self) -> None:
        """Stopped, the client disconnects the call and takes the addresses back ([MS-SSTP] 3.2.4.2)."""
        daemon = self.start()
        connection = self.join()
        stopped = daemon.stopService()
        self.assertEqual((False, 1400, set(), IPv4Config()), self.state())
        connection.settle()
        self.successResultOf(stopped)
        self.assertEqual((0, True), (len(self.table), self.closed(self.devices[0])))

    def test_requested(self) -> None:
        """The address is requested again after a lost connection, but not after a disconnect by the server."""
        requested = self.running(self.start())._requested
        connection = self.join()
        self.assertEqual(IPv4Interface(INNER).packed, requested.address)
        (entry,) = self.table
        entry.connection.disconnect("logged in again")
        connection.settle()
        self.assertEqual(b"", requested.address)

    def test_status(self) -> None:
        """The status has the stage, what was negotiated, and the server's address in the tunnel."""
        daemon = self.start()
        self.join()
        status = self.running(daemon)._protocol()
        assert status
        self.assertEqual(("MS-CHAPv2", "SHA-256", 1400), (status["authentication"], status["binding"], status["mtu"]))
        self.assertEqual(f"{INNER}/32", self.running(daemon)._host_side()["addresses"][0])
        self.assertTrue(self.running(daemon).condition().up)

    def test_conflict(self) -> None:
        """If the address cannot be used, the link stays down, and the failure names the reason."""
        self.patch(sstp_network, "attached", lambda address, tunnel: (IPv4Network("10.99.0.0/16"), "eth0"))
        daemon = self.start()
        connection = self.join()
        self.clock.advance(0)
        connection.settle()
        failure = self.running(daemon).client.last_failure
        assert failure
        self.assertIs(Stage.ADDRESSES, failure[0].stage)
        self.assertIn("which lies in this host's own network 10.99.0.0/16 on eth0", failure[0].sentence)
        self.assertFalse(self.link.up)

    def test_no_password(self) -> None:
        """Without a password the daemon does not start, and the error names the places for one."""
        self.password = ()
        self.service.stop_advertising()
        self.assert_refuses_to_start(
            self.daemon(), f"the password is missing: give --password-file, or set {PASSWORD} in the environment"
        )

    def test_proxy(self) -> None:
        """The CONNECT request has the SSTPVERSION header ([MS-SSTP] 4.5), which a header of that name replaces."""
        for flags, expected in (((), b"\r\nSSTPVERSION: 1.0\r\n"), (("--proxy-header", "SSTPVERSION: 2"), b": 2\r\n")):
            self.start("--proxy", "http://127.0.0.1:3128", *flags)
            transport = StringTransport()
            protocol = cast(Protocol, self.reactor.tcpClients[-1][2].buildProtocol(OUTER))
            protocol.makeConnection(transport)
            self.assertTrue(transport.value().startswith(b"CONNECT 127.0.0.1:8080 HTTP/1.1\r\n"))
            self.assertIn(expected, transport.value())
            self.assertEqual(1, transport.value().upper().count(b"SSTPVERSION"))


class NetworkTests(SSTPClientDaemonCase):
    """The network configuration that follows from the negotiation."""

    def test_routes(self) -> None:
        """--route leads through the tunnel, of the families that it carries."""
        config = configured("--route", "10.0.0.0/8", "--route", "2001:db8:1::/48")
        made = network_config(config, LINK)
        assert made.ipv4
        self.assertEqual((IPv4Network("10.0.0.0/8"),), made.ipv4.routes)
        self.assertEqual((IPv6Network("2001:db8:1::/48"),), made.routes)
        alone = network_config(config, LinkUp(LINK.ipv4, None, 1400))
        self.assertEqual(((), ()), (alone.routes, alone.addresses))

    def test_default_route(self) -> None:
        """A default route is two routes to halves, which replace none of the host's and need no restoration."""
        made = network_config(configured("--default-route", "yes"), LINK)
        assert made.ipv4
        self.assertEqual((EVERYTHING[4], EVERYTHING[6]), (made.ipv4.routes, made.routes))
        self.assertEqual(1, made.settings["accept_ra_defrtr"])

    def test_mtu(self) -> None:
        """The MTU is the smaller one of the option and what the server receives (RFC 1661 section 6.1)."""
        for flags, negotiated, expected in (((), 1400, 1400), ((), 1350, 1350), (("--mtu", "1300"), 1400, 1300)):
            self.assertEqual(expected, network_config(configured(*flags), LinkUp(LINK.ipv4, None, negotiated)).mtu)

    def test_server_inside(self) -> None:
        """The server's outer address cannot be an inner one, and gets no route through the tunnel."""
        error = self.assertRaises(ConfigError, check, configured(), LINK, str(INNER))
        self.assertIn("the address at which it is reached", str(error))
        self.assertIsNone(harmless_peer(configured(), LINK, str(PEER)))
        self.assertEqual(PEER, harmless_peer(configured(), LINK, OUTSIDE))

    def test_strict_reverse_path(self) -> None:
        """If the kernel would drop the connection's own packets, a sentence names the setting (RFC 3704)."""
        self.patch(sstp_network, "ipv4_routes", lambda: {(IPv4Network("0.0.0.0/0"), "eth0", False)})
        self.patch(sstp_network, "strict_reverse_path", lambda name: name == "eth0")
        check(configured(), LINK, OUTSIDE)
        check(configured("--default-route", "yes"), LINK, "2001:db8::1")
        for flags in (("--default-route", "yes"), ("--route", "198.51.100.0/24")):
            error = self.assertRaises(ConfigError, check, configured(*flags), LINK, OUTSIDE)
            self.assertIn("net.ipv4.conf.eth0.rp_filter", str(error))
