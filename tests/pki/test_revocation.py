"""Revocation lists from a file: which can serve, and what is said of those that cannot."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.lab.authority import DAY, Authority
from iphttps.pki.certificates import load_certificates
from iphttps.pki.revocation import RevocationLists, Stamp

BOTH = "every trusted authority needs one"


class RevocationCase(SynchronousTestCase):
    """An authority, and another."""

    def setUp(self) -> None:
        """Make them."""
        self.directory = Path(self.mktemp())
        self.authority = Authority(self.directory / "one", "One CA")
        self.other = Authority(self.directory / "other", "Other CA")
        self.alice = self.authority.client("alice")
        self.path = self.directory / "crl.pem"

    def load(self, *contents: bytes, both: bool = False) -> RevocationLists:
        """Read a file with these contents."""
        self.path.write_bytes(b"".join(contents))
        trusted = load_certificates(self.authority.certificate)
        if both:
            trusted += load_certificates(self.other.certificate)
        return RevocationLists.load(self.path, trusted, datetime.now(UTC))

    def refusal(self, *contents: bytes, both: bool = False) -> str:
        """Return the sentence with which a file is rejected, the file's name left out."""
        error = self.assertRaises(ConfigError, self.load, *contents, both=both)
        return str(error).replace(str(self.path), "FILE")


class LoadTests(RevocationCase):
    """Reading a file."""

    def test_one(self) -> None:
        """A list tells which certificates of its issuer are revoked."""
        bob = load_certificates(self.authority.client("bob").certificate)[0]
        alice = load_certificates(self.alice.certificate)[0]
        lists = self.load(self.authority.revoke(self.alice).read_bytes())
        self.assertEqual(
            (True, False, 1),
            (
                lists.revokes(alice.issuer, alice.serial_number),
                lists.revokes(bob.issuer, bob.serial_number),
                lists.count,
            ),
        )
        theirs = load_certificates(self.other.certificate)[0].subject
        self.assertFalse(lists.revokes(theirs, alice.serial_number), "serial numbers are each issuer's own")

    def test_several(self) -> None:
        """A file can hold the lists of several authorities, with words around them."""
        mallory = self.other.client("mallory")
        ours, theirs = self.authority.revoke(self.alice).read_bytes(), self.other.revoke(mallory).read_bytes()
        lists = self.load(b"Issued on Monday\n", ours, b"\nIssued on Tuesday\n", theirs, both=True)
        self.assertEqual(2, lists.count)

    def test_forms(self) -> None:
        """Windows publishes lists in DER, and PEM comes with blank lines, blanks and any line ends."""
        text = self.authority.revoke(self.alice).read_bytes()
        der = x509.load_pem_x509_crl(text).public_bytes(serialization.Encoding.DER)
        for content in (
            der,
            der + b"\r\n",
            text.replace(b"\n", b"\n\n"),
            text.replace(b"\n", b" \r\n\t"),
            text.replace(b"\n", b"\r").rstrip(),
            text.decode().encode("utf-16"),
            b"-----BEGIN\n" + self.authority.certificate.read_bytes() + text,
        ):
            self.assertEqual(1, self.load(content).count, content[:40])
        for length in range(1, len(der), 50):
            self.refusal(der[:length])

    def test_unreadable(self) -> None:
        """A file that is not there, or empty, or something else is named with what is wrong."""
        error = self.assertRaises(ConfigError, RevocationLists.load, self.path, [], datetime.now(UTC))
        self.assertEqual(f"cannot read {self.path}: No such file or directory", str(error))
        for content in (b"", b"-----BEGIN", self.authority.certificate.read_bytes()):
            self.assertEqual("FILE holds no certificate revocation list in PEM or DER form", self.refusal(content))

    def test_half_written(self) -> None:
        """A file cut anywhere in a list is damaged, be it the first list or one behind it."""
        ours, theirs = self.authority.revoke(self.alice).read_bytes(), self.other.revoke().read_bytes()
        damaged = "FILE holds a damaged certificate revocation list: it may be truncated"
        head = len("-----BEGIN X509 CRL-----")
        for cut in range(head, len(ours) - 2, 7):
            self.assertEqual(damaged, self.refusal(ours[:cut]))
        for cut in range(head, len(theirs) - 2, 7):
            self.assertEqual(damaged, self.refusal(ours, theirs[:cut]))
        self.assertEqual(damaged, self.refusal(ours[:100] + ours[104:]))

    def test_wrong_issuer(self) -> None:
        """Each authority that is trusted needs its list; that of another does not do."""
        ours, theirs = self.authority.revoke().read_bytes(), self.other.revoke().read_bytes()
        self.assertEqual(
            f"FILE holds no revocation list of CN=One CA, only of CN=Other CA: {BOTH}", self.refusal(theirs)
        )
        self.assertEqual(
            f"FILE holds no revocation list of CN=Other CA, only of CN=One CA: {BOTH}", self.refusal(ours, both=True)
        )

    def test_wrong_signature(self) -> None:
        """A list must be signed by the authority whose name it bears."""
        impostor = Authority(self.directory / "impostor", "One CA")
        self.assertEqual(
            "the revocation list of CN=One CA in FILE is not signed by that authority",
            self.refusal(impostor.revoke().read_bytes()),
        )

    def test_new_key(self) -> None:
        """An authority that changed its key signs one list, with the new one, for certificates of both."""
        renewed = Authority(self.directory / "renewed", "One CA")
        self.path.write_bytes(renewed.revoke(self.alice).read_bytes())
        trusted = load_certificates(self.authority.certificate) + load_certificates(renewed.certificate)
        self.assertEqual(1, RevocationLists.load(self.path, trusted, datetime.now(UTC)).count)

    def test_not_yet(self) -> None:
        """A list from the future is rejected: the clock is wrong, here or there."""
        sentence = self.refusal(self.authority.revoke(begin=timedelta(hours=1)).read_bytes())
        self.assertIn("the revocation list of CN=One CA in FILE is valid only from ", sentence)
        self.assertTrue(sentence.endswith("check the clock"), sentence)

    def test_changes_only(self) -> None:
        """A delta list is rejected, because OpenSSL would ignore it (RFC 5280 section 5.2.4)."""
        now = datetime.now(UTC)
        key = serialization.load_pem_private_key(self.authority.identity.private_key.read_bytes(), None)
        delta = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(load_certificates(self.authority.certificate)[0].subject)
            .last_update(now - DAY)
            .next_update(now + DAY)
            .add_extension(x509.DeltaCRLIndicator(1), critical=True)
            .sign(key, hashes.SHA256())  # type: ignore[arg-type]  # it is one that signs
        )
        self.assertEqual(
            "the revocation list of CN=One CA in FILE is a delta CRL, which lists changes only: give the complete list",
            self.refusal(delta.public_bytes(serialization.Encoding.PEM)),
        )


