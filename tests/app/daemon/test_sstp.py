"""SSTP on a server's port: what the daemon does to the host for it, and what a reload changes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import Any
from unittest.mock import Mock

from twisted.logger import capturedLogs, formatEvent

from iphttps.app.cli import tables
from iphttps.app.control.resource import Asked
from iphttps.app.daemon.running_server import RunningServer
from iphttps.app.daemon.sstp import ConfiguredSSTP
from iphttps.app.users import editing
from iphttps.core.errors import ConfigError
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.core.sstp.crypto_binding import HashProtocol
from iphttps.core.sstp.ppp.lcp import Authentication

from ..schema import differences, documented, violations
from .test_server import service_of
from .test_server_reload import ReloadCase


class SSTPCase(ReloadCase):
    """A server with SSTP, whose users are alice and bob."""

    def sstp(self, running: RunningServer) -> ConfiguredSSTP:
        """Return its SSTP."""
        assert running._sstp
        return running._sstp

    def user_session(self, running: RunningServer, user: str) -> Mock:
        """Begin a session of a user; return its connection."""
        connection = Mock()
        table = self.sstp(running).service.table
        table.seat(table.add(connection, "192.0.2.7:1", 0.0), user)
        return connection

    def ask(self, running: RunningServer, method: str, path: str) -> Any:
        """Ask for something."""
        for route in running.routes():
            words = route.words(path)
            if route.method == method and words is not None:
                return route.action(Asked(words))
        raise AssertionError(path)

    @contextmanager
    def logged(self, sentence: str) -> Iterator[None]:
        """Check that a sentence is logged."""
        with capturedLogs() as events:
            yield
        self.assertIn(sentence, [formatEvent(event) for event in events])


class HostTests(SSTPCase):
    """SSTP's settings on the host."""

    def test_applied(self) -> None:
        """The interface has the first address of each family, the MTU of PPP, and the host forwards both."""
        self.values["sstp-prefix"] = "2001:db8:3::/64"
        self.begin()
        found = self.network.interfaces["sstp0"]
        self.assertEqual({IPv6Interface("fe80::1/64"), IPv6Interface("2001:db8:3::1/64")}, found.addresses)
        self.assertEqual((IPv4Interface("10.99.0.1/24"), 1400), (found.ipv4.address, found.mtu))
        self.assertTrue(self.network.forwarding and self.network.ipv4_forwarding)

    def test_advertisement(self) -> None:
        """A reload changes what SSTP's clients are advertised, as it does for those of IP-HTTPS."""
        self.values["sstp-prefix"] = "2001:db8:3::/64"
        running = self.begin()
        self.write(route="2001:db8:77::/48")
        running.reload()
        router = self.sstp(running)._router
        assert router
        self.assertEqual(["2001:db8:77::/48"], [str(route) for route in router.advertisement.routes])

    def test_outside(self) -> None:
        """A client's address outside the pool is routed to the interface while the client has it."""
        running = self.begin()
        service, pool = self.sstp(running).service, self.sstp(running).service.pool
        assert pool is not None

        def routes() -> list[str]:
            self.reactor.advance(0)
            return [str(network) for network in self.network.interfaces["sstp0"].ipv4.routes]

        for number in (7, 8):
            pool.take(f"user {number}", IPv4Address(f"198.51.100.{number}"))
            service.outside_changed()
        self.assertEqual(["198.51.100.7/32", "198.51.100.8/32"], routes())
        pool.free(IPv4Address("198.51.100.7"))
        service.outside_changed()
        self.assertEqual(["198.51.100.8/32"], routes())
        pool.free(IPv4Address("198.51.100.8"))
        service.outside_changed()
        running.quit()
        self.assertEqual(["198.51.100.8/32"], routes())  # the interface goes, and its routes with it

    def test_not_routed(self) -> None:
        """If the kernel refuses the route, the log says so, and the server goes on."""
        running = self.begin()
        self.patch(self.sstp(running)._host, "configure", Mock(side_effect=ConfigError("cannot configure sstp0: no")))
        with self.logged("cannot configure sstp0: no; clients cannot be reached"):
            self.sstp(running).service.outside_changed()
            self.reactor.advance(0)

    def test_own(self) -> None:
        """No client may send from the server's address of the pool."""
        running = self.begin()
        self.assertIn(bytes((10, 99, 0, 1)), self.sstp(running).service._policy.own)


