"""Certificates that OpenSSL reads and cryptography does not: taken where they can be, and never a traceback."""

from __future__ import annotations

import random
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientState
from iphttps.core.errors import ConfigError
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki import lenient
from iphttps.pki.certificates import Credentials, alternative_names, load_certificates
from iphttps.pki.der import encode
from iphttps.pki.verification import ClientCheck, PeerCheck, ServerCheck

from ..net.certificates import Certificates, credentials
from ..net.iphttps.test_server_checks import ServerCheckCase
from ..net.odd_certificates import UNPRINTABLE, common_name, issue, resigned
from ..net.support import NAME
from ..net.test_identities import IdentityCase

WRITTEN = b"\x0c\x06abcdef"
POLICIES = x509.ObjectIdentifier("2.5.29.32")


def names_extension(*entries: bytes) -> x509.UnrecognizedExtension:
    """Return an extension of names as they are written here."""
    content = b"".join(entries)
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes((0x30, len(content))) + content)


HOST = b"\x82" + bytes((len(NAME),)) + NAME.encode()


class StrangerTests(IdentityCase):
    """What a client shows to the server."""

    def test_trusted(self) -> None:
        """A trusted certificate with an odd name comes in, and has a name that is fit for the log."""
        for kind, value in UNPRINTABLE.items():
            shown = resigned(self.certificates.authority, self.issue(common_name("abcdef")), WRITTEN, value)
            state, said = self.join(shown)
            self.assertEqual(ClientState.LINK_UP, state, kind)
            self.assertTrue(any("CN=" in line and line.isprintable() and line.isascii() for line in said), said)
        self.assertEqual([], self.flushLoggedErrors())

    def test_stranger(self) -> None:
        """Anybody's certificate with one is refused in a line, whose number is limited, and is no bug."""
        other = self.certificates.other_authority()
        for kind, value in UNPRINTABLE.items():
            shown = resigned(other, issue(other, common_name("abcdef")), WRITTEN, value)
            state, said = self.join(shown)
            self.assertEqual(ClientState.LINK_DOWN, state, kind)
            self.assertTrue(all("is not trusted" in line for line in said), said)
        for _ in range(30):
            said += self.join(shown)[1]
        self.assertLess(len(said), 11)
        self.assertEqual([], self.flushLoggedErrors())

    def test_extensions(self) -> None:
        """What nobody looks at does not matter, be it unreadable or there twice; what counts does."""
        bad = x509.UnrecognizedExtension(POLICIES, b"\x30\x03\x1a\x01\xe9")
        for extension, state in (
            (bad, ClientState.LINK_UP),
            (names_extension(b"\x82\x01\xfc", b"\x82\x01a"), ClientState.LINK_UP),
            (names_extension(b"\x87\x05abcde"), ClientState.LINK_UP),
            (x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, b"\x04\x01a"), ClientState.LINK_DOWN),
            (x509.UnrecognizedExtension(ExtensionOID.BASIC_CONSTRAINTS, b"\x04\x01a"), ClientState.LINK_DOWN),
            (x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x04\x01a"), ClientState.LINK_DOWN),
        ):
            shown = issue(self.certificates.authority, common_name("x"), extensions=[extension])
            self.assertEqual(state, self.join(shown)[0], extension)
        self.assertEqual([], self.flushLoggedErrors())

    def test_twice(self) -> None:
        """An extension that is there twice does not matter, unless it is one that counts."""
        authority = self.certificates.authority
        value = names_extension(b"\x82\x01a").value
        for number, harmless in ((99, True), (17, False)):  # 2.5.29.17 are the alternative names
            kinds = [x509.ObjectIdentifier(f"2.5.29.{each}") for each in (number, 98)]
            twice = [x509.UnrecognizedExtension(kind, value) for kind in kinds]
            shown = issue(authority, common_name("x"), extensions=twice)
            old, new = b"\x06\x03\x55\x1d\x62", bytes((0x06, 0x03, 0x55, 0x1D, number))
            if harmless:
                self.assertEqual(ClientState.LINK_UP, self.join(resigned(authority, shown, old, new))[0])
            else:
                self.assertRaises(ValueError, resigned, authority, shown, old, new)


