"""Tests for iphttps.pki.authority.record: damaged records, and what is told of good ones."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from iphttps.core.errors import ConfigError
from iphttps.pki.authority import record
from iphttps.pki.authority.issuing import KeyKind, pem
from iphttps.pki.authority.record import Record, load_record, records, revocation_markers, revocations, write_marker
from tests.pki.authority.support import AuthorityCase

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class RecordTests(AuthorityCase):
    """The certificates that an authority has issued, in one directory."""

    def setUp(self) -> None:
        """Issue one."""
        super().setUp()
        self.authority.issue_client("alice", key=KeyKind.ECDSA)
        (self.path,) = (self.place / "certificates").glob("*.pem")
        self.folder = self.path.parent

    def record(self) -> Record:
        """Return it."""
        (found,) = records(self.folder)
        return found

    def test_told(self) -> None:
        """Serial number in whole bytes, days left, state: valid, expired, revoked (which counts first)."""
        found = self.record()
        self.assertEqual(int(self.path.stem, 16), int(found.shown_serial, 16))
        self.assertEqual(0, len(found.shown_serial) % 2)
        self.assertEqual((0, -1), (found.days_left(found.not_after), found.days_left(found.not_after + DAY / 2)))
        self.assertEqual(["valid", "expired"], [found.state(when) for when in (NOW, found.not_after)])
        write_marker(self.folder, found.serial, "revoked", NOW)
        self.assertEqual("revoked", self.record().state(found.not_after))

    def test_first_time_counts(self) -> None:
        """Each event is recorded once."""
        serial = self.record().serial
        for when in (NOW, NOW + DAY):
            write_marker(self.folder, serial, "revoked", when)
        self.assertEqual({serial: NOW.replace(microsecond=0)}, revocations(self.folder))

    def test_damaged_note(self) -> None:
        """A note that cannot be understood counts from when the file was written: no revocation is lost."""
        note = self.path.with_suffix(".revoked")
        for content in (b"", b"never", b"\xff", b"1900-01-01T00:00:00Z", b"0001-01-01T00:00:00+14:00"):
            note.write_bytes(content)
            os.utime(note, (86400, 86400))
            self.assertEqual([datetime.fromtimestamp(86400, UTC)], list(revocations(self.folder).values()), content)

    def test_unreadable_note(self) -> None:
        """A note that cannot be read at all is told, and one that has no serial number for a name."""
        note = self.path.with_suffix(".revoked")
        note.mkdir()
        self.assertEqual(
            f"cannot read {note}: Is a directory", str(self.assertRaises(ConfigError, revocations, self.folder))
        )
        note.rename(self.folder / "0x.revoked")
        error = self.assertRaises(ConfigError, revocation_markers, self.folder)
        self.assertIn("is not a serial number: move it away", str(error))

    def test_removed_meanwhile(self) -> None:
        """A note that is removed while it is read is no revocation."""
        self.patch(record, "revocation_markers", lambda directory: {1: directory / "1.revoked"})
        self.assertEqual({}, revocations(self.folder))

    def test_unreadable_directory(self) -> None:
        """A directory that cannot be read is no empty one."""
        error = self.assertRaises(ConfigError, records, self.folder / "none")
        self.assertIn("cannot read the directory", str(error))

    def test_unknown(self) -> None:
        """A serial number with which nothing was issued is named."""
        error = self.assertRaises(ConfigError, load_record, self.folder / "ab.pem")
        self.assertEqual("no certificate has been issued with the serial number AB", str(error))

    def test_anothers(self) -> None:
        """A certificate that this authority cannot have issued is damage; one with a key of another kind has no key."""
        key = ed25519.Ed25519PrivateKey.generate()
        name = x509.Name([])
        builder = (
            x509.CertificateBuilder(name, name, key.public_key(), 1)
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + DAY)
        )
        self.path.write_bytes(pem(builder.sign(key, None)))
        self.assertIn("is damaged: restore it from a backup", str(self.assertRaises(ConfigError, self.record)))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        names = x509.SubjectAlternativeName([x509.DNSName("bob")])
        named = builder.add_extension(names, critical=False).add_extension(usage, critical=False)
        self.path.write_bytes(pem(named.sign(self.authority.issuer.key, hashes.SHA256())))
        found = self.record()
        self.assertEqual("bob", found.name)
        error = self.assertRaises(ConfigError, getattr, found, "public_key")
        self.assertIn("the key of certificate 01 is neither RSA nor ECDSA", str(error))
