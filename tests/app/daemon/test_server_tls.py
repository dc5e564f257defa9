"""The server's TLS as the options want it: what is read, and what cannot be wanted."""

from __future__ import annotations

from pathlib import Path

from iphttps.app.config.server_options import Options
from iphttps.app.daemon.server_tls import asking, certificate_policy, null_warning, tls_settings
from iphttps.core.errors import ConfigError
from iphttps.core.iphttps.authentication import AuthenticationMode
from iphttps.lab.authority import Authority, KeyKind
from iphttps.net.listen.service import CertificatePolicy
from iphttps.net.tls.contexts import NullEncryption, TLSSettings
from iphttps.pki.certificates import load_certificates

from ..support import AppCase


class SettingsTests(AppCase):
    """From options to settings."""

    def setUp(self) -> None:
        """Make an authority and what it issues."""
        self.authority = Authority(Path(self.mktemp()).absolute())
        server = self.authority.server("vpn.example.org", kind=KeyKind.RSA)
        self.given = (
            "--uri", "https://*/", "--prefix", "2001:db8:2::/64", "--certificate", str(server.certificate),
            "--private-key", str(server.private_key), "--client-ca", str(self.authority.certificate),
        )  # fmt: skip

    def options(self, *more: str) -> Options:
        """Parse a command line."""
        options = Options()
        options.parseOptions([*self.given, *more])
        return options

    def settings(self, *more: str) -> TLSSettings:
        """Return the settings for a command line."""
        settings = tls_settings(self.options(*more).config)
        assert settings
        return settings

    def test_defaults(self) -> None:
        """Without more, there is an authority, no list, and every suite encrypts."""
        settings = self.settings()
        self.assertEqual(load_certificates(self.authority.certificate), settings.client_ca)
        self.assertEqual((None, NullEncryption.OFF), (settings.revocation, settings.null_encryption))
        self.assertIsNone(null_warning(settings))

    def test_lists(self) -> None:
        """The lists are read with the authorities that they are of, in both modes, for the mode can change."""
        crl = self.authority.revoke(self.authority.client("alice"))
        for mode in ("certificates", "none"):
            lists = self.settings("--client-crl", str(crl), "--authentication", mode).revocation
            assert lists
            self.assertEqual((crl, 1), (lists.path, lists.count))

    def test_bad_lists(self) -> None:
        """A list that cannot serve is rejected before anything is touched."""
        self.assertRaises(ConfigError, tls_settings, self.options("--client-crl", "/nowhere.pem").config)

    def test_older_lists(self) -> None:
        """An older list than the one in force is rejected by a reload, too, unless it is allowed."""
        alice = self.authority.client("alice")
        crl = str(self.authority.revoke(alice, number=2))
        before = self.settings("--client-crl", crl).revocation
        self.authority.revoke(number=1)
        error = self.assertRaises(ConfigError, tls_settings, self.options("--client-crl", crl).config, before)
        self.assertIn("its CRL number is 1, lower than 2; get the latest one, or give --allow-older-crl", str(error))
        settings = tls_settings(self.options("--client-crl", crl, "--allow-older-crl").config, before)
        assert settings
        assert settings.revocation
        self.assertEqual((0, 1), (settings.revocation.count, len(settings.revocation.older)))

    def test_older_in_vain(self) -> None:
        """To allow an older list where there is none is a mistake."""
        sentence = "--allow-older-crl needs --client-crl: it applies to the lists there"
        self.assertEqual(sentence, self.refusal(Options(), *self.given, "--allow-older-crl"))

    def test_lists_in_vain(self) -> None:
        """A list that nobody would be looked up in is a mistake."""
        sentence = "--client-crl needs https:// and --client-ca: without them no certificate is checked"
        plain = ("--uri", "http://[::1]:80/", "--authentication", "none", "--client-crl", "crl.pem")
        self.assertEqual(sentence, self.refusal(Options(), *self.given, *plain))
        anybody = ("--client-ca", "", "--authentication", "none", "--client-crl", "crl.pem")
        self.assertEqual(sentence, self.refusal(Options(), *self.given, *anybody))

    def test_null_encryption(self) -> None:
        """Suites without encryption give a warning."""
        for choice in ("accept", "prefer"):
            warning = null_warning(self.settings("--null-encryption", choice))
            assert warning
            self.assertTrue(warning.startswith(f"--null-encryption {choice}: packets of clients"), warning)
        self.assertEqual(
            "--null-encryption is off, accept or prefer, not 'on'",
            self.refusal(Options(), *self.given, "--null-encryption", "on"),
        )

    def test_asking(self) -> None:
        """A service that requires certificates has all clients asked; one that does without lets TLS take none."""
        settings = self.settings()
        required, optional, inherited = CertificatePolicy
        for policies, asked, none_passes in (
            ((required,), True, False),
            ((inherited, required), True, False),
            ((required, optional), True, True),
            ((optional, inherited), False, True),
            ((), False, False),
        ):
            found = asking(settings, policies)
            self.assertEqual((asked, none_passes), (found.client_ca is not None, found.certificate_optional), policies)

    def test_policy(self) -> None:
        """The Authentication Mode decides whether IP-HTTPS requires certificates (3.2.1)."""
        self.assertIs(CertificatePolicy.REQUIRED, certificate_policy(AuthenticationMode.CERTIFICATES))
        self.assertIs(CertificatePolicy.OPTIONAL, certificate_policy(AuthenticationMode.NONE))

    def test_plain(self) -> None:
        """Without TLS there are no settings, and nothing to warn of."""
        self.assertIsNone(tls_settings(self.options("--uri", "http://[::1]:80/", "--authentication", "none").config))
        self.assertIsNone(null_warning(None))

    def test_limit(self) -> None:
        """The limit of sessions is a number."""
        self.assertIn(
            "--max-sessions-per-identity takes a number of at least 0",
            self.refusal(Options(), *self.given, "--max-sessions-per-identity", "-1"),
        )