class RogueTests(ServerCheckCase):
    """What a server shows to the client."""

    def server_with(self, *entries: bytes) -> ServerTLS:
        """Return a server whose certificate has these names."""
        extensions = [names_extension(*entries)]
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        shown = issue(self.certificates.authority, common_name("x"), extensions=extensions, usage=usage)
        return ServerTLS(TLSSettings(shown))

    def test_names(self) -> None:
        """A rogue server's odd name is refused in a sentence; a trusted one's is no obstacle."""
        mine, other = self.certificates.authority, self.certificates.other_authority()
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        for kind, value in UNPRINTABLE.items():
            for authority in (mine, other):
                shown = issue(authority, common_name("abcdef"), [x509.DNSName(NAME)], usage=usage)
                server = ServerTLS(TLSSettings(resigned(authority, shown, WRITTEN, value)))
                trouble = self.meet(self.certificates.client_tls(), server)
                self.assertEqual(authority is mine, trouble is None, kind)
                if trouble:
                    self.assertIn("is not trusted", trouble.sentence)
        self.assertEqual([], self.flushLoggedErrors())

    def test_one_bad_name(self) -> None:
        """The right name counts, whatever stands beside it: OpenSSL and browsers skip what they cannot match."""
        for bad in (
            b"\x82\x00",
            b"\x82\x01*",
            b"\x82\x01\xfc",
            b"\x82\x01\x00",
            b"\x82\x03*.*",
            b"\x82\x04a..b",
            b"\x82\x031.2",
            b"\x82\x0a192.0.2.10",
            b"\x82\x05a.*.b",
            b"\x86\x01\xfc",
            b"\x86\x04a://",
            b"\x81\x01\xfc",
            b"\x87\x05abcde",
            b"\x87\x08abcdefgh",
        ):
            for entries in ((bad, HOST), (HOST, bad)):
                self.assertIsNone(self.meet(self.certificates.client_tls(), self.server_with(*entries)), bad)
            self.assert_refused(self.certificates.client_tls(), "the certificate", "0x800B010F", self.server_with(bad))

    def test_address(self) -> None:
        """An address beside a bad name counts, too."""
        client = self.certificates.client_tls(name="192.0.2.1")
        self.assertIsNone(self.meet(client, self.server_with(b"\x82\x01\xfc", b"\x87\x04\xc0\x00\x02\x01")))


