"""The authority: what it issues, and what OpenSSL makes of that."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.pki import atomic_files
from iphttps.pki.authority import names
from iphttps.pki.authority.issuing import KeyKind
from iphttps.pki.authority.store import Authority
from tests.pki.authority.support import URI, AuthorityCase, issue_server

DAY = timedelta(days=1)
HOSTS = ("vpn.example.org", "192.0.2.1", "2001:db8::1")


def extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> tuple[bool, object]:
    """Return whether an extension is critical, and its value."""
    found = certificate.extensions.get_extension_for_class(kind)
    return found.critical, found.value


class IssuingTests(AuthorityCase):
    """Certificates."""

    def test_server(self) -> None:
        """A server's certificate stands OpenSSL's strictest look, for servers and not for clients, RSA by default."""
        issued = issue_server(self.authority, HOSTS)
        self.assertIn("shown.pem: OK", self.verified(issued.certificate_pem, "sslserver"))
        self.assertIn("unsuitable certificate purpose", self.verified(issued.certificate_pem, "sslclient"))
        certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
        key = load_pem_private_key(issued.key_pem, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.assertEqual(2048, key.key_size)
        self.assertEqual(certificate.public_key(), key.public_key())
        critical, usage = extension(certificate, x509.KeyUsage)
        assert isinstance(usage, x509.KeyUsage)
        self.assertEqual((True, True, True), (critical, usage.digital_signature, usage.key_encipherment))
        shown = self.openssl("x509", "-in", "shown.pem", "-noout", "-ext", "subjectAltName,crlDistributionPoints")
        for expected in (
            "DNS:vpn.example.org",
            "IP Address:192.0.2.1",
            "IP Address:2001:DB8:0:0:0:0:0:1",
            f"URI:{URI}",
        ):
            self.assertIn(expected, shown)

    def test_client(self) -> None:
        """A client's certificate is for clients only, whatever its kind of key and of name; SAN always."""
        for name, kind in (
            ("alice", x509.DNSName),
            ("alice@example.org", x509.RFC822Name),
            ("Jürgen Ü", x509.DirectoryName),
        ):
            issued = self.authority.issue_client(name, key=KeyKind.ECDSA)
            self.assertIn("shown.pem: OK", self.verified(issued.certificate_pem, "sslclient"))
            self.assertIn("unsuitable certificate purpose", self.verified(issued.certificate_pem, "sslserver"))
            certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
            key = certificate.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            self.assertEqual("secp256r1", key.curve.name)
            _, found = extension(certificate, x509.SubjectAlternativeName)
            assert isinstance(found, x509.SubjectAlternativeName)
            self.assertEqual([kind], [type(each) for each in found])
            self.assertEqual(f"CN={name}", certificate.subject.rfc4514_string())

    def test_long_host(self) -> None:
        """A host whose name is too long for a common name has an empty subject and a critical SAN (RFC 5280)."""
        long = ".".join(["x" * 60, "y" * 60, "example.org"])
        issued = issue_server(self.authority, [long], key=KeyKind.ECDSA)
        self.assertIn("shown.pem: OK", self.verified(issued.certificate_pem, "sslserver"))
        certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
        self.assertEqual(
            ("", True), (certificate.subject.rfc4514_string(), extension(certificate, x509.SubjectAlternativeName)[0])
        )
        self.assertEqual([long], [record.name for record in self.authority.certificates()])

    def test_times_and_serials(self) -> None:
        """Certificates begin some minutes ago, end no later than the authority, and have long random serial numbers."""
        now = datetime.now(UTC)
        seen = set()
        for _ in range(20):
            issued = self.authority.issue_client("alice", key=KeyKind.ECDSA, days=36500)
            certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
            self.assertLess(certificate.not_valid_before_utc, now - timedelta(seconds=1))
            self.assertEqual(self.authority.issuer.certificate.not_valid_after_utc, issued.not_after)
            seen.add(issued.serial)
        self.assertEqual(20, len(seen))
        self.assertGreater(max(seen).bit_length(), 128)
        self.assertLess(max(seen).bit_length(), 160)

    def test_own_certificate(self) -> None:
        """The authority's certificate may sign certificates and lists, nothing else, and no authority below it."""
        own = self.authority.issuer.certificate
        critical, constraints = extension(own, x509.BasicConstraints)
        self.assertEqual((True, x509.BasicConstraints(ca=True, path_length=0)), (critical, constraints))
        critical, usage = extension(own, x509.KeyUsage)
        assert isinstance(usage, x509.KeyUsage)
        self.assertEqual(
            (True, True, True, False), (critical, usage.key_cert_sign, usage.crl_sign, usage.digital_signature)
        )

    def test_expired_authority(self) -> None:
        """Nothing is issued by an authority that is not valid now, and the sentence says which way the clock is off."""
        for away, said in ((4000 * DAY, "expired on"), (-DAY, "check the clock")):
            moved = Authority.open(self.place, now=lambda away=away: datetime.now(UTC) + away)  # type: ignore[misc]
            self.assertIn(said, str(self.assertRaises(ConfigError, moved.issue_client, "alice", key=KeyKind.ECDSA)))
            self.assertIn(said, str(self.assertRaises(ConfigError, moved.write_list)))

    def test_only_its_owner(self) -> None:
        """Nobody but its owner can read what holds a key, nor the directory."""
        self.assertEqual(0o600, (self.place / "ca.key").stat().st_mode & 0o777)
        self.assertEqual(0o700, self.place.stat().st_mode & 0o777)

    def test_never_overwrites(self) -> None:
        """A second authority is not made where one is, and not a byte of the first is changed."""
        before = {path: path.read_bytes() for path in self.place.iterdir() if path.is_file()}
        error = self.assertRaises(ConfigError, Authority.create, self.place, "Other CA", key=KeyKind.ECDSA)
        self.assertIn("is not overwritten", str(error))
        self.assertEqual(before, {path: path.read_bytes() for path in self.place.iterdir() if path.is_file()})

    def test_made_by_openssl(self) -> None:
        """An authority that OpenSSL has made will do, of two files alone."""
        other = self.directory / "other"
        other.mkdir()
        made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Other CA")
        self.openssl("req", "-x509", *made, "-keyout", "other/ca.key", "-out", "other/ca.pem")
        Authority.open(other).issue_client("alice", key=KeyKind.ECDSA)
        self.assertTrue(Authority.open(other).repair_list())

    def test_does_not_belong_together(self) -> None:
        """A damaged or mismatched file is named in a sentence."""
        issued = self.authority.issue_client("alice", key=KeyKind.ECDSA)
        for name, content, said in (
            ("ca.key", issued.key_pem, "is not the key of"),
            ("ca.key", b"rubbish", "holds no unencrypted private key"),
            ("ca.pem", b"rubbish", "holds no certificate"),
            ("authority.json", b'{"crl_uris": 7}', "is damaged"),
            ("authority.json", b"[]", "is damaged"),
        ):
            path = self.place / name
            before = path.read_bytes()
            path.write_bytes(content)
            self.assertIn(said, str(self.assertRaises(ConfigError, Authority.open, self.place)))
            path.write_bytes(before)
        (self.place / "certificates" / f"{issued.serial:x}.pem").write_bytes(b"rubbish")
        self.assertIn("holds no certificate", str(self.assertRaises(ConfigError, self.authority.certificates)))
        self.assertIn("`iphttps ca init`", str(self.assertRaises(ConfigError, Authority.open, Path("/nowhere"))))


