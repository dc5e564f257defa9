"""Files that went through an editor of Windows: byte order marks and UTF-16 in everything that a person hands us."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

from iphttps.app.config.proxy_options import CredentialsFile
from iphttps.app.config.tomlfile import TomlFile
from iphttps.app.instances.instances import named
from iphttps.app.instances.interfaces import value_of
from iphttps.pki.certificates import Credentials
from iphttps.pki.revocation import RevocationLists
from tests.app.enrolments import EnrolmentCase


def rewritten(path: Path) -> list[bytes]:
    """Return what an editor of Windows may have made of a file."""
    text = path.read_text(encoding="utf-8").replace("\n", "\r\n")
    return [BOM_UTF8 + text.encode("utf-8"), text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be")]


class ByteOrderTests(EnrolmentCase):
    """Each file is read as if it had no mark."""

    def test_server(self) -> None:
        """Configuration, certificate, key, authority and revocation list."""
        self.good(*self.setup_words())
        places = self.gateway
        certificate, key = places.server_certificate("main"), places.server_key("main")
        config, listed = places.server_config("main"), places.authority / "crl.pem"
        before = TomlFile.read(config)
        authorities, now = [self.authority.issuer.certificate], self.authority.now()
        for number in range(3):
            for path in (certificate, key, config, listed):
                original = path.read_bytes()
                path.write_bytes(rewritten(path)[number])
                with self.subTest(f"{path}, {number}"):
                    Credentials.load(certificate, key)
                    RevocationLists.load(listed, authorities, now)
                    found = TomlFile.read(config)
                    self.assertEqual((before.values, before.lines), (found.values, found.lines))
                    self.assertEqual("iphttps0", value_of(config, "interface"))
                    self.assertEqual(places.control("server", "main"), named(places, "main").control)
                path.write_bytes(original)

    def test_login(self) -> None:
        """A file with the login for a proxy."""
        path = self.directory / "login.toml"
        path.touch(0o600)
        path.write_text('user = "alice"\npassword = "gr\u00fcn"\n', encoding="utf-8")
        for content in rewritten(path):
            path.write_bytes(content)
            self.assertEqual("gr\u00fcn", CredentialsFile(path).login().password)

    def test_enrolment(self) -> None:
        """An enrolment and the file with its passphrase; a second `join` finds all done."""
        self.good(*self.setup_words())
        path, secret = self.enrol("alice")
        for bundle, passphrase in zip(rewritten(path), rewritten(secret), strict=True):
            path.write_bytes(bundle)
            secret.write_bytes(passphrase)
            self.good(*self.join_words(path, secret))