class FileTests(SynchronousTestCase):
    """Certificates in the operator's files."""

    def setUp(self) -> None:
        """Make an authority."""
        self.certificates = Certificates(Path(self.mktemp()))
        self.path = self.certificates.directory / "file.pem"

    def written(self, shown: Credentials) -> list[x509.Certificate]:
        """Write a certificate to the file, and read it."""
        original = crypto.dump_certificate(crypto.FILETYPE_PEM, lenient.as_openssl(shown.chain[0]))
        self.path.write_bytes(original)
        return load_certificates(self.path)

    def test_original(self) -> None:
        """OpenSSL is given what stands in the file, whatever copy is read."""
        authority = self.certificates.authority
        for value in UNPRINTABLE.values():
            (found,) = self.written(resigned(authority, issue(authority, common_name("abcdef")), WRITTEN, value))
            der = crypto.dump_certificate(crypto.FILETYPE_ASN1, lenient.as_openssl(found))
            self.assertTrue(lenient.is_copy(found, der))
            self.assertIn(value, der)

    def test_wide_names(self) -> None:
        """The copy has every string as UTF-8, those of two bytes a character included."""
        authority = self.certificates.authority
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "wxyz"), *common_name("abcdef")])
        wide = resigned(authority, issue(authority, name), b"\x0c\x04wxyz", b"\x1e\x04\x00\xe9\x00y")
        (found,) = self.written(resigned(authority, wide, WRITTEN, UNPRINTABLE["Latin-1 as IA5String"]))
        self.assertEqual("\u00e9y", found.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)[0].value)

    def test_many_names(self) -> None:
        """A certificate with an unreadable name beside hundreds is not gone through."""
        entries = encode(0x30, [b"\x82\x01\xfc", *[b"\x82\x01a"] * lenient.MOST_NAMES])
        shown = issue(self.certificates.authority, common_name("x"), unreadable=entries)
        error = self.assertRaises(ValueError, lenient.certificate, shown.chain[0].public_bytes(Encoding.DER))
        self.assertEqual("the certificate has more than 256 alternative names", str(error))

    def test_authority(self) -> None:
        """An authority whose name is Latin-1 is trusted, and so are its certificates."""
        (found,) = self.written(self.authority_named(b"\x14\x0dLaboratory\xfcCA"))
        self.assertEqual("Laboratory\u00fcCA", found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        ClientTLS(NAME, [found], None)
        ServerTLS(TLSSettings(credentials(self.certificates.server), [found]))

    def authority_named(self, value: bytes) -> Credentials:
        """Return our authority's certificate with another name."""
        mine = Credentials(self.certificates.trusted, credentials(self.certificates.server).key)
        return resigned(self.certificates.authority, mine, b"\x0c\x0dLaboratory CA", value)

    def test_bad(self) -> None:
        """One that OpenSSL cannot read, or nobody, is named by its place in the file."""
        good = self.certificates.authority.certificate.read_bytes()
        lines = good.split(b"\n")
        wrong = good.replace(lines[2], lines[2][:-1] + b"*")
        lines[3] = b"AAAA" + lines[3][4:]
        for bad in (b"\n".join(lines), wrong, b"".join((lines[0], b"\nMIIB\n", lines[-2], b"\n"))):
            self.path.write_bytes(good + bad + good)
            error = self.assertRaises(ConfigError, load_certificates, self.path)
            self.assertIn(f"certificate 2 of 3 in {self.path} cannot be read", str(error))


class MutationTests(SynchronousTestCase):
    """Any certificate at all."""

    def test_verify(self) -> None:
        """Whatever bytes a peer's certificate has, a check ends with a verdict, and its sentence is fit for the log."""
        certificates = Certificates(Path(self.mktemp()))
        shown = issue(certificates.authority, common_name("abcdef"), [x509.DNSName(NAME)])
        der = shown.chain[0].public_bytes(Encoding.DER)
        chance = random.Random(1)
        for _ in range(3000):
            data = bytearray(der)
            for _ in range(chance.choice((1, 1, 2, 5))):
                data[chance.randrange(len(data))] = chance.choice(
                    (0, 1, 0x0C, 0x13, 0x1B, 0x30, 0x80, 0xFF, chance.randrange(256))
                )
            for check in (
                PeerCheck(),
                ClientCheck(ServerTLS(TLSSettings(credentials(certificates.server)))),
                ServerCheck(NAME, frozenset(("x",)), ""),
            ):
                passed, code = chance.random() < 0.7, chance.choice((2, 9, 10, 12, 20, 34))
                check.verify(bytes(data), code, chance.choice((0, 1)), passed=passed)
                self.assertTrue((check.failure or "").isprintable())

    def test_many(self) -> None:
        """A certificate with thousands of extensions or names that cannot be read costs no long search."""
        certificates = Certificates(Path(self.mktemp()))
        many = [x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{n}"), b"") for n in range(100)]
        bad = x509.UnrecognizedExtension(POLICIES, b"\x1a\x01\xe9")
        shown = issue(certificates.authority, common_name("x"), extensions=[*many, bad])
        check = PeerCheck()
        self.assertFalse(check.verify(shown.chain[0].public_bytes(Encoding.DER), 20, 0, passed=False))
        self.assertIn("malformed", check.failure or "")
        self.assertEqual((), alternative_names(issue(certificates.authority, common_name("x")).chain[0]))