class ExpiryTests(RevocationCase):
    """A list is good for a time."""

    def said(self, *contents: bytes, at: timedelta = timedelta(0)) -> tuple[int, int]:
        """Return of how many lists it is said that they have expired, and soon will, so much later than now."""
        lists, now = self.load(*contents), datetime.now(UTC) + at
        return len(lists.expired(now)), len(lists.expiring(now))

    def test_notice(self) -> None:
        """Two weeks before a list expires it is said so, and afterwards that it has."""
        ours = self.authority.revoke(end=15 * DAY).read_bytes()
        self.assertEqual((0, 0), self.said(ours))
        self.assertEqual((0, 1), self.said(ours, at=1.1 * DAY))
        self.assertEqual((0, 1), self.said(ours, at=14.9 * DAY))
        self.assertEqual((1, 0), self.said(ours, at=15 * DAY))

    def test_sentences(self) -> None:
        """The operator reads whose list it is, when it ends, and what that means."""
        lists = self.load(self.authority.revoke(end=DAY).read_bytes())
        until = lists.lists[0].next_update_utc
        assert until is not None
        sentence = (
            f"the revocation list of CN=One CA in {self.path} expires on {until:%Y-%m-%d %H:%M} UTC; "
            "from then on clients with certificates of this issuer are rejected: get a new list"
        )
        self.assertEqual([sentence], lists.expiring(until - DAY))
        self.assertIn(f"expired on {until:%Y-%m-%d %H:%M} UTC: clients with", lists.expired(until)[0])
        self.assertEqual((until, None), (lists.next_expiry(until - DAY), lists.next_expiry(until)))

    def test_newest_counts(self) -> None:
        """Of several lists of one authority the newest counts."""
        old = self.authority.revoke(begin=-3 * DAY, end=-2 * DAY).read_bytes()
        new = self.authority.revoke().read_bytes()
        for contents in ((old, new), (new, old)):
            self.assertEqual((0, 0), self.said(*contents))

    def test_expired_at_first_and_later(self) -> None:
        """An expired list is taken at first, which fails closed, and not in the place of another."""
        good = self.load(self.authority.revoke().read_bytes())
        expired = self.authority.revoke(end=-timedelta(hours=1)).read_bytes()
        self.assertEqual(1, len(self.load(expired).expired(datetime.now(UTC))))
        error = self.assertRaises(ConfigError, good.reload, datetime.now(UTC))
        self.assertIn("expired on", str(error))


class StampTests(RevocationCase):
    """The detection of a change of the file."""

    def test_changes(self) -> None:
        """Other bytes, another file in its place, and none at all are changes; nothing else is."""
        self.load(self.authority.revoke().read_bytes())
        seen = [Stamp.of(self.path)]
        self.assertEqual(seen[0], Stamp.of(self.path))
        self.path.write_bytes(self.path.read_bytes() + b"\n")
        seen.append(Stamp.of(self.path))
        self.path.unlink()
        seen.append(Stamp.of(self.path))
        self.assertEqual(3, len(set(seen)))

    def test_mode(self) -> None:
        """Another mode, and a file written in place whose times were set back, are changes too."""
        self.load(self.authority.revoke().read_bytes())
        seen = [Stamp.of(self.path)]
        times = os.stat(self.path)
        self.path.chmod(0o600)
        seen.append(Stamp.of(self.path))
        content = self.path.read_bytes()
        self.path.write_bytes(content[::-1])
        os.utime(self.path, ns=(times.st_atime_ns, times.st_mtime_ns))
        seen.append(Stamp.of(self.path))
        self.assertEqual([3, 1], [len(set(seen)), len({stamp.modified for stamp in seen})])

    def test_recent(self) -> None:
        """A file written this moment has another stamp later: a change within the clock's tick would look the same."""
        self.load(self.authority.revoke().read_bytes())
        before = Stamp.of(self.path)
        later = time.time_ns() + 2_000_000_000
        self.patch(time, "time_ns", lambda: later)
        self.assertEqual([True, False], [before.recent, Stamp.of(self.path).recent])
        self.assertNotEqual(before, Stamp.of(self.path))
