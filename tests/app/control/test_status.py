"""Tests for iphttps.app.control.status: what it shows is what docs/control.md says."""

from __future__ import annotations

import json
from ipaddress import IPv6Interface
from pathlib import Path
from unittest.mock import Mock

from scapy.layers.inet6 import ICMPv6ND_RS, IPv6
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.control.served import ServedIPHTTPS
from iphttps.app.control.status import Now, client_entry, client_status, counters, max_rate, server_status, tls
from iphttps.core.client import ClientEvent
from iphttps.core.counters import Counters
from iphttps.core.errors import DropReason
from iphttps.core.iphttps.neighbors import NeighborCache
from iphttps.core.queues.rate import MaxRate
from iphttps.net.tls.direct_reads import compiled_parts
from tests.net.certificates import Certificates
from tests.net.support import PRIVATE_HOST, ClientEnd, ServerEnd, packet

from ..schema import differences, documented

NOW = 1772352000.0  # 2026-03-01 08:00 UTC


class StatusCase(SynchronousTestCase):
    """A server and a client, joined over TLS at a known time."""

    def setUp(self) -> None:
        """Start both; nothing joins them yet."""
        self.clock = MemoryReactorClock()
        self.clock.advance(NOW)
        self.ahead = 0.0
        certificates = Certificates(Path(self.mktemp()))
        self.server = ServerEnd(self.clock, certificates.server_tls())
        self.addCleanup(self.server.device.close)
        self.client = ClientEnd(self.clock, certificates.client_tls(certificates.client))
        self.addCleanup(self.client.device.close)

    def enable(self) -> None:
        """Let the client begin."""
        self.client.client.handle(ClientEvent.ENABLE)
        self.client.client.handle(ClientEvent.PRECONDITION)

    def join(self) -> None:
        """Let the client have a session, in which it has sent a packet."""
        self.enable()
        connection = self.client.connect(self.server)
        self.client.from_host(packet(self.client.address, PRIVATE_HOST))
        connection.settle()

    def client_status(self) -> dict[str, object]:
        """Return the client's status."""
        addresses = [f"{self.client.address}/64"]
        counted = self.client.device.counters
        now = Now(self.clock.seconds(), self.clock.seconds() + self.ahead)
        link = {
            "interface": "iphttps0",
            "interface_changed": None,
            "offload": ("tcp", "udp"),
            "compiled": compiled_parts(),
            "addresses": addresses,
            "routes": ["2001:db8:2::/64"],
            "obstacle": None,
        }
        return client_status(self.client.client, None, link, counted, 0.0125, now)


class ServerStatusTests(StatusCase):
    """The server's status, and its clients."""

    def test_as_documented(self) -> None:
        """The server's status has the members that the document shows, in that order."""
        self.join()
        example = documented("server")
        names = ["authentication", "uri", "interface", "interface_changed", "offload", "compiled"]
        names += ["addresses", "prefix", "routes", "default_router", "max_rate"]
        names.append("authority")
        settings = {name: example[name] for name in names}
        counted = Counters(1, 2, 3, 4)
        counted.dropped(DropReason.NOT_IPV6)
        device = Mock(counters=counted)
        served = ServedIPHTTPS(self.server.service, self.server.link, NeighborCache(), device)
        actual = server_status(
            self.server.server, settings, served.status(), example["sstp"], Now(NOW + 1.23, NOW + 1.23)
        )
        self.assertEqual([], differences(example, json.loads(json.dumps(actual))))
        self.assertEqual(
            ("LISTEN", "2026-03-01T08:00:00Z", 1.2, {"now": 1, "maximum": 8}),
            (actual["state"], actual["since"], actual["seconds"], actual["clients"]),
        )

    def test_client_as_documented(self) -> None:
        """A client has the members that the document shows: who it is, its addresses, TLS and counters."""
        self.join()
        (entry,) = self.server.table
        addresses = [str(self.client.address)]
        limit = MaxRate(20_000_000, 0)
        actual = client_entry(entry, "iphttps", entry.identity, addresses, limit, Now(NOW + 2, NOW + 2))
        self.assertEqual({"in": 20_000_000, "out": None}, actual["max_rate"])
        actual["max_rate"] = max_rate(MaxRate(1, 1))
        example, _ = documented("clients")["clients"]
        del example["rates"]  # which are added later
        self.assertEqual([], differences(example, json.loads(json.dumps(actual))))
        self.assertIn("CN=alice", actual["identity"])
        self.assertEqual(
            (1, "192.0.2.7:1234", [str(self.client.address)], 1, "TLSv1.3"),
            (
                actual["number"],
                actual["peer"],
                actual["addresses"],
                actual["counters"]["packets_in"],
                actual["tls"]["version"],
            ),
        )

    def test_plain(self) -> None:
        """Without TLS there is none to tell of."""
        self.assertIsNone(tls(None))


