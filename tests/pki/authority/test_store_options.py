"""The server's options --authority and --publish."""

from pathlib import Path

from iphttps.app.config.server_options import Options
from iphttps.app.daemon.server_tls import tls_settings
from iphttps.core.errors import ConfigError
from tests.pki.authority.support import AuthorityCase, issue_server

USUAL = ("--uri", "https://*/", "--prefix", "2001:db8:2::/64", "--certificate", "s.pem", "--private-key", "s.key")


def given(*words: str) -> Options:
    """Return the options of a command line; raises ConfigError."""
    options = Options()
    options.parse([*USUAL, *words])
    return options


class AuthorityOptionTests(AuthorityCase):
    """The options that an authority replaces."""

    def test_files(self) -> None:
        """Its files are those of --client-ca and --client-crl, but for what is given; without TLS there are none."""
        options = given("--authority", "ca")
        here = Path("ca").absolute()
        self.assertEqual(here / "ca.pem", options.config.client_ca)
        self.assertEqual(here / "crl.pem", options.config.client_crl)
        options = given("--authority", "ca", "--client-ca", "/other.pem", "--client-crl", "/others.pem")
        self.assertEqual(Path("/other.pem"), options.config.client_ca)
        self.assertEqual(Path("/others.pem"), options.config.client_crl)
        options = given("--authority", "ca", "--uri", "http://127.0.0.1:8080/", "--authentication", "none")
        self.assertEqual((None, None), (options.config.client_ca, options.config.client_crl))

    def test_settings(self) -> None:
        """With it, and nothing else, clients must show a certificate that is not on its list."""
        issued = issue_server(self.authority, ["vpn.example.org"])
        for name, content in (("s.pem", issued.certificate_pem), ("s.key", issued.key_pem)):
            (self.directory / name).write_bytes(content)
        shown = (str(self.directory / "s.pem"), str(self.directory / "s.key"))
        settings = tls_settings(
            given("--certificate", shown[0], "--private-key", shown[1], "--authority", str(self.place)).config
        )
        assert settings
        assert settings.revocation
        self.assertEqual([self.authority.issuer.certificate], settings.client_ca)
        self.assertEqual(self.authority.list_path, settings.revocation.path)

    def test_publish(self) -> None:
        """The list is published where the option says, by plain HTTP; other words are rejected in a sentence."""
        found = given("--authority", "ca", "--publish", "http://192.0.2.1:8080/").config.publish
        assert found
        self.assertEqual(("192.0.2.1", 8080), (found.host, found.port))
        for wrong in ("https://*:443", "http://*:80/crl", "*:80", "80", "http://", "http://*:99999"):
            error = self.assertRaises(ConfigError, given, "--authority", "ca", "--publish", wrong)
            self.assertIn("must look like http://*:80", str(error))
        error = self.assertRaises(ConfigError, given, "--client-ca", "ca.pem", "--publish", "http://*:80")
        self.assertIn("needs --authority", str(error))