class AloneTests(SSTPCase):
    """SSTP without IP-HTTPS."""

    def begin(self) -> RunningServer:
        """Start a server without a prefix for IP-HTTPS, and without authorities."""
        for key in ("prefix", "client-ca", "client-crl"):
            self.values.pop(key, None)
        return super().begin()

    def test_authority(self) -> None:
        """With an authority configured TLS asks for no certificate either: there is nobody to show one."""
        del self.values["prefix"]
        running = super().begin()
        assert running._tls
        self.assertIsNone(running._tls.tls.settings.client_ca)
        running.reload()
        self.assertIsNone(running._tls.tls.settings.client_ca)

    def test_host(self) -> None:
        """There is no interface of IP-HTTPS, and TLS asks for no certificate."""
        running = self.begin()
        self.assertEqual(["sstp0"], [device.name for device in self.devices])
        self.assertFalse(self.network.forwarding)
        assert running._tls
        self.assertIsNone(running._tls.tls.settings.client_ca)
        self.assertEqual([self.sstp(running).service], list(running.server.listener.services))

    def test_states(self) -> None:
        """The server is disabled and enabled as ever, and its status is as its schema says."""
        running = self.begin()
        for path, state in (("/disable", "DISABLED"), ("/enable", "LISTEN")):
            value = self.successResultOf(self.ask(running, "POST", path))
            self.assertEqual([], violations("status", json.loads(json.dumps(value))))
            self.assertEqual((state, None, None), (value["state"], value["interface"], value["clients"]))
            self.assertRegex(tables.server(value), rf"^state +{state}")
        self.user_session(running, "alice")
        self.assertIn("1 client", running.condition().text)

    def test_reload(self) -> None:
        """A reload is as ever, and to serve IP-HTTPS takes a restart."""
        running = self.begin()
        self.write(prefix="2001:db8:2::/64", max_clients=7, max_handshakes=5, authentication="none")
        changes = running.reload()
        now = ("authentication", "max-clients", "max-handshakes")
        self.assertEqual((now, ("prefix",)), (changes.now, changes.restart))
        service = self.sstp(running).service
        self.assertEqual((7, 5), (service.table.seats.maximum, service.limiter._maximum))

    def test_mode(self) -> None:
        """There is no Authentication Mode to change."""
        error = self.assertRaises(ConfigError, self.begin().change_mode, AuthenticationMode.NONE)
        self.assertIn("--prefix is missing", str(error))