class ClientStatusTests(StatusCase):
    """The client daemon's status."""

    def test_as_documented(self) -> None:
        """In each state the client's status has the members that the document shows, in that order."""
        example = documented("client")
        for step in (lambda: None, self.enable, lambda: self.client.endpoint.refuse(ConnectionRefusedError())):
            step()
            self.assertEqual([], differences(example, json.loads(json.dumps(self.client_status()))))
        self.clock.advance(30)
        self.client.connect(self.server)
        status = self.client_status()
        self.assertEqual([], differences(example, json.loads(json.dumps(status))))
        self.assertEqual(("LINK_UP", None), (status["state"], status["next_attempt"]))
        self.assertIsNotNone(status["tls"])

    def test_stage(self) -> None:
        """The status says what the client is at or waits for, and nothing where all is well."""
        client = self.client.client
        stages = [self.client_status()["stage"]]
        self.enable()
        stages.append(self.client_status()["stage"])
        connection = self.client.connect(self.server)
        stages.append(self.client_status()["stage"])
        solicitation = IPv6(src="fe80::2", dst="ff02::2", hlim=255) / ICMPv6ND_RS()
        self.client.from_host(bytes(solicitation))
        connection.settle()
        stages.append(self.client_status()["stage"])
        link = {
            "interface": "iphttps0",
            "interface_changed": None,
            "offload": ("tcp", "udp"),
            "compiled": compiled_parts(),
            "addresses": ["fe80::2/64"],
            "routes": [],
            "obstacle": None,
        }
        stages.append(client_status(client, None, link, self.client.device.counters, None, Now(0.0, 0.0))["stage"])
        client.handle(ClientEvent.DISABLE)
        stages.append(self.client_status()["stage"])
        self.assertEqual([None, "connect", "router", None, "address", None], stages)

    def test_detection(self) -> None:
        """While Duplicate Address Detection runs, the client waits for its address (RFC 4862 section 5.4)."""
        self.enable()
        connection = self.client.connect(self.server)
        self.client.from_host(bytes(IPv6(src="fe80::2", dst="ff02::2", hlim=255) / ICMPv6ND_RS()))
        connection.settle()
        formed = {"addresses": ["2001:db8::2/64", "fe80::2/64"]}
        for usable, stage in (([], "address"), ([IPv6Interface("2001:db8::2/64")], None), (None, None)):
            status = client_status(
                self.client.client, None, formed, self.client.device.counters, None, Now(0.0, 0.0), (), usable
            )
            self.assertEqual((stage, formed["addresses"]), (status["stage"], status["addresses"]))

    def test_failure(self) -> None:
        """A failure is told with its time, and with the time of the next attempt; it is kept (3.1.2.1)."""
        self.enable()
        self.client.endpoint.refuse(ConnectionRefusedError())
        self.clock.advance(10)
        status = self.client_status()
        self.assertEqual({"time": "2026-03-01T08:00:30Z", "seconds": 20.0}, status["next_attempt"])
        failure = status["last_failure"]
        assert isinstance(failure, dict)
        self.assertIn("connection refused", failure["reason"])
        self.assertEqual(("connect", "0x274D"), (failure["stage"], failure["code"]))
        self.assertEqual(("2026-03-01T08:00:00Z", 10.0), (failure["time"], failure["seconds"]))
        self.clock.advance(20)
        self.client.connect(self.server)
        self.assertIsNotNone(self.client_status()["last_failure"])

    def test_since(self) -> None:
        """`since` is when the state began."""
        self.clock.advance(5)
        self.enable()
        self.clock.advance(1)
        self.assertEqual(
            ("2026-03-01T08:00:05Z", 1.0), (self.client_status()["since"], self.client_status()["seconds"])
        )

    def test_set(self) -> None:
        """Set by a day or a year, either way, the time of day is what moments are told by, and no duration changes."""
        self.clock.advance(5)
        self.enable()
        self.client.endpoint.refuse(ConnectionRefusedError())
        self.clock.advance(10)
        for days, since in (1, "2026-03-02"), (-1, "2026-02-28"), (365, "2027-03-01"), (-365, "2025-03-01"):
            self.ahead = days * 86400.0
            status = self.client_status()
            failure = status["last_failure"]
            assert isinstance(failure, dict)
            self.assertEqual((f"{since}T08:00:05Z", 10.0), (status["since"], status["seconds"]))
            self.assertEqual((f"{since}T08:00:05Z", 10.0), (failure["time"], failure["seconds"]))
            self.assertEqual({"time": f"{since}T08:00:35Z", "seconds": 20.0}, status["next_attempt"])


class ValueTests(SynchronousTestCase):
    """The parts."""

    def test_drops(self) -> None:
        """Drops go by the reason's name in small letters; what was never dropped is left out."""
        counted = Counters()
        counted.dropped(DropReason.SOURCE_HELD, 2)
        counted.dropped(DropReason.REDIRECT, 0)
        self.assertEqual({"source_held": 2}, counters(counted)["drops"])

    def test_differences(self) -> None:
        """The comparison with the document finds what is missing, added, in another order, or of another kind."""
        example = {"a": 1, "tls": {"b": "x"}, "list": [1]}
        self.assertEqual([], differences(example, {"a": 2, "tls": None, "list": []}))
        wrongs: tuple[dict[str, object], ...] = (
            {"a": 1, "list": [1]},
            {"tls": {"b": "x"}, "a": 1, "list": [1]},
            {"a": None, "tls": None, "list": []},
            {"a": 1, "tls": {"b": 1}, "list": []},
            {"a": 1, "tls": None, "list": ["x"]},
        )
        for wrong in wrongs:
            self.assertNotEqual([], differences(example, wrong), wrong)
        self.assertEqual([".drops: unknown"], differences({"drops": {}}, {"drops": {"redirect": 1, "unknown": 1}}))