class RevokingTests(AuthorityCase):
    """Revocation, renewal, and what is known of each certificate."""

    def test_revoked(self) -> None:
        """All of a name are revoked, or one by its serial number, and OpenSSL finds them in the list."""
        first, second, bob = (
            self.authority.issue_client(name, key=KeyKind.ECDSA) for name in ("alice", "alice", "bob")
        )
        self.authority.revoke(f"{first.serial:X}"[:10])
        self.assertIn("certificate revoked", self.verified(first.certificate_pem, "sslclient"))
        self.assertIn("OK", self.verified(second.certificate_pem, "sslclient"))
        self.assertEqual([second.serial], [record.serial for record in self.authority.revoke("alice")])
        self.assertIn("certificate revoked", self.verified(second.certificate_pem, "sslclient"))
        self.assertIn("OK", self.verified(bob.certificate_pem, "sslclient"))
        self.assertEqual([], self.authority.revoke("alice"))
        self.assertIn("no certificate has", str(self.assertRaises(ConfigError, self.authority.revoke, "carol")))
        self.assertIn("no certificate has", str(self.assertRaises(ConfigError, self.authority.revoke, "a")))

    def test_list(self) -> None:
        """The list says who made it, has a number that only grows, and is valid for a month."""
        numbers = []
        for _ in range(3):
            found = x509.load_pem_x509_crl(self.authority.write_list())
            numbers.append(found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
            assert found.next_update_utc is not None
            self.assertGreater(found.next_update_utc - datetime.now(UTC), 29 * DAY)
            self.assertLess(found.last_update_utc, datetime.now(UTC) - timedelta(seconds=1))
        (self.place / "crl.pem").unlink()
        found = x509.load_pem_x509_crl(self.authority.write_list())
        numbers.append(found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
        self.assertEqual(sorted(numbers), numbers)
        self.assertIn("verify OK", self.openssl("crl", "-in", "ca/crl.pem", "-noout", "-CAfile", "ca/ca.pem"))

    def test_lost_list(self) -> None:
        """A list that is lost or damaged is made again, with everybody who was revoked."""
        alice = self.authority.issue_client("alice", key=KeyKind.ECDSA)
        self.assertFalse(self.authority.repair_list())
        self.authority.revoke(alice.serial)
        self.assertFalse(self.authority.repair_list())
        for content in (None, b"rubbish"):
            self.authority.list_path.unlink()
            if content:
                self.authority.list_path.write_bytes(content)
            self.assertTrue(self.authority.repair_list())
            self.assertIn("certificate revoked", self.verified(alice.certificate_pem, "sslclient"))

    def test_damaged_time(self) -> None:
        """A revocation whose time is damaged is in the list, and the list can be made."""
        alice = self.authority.issue_client("alice", key=KeyKind.ECDSA)
        self.authority.revoke(alice.serial)
        (path,) = self.authority.certificates_path.glob("*.revoked")
        for content in (
            b"",
            b"\0" * 21,
            b"0001-01-01T00:00:00Z",
            b"1949-12-31T23:59:59Z",
            b"9999-12-31T23:59:59-14:00",
        ):
            path.write_bytes(content)
            found = x509.load_pem_x509_crl(self.authority.write_list())
            self.assertIsNotNone(found.get_revoked_certificate_by_serial_number(alice.serial), content)

    def test_damaged_settings(self) -> None:
        """Damaged settings keep nobody from renewing the list, but from issuing certificates without its address."""
        (self.place / "authority.json").write_bytes(b"")
        self.assertRaises(ConfigError, Authority.open, self.place)
        Authority.open(self.place, issues=False).write_list()

    def test_renewed(self) -> None:
        """Renewed, a certificate has the same names and key, and another serial number; the old one stays good."""
        old = issue_server(self.authority, HOSTS, key=KeyKind.ECDSA, days=2)
        new = self.authority.renew("vpn.example.org")
        first, second = (x509.load_pem_x509_certificate(each.certificate_pem) for each in (old, new))
        for kind in (x509.SubjectAlternativeName, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectKeyIdentifier):
            self.assertEqual(extension(first, kind), extension(second, kind))
        self.assertEqual((first.subject, first.public_key()), (second.subject, second.public_key()))
        self.assertGreater(new.not_after - old.not_after, 300 * DAY)
        for each in (old, new):
            self.assertIn("OK", self.verified(each.certificate_pem, "sslserver"))
        self.authority.revoke(old.serial)
        self.assertIn("revoked", self.verified(old.certificate_pem, "sslserver"))
        self.assertIn("OK", self.verified(new.certificate_pem, "sslserver"))
        self.authority.revoke("192.0.2.1")
        self.assertIn("cannot be renewed", str(self.assertRaises(ConfigError, self.authority.renew, "vpn.example.org")))

    def test_ambiguous(self) -> None:
        """A name that a server and a client have is not renewed, but their serial numbers are told."""
        ours = [
            issue_server(self.authority, ["vpn"], key=KeyKind.ECDSA),
            self.authority.issue_client("vpn", key=KeyKind.ECDSA),
        ]
        said = str(self.assertRaises(ConfigError, self.authority.renew, "vpn"))
        for each in ours:
            self.assertIn(f"{each.serial:X}", said)

    def test_used(self) -> None:
        """A certificate is noted to be in use once, the first time; only one of this authority can be."""
        issued = self.authority.issue_client("alice", key=KeyKind.ECDSA)
        self.assertFalse(self.authority.record_use(issued.serial + 1))
        self.assertTrue(self.authority.record_use(issued.serial))
        later = Authority.open(self.place, now=lambda: datetime.now(UTC) + DAY)
        self.assertTrue(later.record_use(issued.serial))
        (record,) = self.authority.certificates()
        assert record.used is not None
        self.assertLess(abs(datetime.now(UTC) - record.used), timedelta(minutes=1))

    def test_lock(self) -> None:
        """While a command is at work another one waits, and gives up in a sentence."""
        with self.authority.locked():
            error = self.assertRaises(atomic_files.Busy, self.authority.write_list, 0.05)
        self.assertIn("another command is using", str(error))
        self.authority.write_list(0)


class NameTests(SynchronousTestCase):
    """Valid names."""

    def test_hosts(self) -> None:
        """Host names are those of RFC 1123, in small letters and ASCII; addresses in their short form."""
        for given, expected in {
            "VPN.Example.org.": "vpn.example.org",
            "7-11.example": "7-11.example",
            "bücher.example": "xn--bcher-kva.example",
            "2001:DB8:0::1": "2001:db8::1",
            "[2001:db8::1]": "2001:db8::1",
            "192.0.2.1": "192.0.2.1",
        }.items():
            self.assertEqual(expected, names.checked_host(given))
        for wrong in (
            "", ".", "a..b", "-a.example", "a-.example", "a_b.example", "a b", "a\n.example", "192.0.2", "192.0.2.300",
            "x" * 64, ".".join(["x" * 60] * 5), "a/b", "a\0b", "é" * 70, "*", "*.example.org", "a.*.example.org",
            "fe80::1%eth0/../x",
        ):  # fmt: skip
            self.assertRaises(ConfigError, names.checked_host, wrong)
        self.assertRaises(ConfigError, names.checked_hosts, [])
        self.assertEqual(("a.example",), names.checked_hosts(["a.example", "A.example."]))

    def test_people(self) -> None:
        """A client's name has letters of any script, but nothing invisible, and nothing that would be a path."""
        for right in ("alice", "Alice Smith", "alice@example.org", "Jürgen", "李", "laptop-7", "a" * 64):
            self.assertEqual(right, names.checked_person(right))
        self.assertEqual("Jürgen", names.checked_person("Ju\u0308rgen"))
        for wrong in (
            "", " ", " a", "a ", "a\nb", "a\0b", "a\x1b[2Jb", "a\u202eb", "a\u200bb", "a\u2028b", "\ud800", "../a",
            "a/b", ".a", "-a", "a" * 65,
        ):  # fmt: skip
            self.assertRaises(ConfigError, names.checked_person, wrong)

    def test_uris(self) -> None:
        """A distribution point is plain HTTP, because who fetches a list over TLS would need it first (RFC 5280)."""
        self.assertEqual("http://vpn.example.org/iphttps.crl", names.crl_uri("vpn.example.org"))
        self.assertEqual("http://[2001:db8::1]/iphttps.crl", names.crl_uri("2001:db8::1"))
        for wrong in (
            "https://a/x",
            "ftp://a/x",
            "http:///x",
            "http://a/x y",
            "http://a/\n",
            "http://a:b/",
            "a",
            "http://[a/",
        ):
            self.assertRaises(ConfigError, names.distribution_point, wrong)