class ControlTests(SSTPCase):
    """The status of SSTP at the control socket."""

    def test_status(self) -> None:
        """The status has a part about SSTP, and none without it."""
        self.values["sstp-prefix"] = "2001:db8:3::/64"
        running = self.begin()
        self.user_session(running, "alice")
        value = self.ask(running, "GET", "/status")
        self.assertEqual([], violations("status", json.loads(json.dumps(value))))
        example = documented("server") | {"authority": None}
        self.assertEqual([], differences(example, json.loads(json.dumps(value))))
        part = value["sstp"]
        self.assertEqual(["10.99.0.1/24", "fe80::1/64", "2001:db8:3::1/64"], part["addresses"])
        self.assertEqual(({"now": 1, "maximum": 1000}, 2), (part["clients"], part["users"]))
        self.assertEqual(0, value["clients"]["now"])

    def test_clients(self) -> None:
        """Clients of both protocols are told of in the order of their numbers, which they share."""
        running = self.begin()
        now = self.reactor.seconds()
        first = self.user_session(running, "alice")
        service_of(running).table.add(Mock(), "192.0.2.8:1", None, now)
        for table in (self.sstp(running).service.table, service_of(running).table):
            for each in table:
                each.since = now
                each.counters.received(1, 1000)
        self.reactor.advance(2)
        (entry,) = self.sstp(running).service.table
        self.sstp(running).service._policy.assign_ipv4(entry.sources, bytes((10, 99, 0, 2)))
        self.sstp(running).service._policy.assign_interface_id(entry.sources, bytes((0,) * 7 + (7,)))
        self.user_session(running, "")
        value = self.ask(running, "GET", "/clients")
        self.assertEqual([], violations("clients", value))
        self.assertEqual(
            [(1, "sstp", "alice"), (2, "iphttps", None), (3, "sstp", None)],
            [(client["number"], client["protocol"], client["identity"]) for client in value["clients"]],
        )
        self.assertEqual(["10.99.0.2", "fe80::7"], value["clients"][0]["addresses"])
        self.assertEqual([{"in": 4000, "out": 0}] * 2, [client["rates"] for client in value["clients"][:2]])
        self.assertEqual("alice", self.ask(running, "POST", "/clients/1/disconnect")["identity"])
        first.disconnect.assert_called_once_with("disconnected by the operator")

    def test_not_taken(self) -> None:
        """A changed users file that cannot be used shows in the status until it is right again."""
        running = self.begin()
        right = self.users.read_text()
        self.users.write_text("[alice]\n")
        self.reactor.advance(2)
        (sentence,) = self.ask(running, "GET", "/status")["not_taken"]
        self.assertTrue(sentence.startswith(f"users not loaded: {self.users}:1: user 'alice':"), sentence)
        self.assertIn("users not loaded", running.condition().text)
        self.users.write_text(right)
        self.reactor.advance(2)
        self.assertEqual([], self.ask(running, "GET", "/status")["not_taken"])


