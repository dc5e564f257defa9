"""The watch over the server's certificate: what it takes up, what it leaves, and what it says."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.lab.authority import Identity, KeyKind
from iphttps.net.tls.contexts import NullEncryption, ServerTLS, TLSSettings
from iphttps.net.tls.credentials_watch import INTERVAL, CredentialsWatch
from iphttps.pki import certificates

from ..certificates import Certificates, credentials


class CredentialsWatchTests(SynchronousTestCase):
    """A watch over two symbolic links, as ACME programs leave them."""

    null_encryption = NullEncryption.OFF

    def setUp(self) -> None:
        """Have a certificate in force, and others to come."""
        self.clock = Clock()
        self.clock.advance(time.time())
        self.certificates = Certificates(Path(self.mktemp()).absolute())
        authority = self.certificates.authority
        self.first, self.second = (authority.server("vpn.example.org", kind=KeyKind.RSA) for _ in range(2))
        self.live = self.certificates.directory / "live"
        self.live.mkdir()
        self.certificate, self.key = self.live / "fullchain.pem", self.live / "privkey.pem"
        self.certificate.symlink_to(self.first.certificate)
        self.key.symlink_to(self.first.private_key)
        self.watch()

    def watch(self) -> None:
        """Watch what is in force."""
        settings = TLSSettings(credentials(self.first), null_encryption=self.null_encryption)
        self.tls = ServerTLS(settings)
        self.kept = watch = CredentialsWatch(self.clock, self.tls, lambda: (self.certificate, self.key))
        watch.start()
        self.addCleanup(watch.stop)

    def swap(self, link: Path, target: Path) -> None:
        """Let a link lead elsewhere, in one step."""
        new = link.with_suffix(".new")
        new.symlink_to(target)
        new.rename(link)

    def said(self, seconds: float = 10 * INTERVAL) -> list[tuple[LogLevel, str]]:
        """Return what is said while so much time passes."""
        with capturedLogs() as events:
            self.clock.pump([INTERVAL] * round(seconds / INTERVAL))
        return [(event["log_level"], formatEvent(event)) for event in events]

    def in_force(self, identity: Identity) -> bool:
        """Tell whether new connections are shown this certificate."""
        return self.tls.settings.credentials.chain == credentials(identity).chain

    def test_unchanged(self) -> None:
        """While the files stay as they are, or are touched only, nothing happens."""
        before = self.tls.settings
        self.assertEqual([], self.said())
        self.first.certificate.touch()
        self.assertEqual([], self.said())
        self.assertIs(before, self.tls.settings)

    def test_swapped(self) -> None:
        """Links that lead to a new pair are followed within two looks, however long the second one takes."""
        self.swap(self.key, self.second.private_key)
        self.assertEqual([], self.said(INTERVAL))
        self.assertTrue(self.in_force(self.first))
        self.swap(self.certificate, self.second.certificate)
        ((level, sentence),) = self.said(INTERVAL)
        self.assertEqual(LogLevel.info, level)
        self.assertIn("fullchain.pem reloaded: new connections use the certificate of CN=vpn.example.org", sentence)
        self.assertTrue(self.in_force(self.second))

    def test_half(self) -> None:
        """A pair that stays half new leaves the old one in force, is complained of once, and can be completed."""
        self.swap(self.certificate, self.second.certificate)
        ((level, sentence),) = self.said()
        self.assertEqual(LogLevel.error, level)
        self.assertIn("privkey.pem is not the key of", sentence)
        self.assertTrue(sentence.endswith("; the certificate read before stays in force"), sentence)
        self.assertTrue(self.in_force(self.first))
        self.swap(self.key, self.second.private_key)
        self.assertEqual([LogLevel.info], [level for level, _ in self.said()])
        self.assertTrue(self.in_force(self.second))

    def test_bad_moment(self) -> None:
        """A pair that could not be read for a while, its files as they are, is taken as soon as it can be."""

        def fails(path: str, flags: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.swap(self.certificate, self.second.certificate)
        self.swap(self.key, self.second.private_key)
        patch = self.patch(certificates, "opener", fails)
        ((level, sentence),) = self.said()
        self.assertEqual((LogLevel.error, True), (level, "Too many open files" in sentence))
        self.assertIn("Too many open files", self.kept.problem or "")
        patch.restore()
        self.assertEqual([LogLevel.info], [level for level, _ in self.said()])
        self.assertTrue(self.in_force(self.second))
        self.assertIsNone(self.kept.problem)

    def test_bad(self) -> None:
        """An unusable file is reported once, for any fault."""
        expired = self.certificates.authority.server("vpn.example.org", expired=True)
        for certificate, key, said in (
            (None, self.first.private_key, "No such file or directory"),
            (self.first.private_key, self.first.private_key, "holds no certificate"),
            (self.first.certificate, self.first.certificate, "holds no private key"),
            (expired.certificate, expired.private_key, "expired on"),
        ):
            self.swap(self.certificate, certificate or Path("/nowhere"))
            self.swap(self.key, key)
            ((level, sentence),) = self.said()
            self.assertEqual((LogLevel.error, True), (level, said in sentence), sentence)
            self.assertTrue(self.in_force(self.first))


class NullTests(CredentialsWatchTests):
    """The same, where suites without encryption are allowed."""

    null_encryption = NullEncryption.ACCEPT

    def test_wrong_kind(self) -> None:
        """A certificate with which these cannot work is not taken."""
        other = self.certificates.authority.server("vpn.example.org", kind=KeyKind.ECDSA)
        self.swap(self.certificate, other.certificate)
        self.swap(self.key, other.private_key)
        ((level, sentence),) = self.said()
        self.assertEqual((LogLevel.error, True), (level, "needs an RSA certificate" in sentence))
        self.assertTrue(self.in_force(self.first))
