"""Each option is either applied by a reload of the server or needs a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

from twisted.internet.defer import maybeDeferred
from twisted.logger import capturedLogs

from iphttps.app.config.kinds import Flag, Many, Number, Whole
from iphttps.app.config.option import Option
from iphttps.app.config.reload import Changes
from iphttps.app.config.server_config import ServerConfig
from iphttps.app.config.server_options import Options
from iphttps.app.control.resource import Asked
from iphttps.app.daemon.running_server import RunningServer
from iphttps.app.daemon.server import ServerDaemon
from iphttps.app.users import editing
from iphttps.core.errors import ConfigError
from iphttps.core.identity import Identity
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.host.device.memory import MemoryInterface
from iphttps.lab.authority import KeyKind
from iphttps.net import log
from iphttps.net.listen.service import CertificatePolicy

from .test_server import BEHIND, ServerDaemonCase, service_of

OTHERS = {
    "uri": "https://127.0.0.1:1/", "authentication": "none", "null-encryption": "accept", "prefix": "2001:db8:9::/64",
    "interface": "other0", "device": "tap", "offload": "off", "log-level": "warn", "log-format": "json",
    "control": "other.sock", "publish": "http://*:1", "isolate": "yes", "advertise": "off", "nat64": "64:ff9b::/96",
    "route": "2001:db8:5::/48", "dns-server": "2001:db8::53", "search-domain": "example.org",
    "trusted-proxy": "192.0.2.1", "socket-group": "nobody", "max-rate": "20M",
    "sstp-pool": "10.98.0.0/24",
    "sstp-prefix": "2001:db8:8::/64", "sstp-interface": "sstp9", "sstp-dns-server": "10.0.0.53",
    "sstp-authentication": "pap", "sstp-binding": "sha256", "sstp-certificate-hash": "0123456789" * 4,
}  # fmt: skip
"""Another value of each option that is no number, no flag and no file."""

TOGETHER = {"publish", "socket-group", "proxy-protocol", "sstp-radius", "sstp-radius-secret"}
"""Options that need others, which take a restart as well."""


class Read(ServerConfig):
    """A configuration that notes which of its fields are read."""

    def __getattribute__(self, name: str) -> Any:
        """Return a field."""
        names: set[str] = object.__getattribute__(self, "__dict__").setdefault("names", set())
        names.add(name.replace("_", "-"))
        return object.__getattribute__(self, name)


class ReloadCase(ServerDaemonCase):
    """A server with TLS whose configuration lies in a file."""

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.addCleanup(log.set_level, "info")
        identity = self.certificates.server("localhost", kind=KeyKind.RSA)
        self.path = self.directory / "server.toml"
        self.network.interfaces["sstp0"] = MemoryInterface()
        self.users = self.directory / "users.toml"
        editing.add(self.users, "alice", "secret")
        editing.add(self.users, "bob", "secret")
        self.values: dict[str, object] = {
            "uri": "https://127.0.0.1:0/",
            "prefix": "2001:db8:2::/64",
            "certificate": str(identity.certificate),
            "private-key": str(identity.private_key),
            "client-ca": str(self.certificates.certificate),
            "client-crl": str(self.certificates.revoke()),
            "sstp-pool": "10.99.0.0/24",
            "sstp-users": str(self.users),
        }

    def write(self, **changed: object) -> None:
        """Write the file with these values besides."""
        values = self.values | {name.replace("_", "-"): value for name, value in changed.items()}
        self.path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in values.items()))

    def begin(self) -> RunningServer:
        """Start the server with the file as it should be."""
        self.write()
        return self.running(self.start_from_file())

    def start_from_file(self) -> ServerDaemon:
        """Start it as `twistd` does."""
        daemon = self.daemon_of(["--config", str(self.path)])
        daemon.privilegedStartService()
        daemon.startService()
        return daemon

    def other(self, row: Option) -> object:
        """Return another value of an option than the one in force."""
        if row.is_file:
            before = Path(str(self.values[row.name])) if row.name in self.values else None
            copy = self.directory / f"other-{row.name}"
            copy.write_bytes(before.read_bytes() if before else b"")
            copy.chmod(0o600)
            return str(copy)
        match row.kind:
            case Flag():
                return True
            case Whole() | Number():
                return int(row.default or 0) + 1
            case Many():
                return [OTHERS[row.name]]
            case _:
                return OTHERS[row.name]


def _toml(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case int():
            return str(value)
        case _:
            return f'"{value}"'


class EveryOptionTests(ReloadCase):
    """Each option in turn."""

    def test_applied_or_not(self) -> None:
        """A change is in force after a reload, or is said to take a restart and is not in force."""
        running = self.begin()
        for name, row in Options.table.items():
            if name in TOGETHER | {"authority"}:  # which takes its files along: see test_authority
                self.assertFalse(row.reload, name)
                continue
            self.write(**{name: self.other(row)})
            before = running.config
            changes = running.reload()
            self.assertEqual(((name,), ()) if row.reload else ((), (name,)), (changes.now, changes.restart), name)
            applied = getattr(before, row.field) != getattr(running.config, row.field)
            self.assertEqual(row.reload, applied, name)
            self.write()
            running.reload()

    def test_all_read(self) -> None:
        """A reload reads every option marked as applied by it, and no other."""
        running = self.begin()
        running.change_mode(AuthenticationMode.NONE)
        config = running.config
        read = Read(**{row.field: getattr(config, row.field) for row in Options.table.values()})
        object.__getattribute__(read, "__dict__").clear()
        running.put_in_force(read)
        names: set[str] = object.__getattribute__(read, "__dict__")["names"]
        applied = {name for name, row in Options.table.items() if row.reload}
        self.assertEqual(set(), applied - names)


class EffectTests(ReloadCase):
    """The effects of a reload."""

    def test_offload(self) -> None:
        """A change of --offload is said to take a restart, and the configuration in force says what the device is."""
        running = self.begin()
        self.write(offload="off")
        with capturedLogs() as events:
            self.assertEqual("changed: nothing; restart to apply: offload", str(running.reload()))
        self.assertIn(("offload",), [event.get("restart") for event in events])
        self.assertTrue(running.config.offload)
        self.assertEqual("auto", running.options["offload"])

    def test_limits(self) -> None:
        """Limits are those of the file."""
        running = self.begin()
        self.write(max_clients=7, max_handshakes=9, handshake_timeout=3, max_sessions_per_source=5)
        running.reload()
        listener, service = running.server.listener, service_of(running)
        self.assertEqual((7, 3.0, 5), (service.table.seats.maximum, listener.handshake_deadline, service.sources.most))

    def test_refused(self) -> None:
        """If the new configuration is invalid, nothing changes, and the error names the file and line."""
        running = self.begin()
        self.write(max_clients=7, identity_addresses="/nowhere.toml")
        error = self.assertRaises(ConfigError, running.reload)
        line = self.path.read_text().splitlines().index('identity-addresses = "/nowhere.toml"') + 1
        self.assertTrue(str(error).startswith(f"{self.path}:{line}: identity-addresses: cannot read"), error)
        self.write(max_clients="7")
        self.assertIn("must be a number", str(self.assertRaises(ConfigError, running.reload)))
        self.assertEqual((1000, 1000), (service_of(running).table.seats.maximum, running.config.max_clients))

    def test_max_rate(self) -> None:
        """A reload puts maximum rates in force for open sessions: the default, and those of identities."""
        running = self.begin()
        rates = service_of(running).rates
        alice, bob = Mock(), Mock()
        for session, name in ((alice, "CN=alice"), (bob, "CN=bob")):
            rates.join(session, Identity(name), (name,))
        self.assertEqual([None, None], [alice.rate, bob.rate])
        known = self.directory / "identities.toml"
        known.write_text('"CN=bob" = { max-rate = "5M" }\n')
        self.write(max_rate="20M", identity_addresses=known)
        running._reload_on_signal()
        self.assertEqual([20_000_000, 5_000_000], [rates.of(alice).up, rates.of(bob).down])
        self.assertNotIn(None, [alice.rate, bob.rate])
        known.write_text("")
        self.write(identity_addresses=known)
        running.reload()
        self.assertEqual([None, None], [alice.rate, bob.rate])

    def test_failure_reported(self) -> None:
        """A failed reload is in the log and, until one succeeds, in the status, whichever way it was requested."""
        running = self.begin()
        control = next(route for route in running.routes() if route.path == "/reload")
        for again in ("POST /reload", "SIGHUP"):
            self.write(max_clients="many")
            with capturedLogs() as events:
                if again == "SIGHUP":
                    running._reload_on_signal()
                else:
                    self.failureResultOf(maybeDeferred(control.action, Asked()), ConfigError)
            logged = [str(event["error"]) for event in events if event.get("event") == "not-reloaded"]
            self.assertEqual(1, len(logged), again)
            self.assertIn(f"configuration not reloaded: {logged[0]}; the previous one", running._not_taken()[0])
            self.assertIn("configuration not reloaded", running.condition().text)
            self.write()
            running.reload()
            self.assertEqual([], running._not_taken())

    def test_list_of_the_authority(self) -> None:
        """A new list of the authority is named as such, as the configuration has no client-crl."""
        directory = self.directory / "ca"
        directory.mkdir()
        authority, key = self.certificates.certificate, self.values["private-key"]
        (directory / "ca.pem").write_bytes(authority.read_bytes())
        (directory / "ca.key").write_bytes(Path(str(key)).read_bytes())
        (directory / "crl.pem").write_bytes(Path(str(self.values.pop("client-crl"))).read_bytes())
        del self.values["client-ca"]
        options = Options()
        self.values["authority"] = str(directory)
        self.write()
        options.parse(["--config", str(self.path)])
        changes = Changes(("client-ca", "client-crl", "route"), (), options.shown)
        self.assertEqual(f"changed: certificate of {directory}, revocation list of {directory}, route", str(changes))
        self.write(client_crl=str(directory / "crl.pem"))
        options.parse(["--config", str(self.path)])
        self.assertEqual("client-crl", options.shown("client-crl"))

    def test_file(self) -> None:
        """The content of a file is read again, though its name is the same."""
        running = self.begin()
        self.certificates.revoke(self.certificates.client("alice"))
        self.assertEqual(("client-crl",), running.reload().now)
        self.assertEqual((), running.reload().now)


class ModeTests(ReloadCase):
    """The Authentication Mode is changed at one place, whoever asks for it (3.2.7.1)."""

    def changed(self, running: RunningServer, mode: AuthenticationMode) -> tuple[object, ...]:
        """Return everything that must have changed with the mode."""
        iphttps = running._iphttps
        assert iphttps
        return (
            running.config.authentication,
            running.options["authentication"],
            running._tls is not None and running._tls.tls.settings.client_ca is not None,
            iphttps.link._policy.mode,
            iphttps.router is not None and iphttps.router.advertisement.on_link,
        )

    def test_both_ways(self) -> None:
        """A reload and the control socket have the same effect, also one after the other, and log the same."""
        none, certificates = AuthenticationMode.NONE, AuthenticationMode.CERTIFICATES
        running = self.begin()
        for change in ("reload", "control", "reload back", "control back"):
            mode = certificates if change.endswith("back") else none
            with capturedLogs() as events:
                if change.startswith("reload"):
                    self.write(authentication=mode.value)
                    running.reload()
                elif running.config.authentication is not mode:
                    running.change_mode(mode)
            demanded = mode is certificates
            self.assertEqual((mode, mode.value, demanded, mode, demanded), self.changed(running, mode), change)
            said = [event["mode"] for event in events if event.get("event") == "mode-changed"]
            self.assertEqual([mode.value] if change.startswith("reload") else [], said)
        running.change_mode(none)
        self.assertEqual((none, "none", False, none, False), self.changed(running, none))
        self.write(authentication="certificates", max_clients=7)
        running.reload()  # the file says what it said before: what the control socket was told stands
        self.assertEqual((none, "none", False, none, False), self.changed(running, none))

    def test_sessions_end(self) -> None:
        """Every session ends with a change, by whichever way."""
        for way in ("control", "reload"):
            daemon = self.start(*BEHIND, "--authentication", "none")
            running = self.running(daemon)
            transport = self.session(before=b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n")
            self.assertTrue(transport.value().startswith(b"HTTP/1.1 200"))
            if way == "control":
                running.change_mode(AuthenticationMode.CERTIFICATES)
            else:
                running.options._arguments = [*(running.options._arguments or ()), "--authentication", "certificates"]
                running.reload()
            self.assertTrue(transport.disconnecting, way)
            self.assertIs(CertificatePolicy.REQUIRED, service_of(running).certificate)
            self.reactor.adoptedPorts.clear()