class ReloadTests(SSTPCase):
    """The effects of a reload."""

    def test_users(self) -> None:
        """Another users file is in force at once, and ends the sessions of users it lacks."""
        running = self.begin()
        alice, bob = self.user_session(running, "alice"), self.user_session(running, "bob")
        other = self.directory / "other.toml"
        editing.add(other, "bob", "secret")
        self.write(sstp_users=other)
        self.assertEqual(("sstp-users",), running.reload().now)
        alice.disconnect.assert_called_once_with("the user was removed")
        bob.disconnect.assert_not_called()
        self.assertEqual(["bob"], [user.name for user in self.sstp(running).logins.users])

    def test_users_changed(self) -> None:
        """A change of the file needs no reload: a new password ends that user's sessions within two seconds."""
        running = self.begin()
        alice, bob = self.user_session(running, "alice"), self.user_session(running, "bob")
        editing.set_password(self.users, "bob", "other")
        self.reactor.advance(2)
        bob.disconnect.assert_called_once_with("the user has a new password")
        alice.disconnect.assert_not_called()

    def test_max_rate(self) -> None:
        """A user's maximum rate applies to open sessions once the file has it, and the default after a reload."""
        running = self.begin()
        rates = self.sstp(running).service.rates
        sessions = {user: Mock() for user in ("alice", "bob")}
        for user, session in sessions.items():
            rates.join(session, user, (user,))
        self.assertEqual([None, None], [session.rate for session in sessions.values()])

        def found() -> list[int]:
            return [rates.of(session).up for session in sessions.values()]

        self.users.write_text(self.users.read_text() + 'max-rate = "5M"\n')
        self.reactor.advance(2)
        self.assertEqual([0, 5_000_000], found())
        self.write(max_rate="20M")
        self.assertEqual(("max-rate", "sstp-users"), running.reload().now)
        self.assertEqual([20_000_000, 5_000_000], found())
        self.assertNotIn(None, [session.rate for session in sessions.values()])
        self.users.write_text(self.users.read_text().replace("5M", "5"))
        self.reactor.advance(2)
        self.assertIn("user 'bob': max-rate must be a rate", str(self.sstp(running).logins.problem))
        self.assertEqual([20_000_000, 5_000_000], found())
        value = self.ask(running, "GET", "/status")
        self.assertEqual({"in": 20_000_000, "out": 20_000_000}, value["max_rate"])
        self.assertEqual([], violations("status", json.loads(json.dumps(value))))

    def test_fixed_address(self) -> None:
        """A user's fixed address is reserved once the file says so, and one outside the pool's rules is rejected."""
        running = self.begin()
        pool = self.sstp(running).service.pool
        assert pool is not None
        self.users.write_text(self.users.read_text() + 'address = "10.99.0.200"\n')
        self.reactor.advance(2)
        self.assertEqual(IPv4Address("10.99.0.200"), pool.take("bob"))
        self.users.write_text(self.users.read_text().replace("10.99.0.200", "10.99.0.1"))
        self.reactor.advance(2)
        self.assertIn("10.99.0.1", str(self.sstp(running).logins.problem))
        self.assertIn("10.99.0.1", str(self.assertRaises(ConfigError, running.reload)))

    def test_fixed_ipv6(self) -> None:
        """The same holds for a fixed IPv6 address; with a mistake in one family the other stays as it was, too."""
        self.values["sstp-prefix"] = "2001:db8:3::/64"
        running = self.begin()
        service = self.sstp(running).service
        before = self.users.read_text()
        self.users.write_text(before + 'address6 = "2001:db8:3::7"\n')
        self.reactor.advance(2)
        self.assertEqual(bytes(7) + b"\7", service.reserved.identifier("bob"))
        self.users.write_text(before + 'address = "10.99.0.200"\naddress6 = "2001:db8:4::7"\n')
        self.reactor.advance(2)
        for problem in (self.sstp(running).logins.problem, self.assertRaises(ConfigError, running.reload)):
            self.assertIn("2001:db8:4::7 is not in 2001:db8:3::/64", str(problem))
        self.assertEqual(bytes(7) + b"\7", service.reserved.identifier("bob"))
        assert service.pool is not None
        self.assertNotEqual(IPv4Address("10.99.0.200"), service.pool.take("bob"))

    def test_users_refused(self) -> None:
        """A users file that is wrong leaves everything as it was."""
        running = self.begin()
        self.users.write_text("[alice]\n")
        self.write(max_clients=7)
        self.assertRaises(ConfigError, running.reload)
        self.assertEqual((1000, 2), (running.config.max_clients, len(self.sstp(running).logins.users)))

    def test_options(self) -> None:
        """The options of calls apply to the next one, and PAP is warned of."""
        running = self.begin()
        self.write(sstp_authentication="mschapv2,pap", sstp_binding="sha256", sstp_dns_server=["10.0.0.53"])
        with self.logged(
            "--sstp-authentication pap: the server sees passwords in clear, and the crypto binding does not detect a "
            "man in the middle; use it only for clients without MS-CHAPv2"
        ):
            running.reload()
        service = self.sstp(running).service
        self.assertEqual((HashProtocol.SHA256,), service.binding.hashes)
        self.assertEqual((Authentication.MSCHAPV2, Authentication.PAP), service.binding.authentication)
        self.assertEqual((bytes((10, 0, 0, 53)),), service.dns)

    def test_off(self) -> None:
        """To end SSTP takes a restart; until then it is served as before."""
        running = self.begin()
        self.values = {key: value for key, value in self.values.items() if not key.startswith("sstp")}
        self.write()
        changes = running.reload()
        self.assertEqual(("sstp-pool",), changes.restart)
        self.assertEqual(2, len(self.sstp(running).logins.users))

    def test_on(self) -> None:
        """To begin with SSTP takes a restart."""
        values = self.values
        self.values = {key: value for key, value in values.items() if not key.startswith("sstp")}
        running = self.begin()
        self.values = values
        self.write()
        self.assertEqual(("sstp-pool",), running.reload().restart)
        self.assertIsNone(running._sstp)
