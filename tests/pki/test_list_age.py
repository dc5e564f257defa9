"""A revocation list that is older than the one in force: what shows it, that it is not taken, and how it is forced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from twisted.logger import LogLevel

from iphttps.core.errors import ConfigError
from iphttps.lab.authority import Authority
from iphttps.net.tls.revocation_watch import INTERVAL
from iphttps.pki.revocation import RevocationLists, now_of

from ..net.tls.test_revocation_watch import WatchCase

HOUR = timedelta(hours=1)


class OlderTests(WatchCase):
    """A watch over a list that has a number, with one client revoked."""

    def setUp(self) -> None:
        """Have a list of an hour ago in force."""
        super().setUp()
        self.authority.revoke(self.certificates.client, begin=-HOUR, number=7)
        self.load()

    def load(self, *, allow_older: bool = False) -> None:
        """Watch the file as it is, from the start."""
        self.kept = self.watch()
        if allow_older:
            settings = self.tls.settings
            lists = RevocationLists.load(
                self.path, self.certificates.trusted, now_of(self.clock.seconds()), allow_older=True
            )
            self.tls.change(replace(settings, revocation=lists))

    def assert_kept(self, words: str) -> None:
        """Check that the file is rejected once, in these words."""
        ((level, sentence),) = self.said(10 * INTERVAL)
        self.assertEqual((LogLevel.error, 1), (level, self.revoked))
        self.assertIn(f"CN=Laboratory CA in FILE is older than the one in force: {words}", sentence)
        self.assertIn("--allow-older-crl", self.kept.problem or "")

    def assert_taken(self) -> None:
        """Check that the file is taken."""
        self.assertIn((LogLevel.info, "FILE reloaded: 0 certificates revoked"), self.said(INTERVAL))

    def test_lower_number(self) -> None:
        """A lower number is an older list, whatever its date."""
        self.authority.revoke(begin=-HOUR / 2, number=6)
        self.assert_kept("its CRL number is 6, lower than 7")

    def test_older_date(self) -> None:
        """An earlier date is an older list, whatever its number, and without one."""
        self.authority.revoke(begin=-2 * HOUR, number=8)
        self.assert_kept("it was issued on ")
        self.authority.revoke(begin=-3 * HOUR)
        self.assert_kept("it was issued on ")

    def test_newer(self) -> None:
        """A higher number and a later date is a newer list; so is the same number again with a later date."""
        self.authority.revoke(begin=-HOUR / 2, number=7)
        self.assert_taken()

    def test_unnumbered(self) -> None:
        """A list without a number is judged by its date, and does not make the number forgotten."""
        self.authority.revoke(begin=-HOUR / 2)
        self.assert_taken()
        self.authority.revoke(self.certificates.client, begin=-HOUR / 3, number=6)
        ((level, sentence),) = self.said(INTERVAL)
        self.assertEqual((LogLevel.error, True), (level, "lower than 7" in sentence))

    def test_remembered(self) -> None:
        """A list that was missing is not replaced by an older one."""
        below = Authority(self.certificates.directory / "below", "Sub CA", self.authority)
        sub = below.revoke(self.certificates.client, begin=-HOUR, number=5).read_bytes()
        root = self.path.read_bytes()
        self.path.write_bytes(root + sub)
        self.said(INTERVAL)
        self.path.write_bytes(root)
        self.said(INTERVAL)
        self.path.write_bytes(root + below.revoke(begin=-HOUR, number=4).read_bytes())
        ((level, sentence),) = self.said(INTERVAL)
        self.assertEqual((LogLevel.error, True), (level, "CN=Sub CA" in sentence), sentence)

    def test_clock_set_back(self) -> None:
        """A list in force that is dated ahead, since the clock was set back, gives way to one with a higher number."""
        self.clock.rightNow -= 2 * HOUR.total_seconds()
        self.kept.stop()
        self.kept.start()
        self.authority.revoke(begin=-3 * HOUR, number=8)
        self.assert_taken()

    def test_other_key(self) -> None:
        """Another authority of the same name has numbers of its own."""
        other = Authority(self.certificates.directory / "other", "Laboratory CA")
        trusted = x509.load_pem_x509_certificates(other.certificate.read_bytes())
        before, now = self.tls.settings.revocation, now_of(self.clock.seconds())
        lists = RevocationLists.load(other.revoke(number=1), trusted, now, after=before)
        self.assertEqual(0, lists.count)

    def test_other_scope(self) -> None:
        """An older list of another scope does not take the place of the one in force; a later one does."""
        scope = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
        self.authority.revoke(begin=-2 * HOUR, number=9, extensions=[(scope, True)])
        self.assert_kept("it was issued on ")
        self.assertIn("of another scope or key", self.kept.problem or "")
        both = self.path.read_bytes()
        self.authority.revoke(self.certificates.client, begin=-HOUR, number=7)
        self.path.write_bytes(self.path.read_bytes() + both)
        self.assertEqual(LogLevel.info, self.said(INTERVAL)[0][0])
        self.path.write_bytes(both)
        self.assert_kept("it was issued on ")
        self.authority.revoke(begin=-HOUR / 2, number=1, extensions=[(scope, True)])
        ((level, sentence),) = self.said(INTERVAL)
        self.assertEqual((LogLevel.error, True), (level, "its CRL number is 1, lower than 9" in sentence))
        self.authority.revoke(begin=-HOUR / 2, number=10, extensions=[(scope, True)])
        self.assert_taken()

    def test_former_key(self) -> None:
        """Nor does one that the authority's former key has signed, whose certificate is still trusted."""
        former = Authority(self.certificates.directory / "former", "Laboratory CA")
        trusted = (*self.certificates.trusted, *x509.load_pem_x509_certificates(former.certificate.read_bytes()))
        before, now = self.tls.settings.revocation, now_of(self.clock.seconds())
        with self.assertRaisesRegex(ConfigError, "of another scope or key"):
            RevocationLists.load(former.revoke(begin=-2 * HOUR), trusted, now, after=before)
        RevocationLists.load(former.revoke(begin=-HOUR / 2), trusted, now, after=before)

    def test_forced(self) -> None:
        """An older list is taken where that is allowed, and warned of."""
        self.kept.stop()
        self.load(allow_older=True)
        self.authority.revoke(begin=-2 * HOUR, number=6)
        (_, read), (level, sentence) = self.said(INTERVAL)
        self.assertEqual("FILE reloaded: 0 certificates revoked", read)
        self.assertEqual(LogLevel.warn, level)
        self.assertTrue(sentence.endswith("lower than 7; accepted because of allow-older-crl"), sentence)
