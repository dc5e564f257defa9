"""Where configurations, certificates, state and sockets lie."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import TestCase

from iphttps.app.instances.paths import Places, unit
from iphttps.core.errors import ConfigError


class PlacesTest(TestCase):
    """The paths of instances."""

    def test_paths(self) -> None:
        """What belongs to an instance lies beside its configuration, and sockets in /run."""
        places = Places()
        self.assertEqual(
            [
                places.server_config("main"),
                places.server_certificate("main"),
                places.server_key("main"),
                places.client_config("vpn.example.org"),
                places.client_certificate("vpn.example.org"),
                places.client_key("vpn.example.org"),
                places.ca("client", "vpn.example.org"),
                places.password("sstp-client", "work"),
                places.authority,
                places.control("server", "main"),
                places.pid_file("client", "home"),
                places.log_file("client", "home"),
                places.enrolments,
            ],
            [
                Path("/etc/iphttps/server/main.toml"),
                Path("/etc/iphttps/server/main.pem"),
                Path("/etc/iphttps/server/main.key"),
                Path("/etc/iphttps/client/vpn.example.org.toml"),
                Path("/etc/iphttps/client/vpn.example.org.pem"),
                Path("/etc/iphttps/client/vpn.example.org.key"),
                Path("/etc/iphttps/client/vpn.example.org-ca.pem"),
                Path("/etc/iphttps/sstp-client/work.password"),
                Path("/var/lib/iphttps/ca"),
                Path("/run/iphttps/server-main.sock"),
                Path("/run/iphttps/client-home.pid"),
                Path("/var/log/iphttps/client-home.log"),
                Path.cwd(),
            ],
        )

    def test_root(self) -> None:
        """Everything can lie beneath another root, for packages and other machines."""
        places = Places(Path("/srv/image"))
        self.assertEqual(places.server_config("main"), Path("/srv/image/etc/iphttps/server/main.toml"))
        self.assertEqual(places.control("client", "x"), Path("/srv/image/run/iphttps/client-x.sock"))
        self.assertEqual(places.authority, Path("/srv/image/var/lib/iphttps/ca"))

    def test_names(self) -> None:
        """A name that would lead elsewhere, or be an option, is refused in a sentence."""
        for name in ("", "..", "a/b", "-x", ".hidden", "a b", "a@b", "x" * 64, "new\nline"):
            with self.assertRaises(ConfigError, msg=name) as caught:
                Places().server_config(name)
            self.assertIn("is not a valid instance name", str(caught.exception))

    def test_units(self) -> None:
        """A systemd unit is named after the role and the instance."""
        self.assertEqual(unit("server", "main"), "iphttps-server@main.service")
        self.assertEqual(unit("client", "main"), "iphttps-client@main.service")
        self.assertEqual(unit("sstp-client", "main"), "sstp-client@main.service")

    def test_instances(self) -> None:
        """The instances of a role are the configurations that are there."""
        places = Places(Path(self.mktemp()))
        self.assertEqual(places.instances("server"), [])
        directory = places.server_config("b").parent
        directory.mkdir(parents=True)
        for name in ("b.toml", "a.toml", "a.pem", ".c.toml", "not a name.toml"):
            (directory / name).touch()
        self.assertEqual(places.instances("server"), ["a", "b"])
        self.assertEqual(places.instances("client"), [])
