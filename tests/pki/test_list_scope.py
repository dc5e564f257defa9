"""Revocation lists of all kinds: each is refused before the first client, or one of a good client's that counts."""

from __future__ import annotations

import contextlib
import random
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from iphttps.core.client import ClientState
from iphttps.core.errors import ConfigError
from iphttps.net.tls.contexts import ServerTLS, TLSSettings
from iphttps.pki import list_age, revocation
from iphttps.pki.revocation import RevocationLists

from ..net.certificates import credentials
from ..net.odd_certificates import common_name, issue
from ..net.test_revoked import RevokedCase

PLACE = [x509.UniformResourceIdentifier("http://ca.example.org/crl")]
Extensions = Iterable[tuple[x509.ExtensionType, bool]]


def scope(**choices: object) -> x509.IssuingDistributionPoint:
    """Return an issuing distribution point, of everything unless told otherwise."""
    usual: dict[str, object] = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**{**usual, **choices})  # type: ignore[arg-type]  # as they are called


def unknown(name: str = "1.2.3.4", value: bytes = b"\x04\x00") -> x509.UnrecognizedExtension:
    """Return an extension of a kind that nobody knows."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(name), value)


class KindTests(RevokedCase):
    """Lists with one extension or the other."""

    def load(self, extensions: Extensions) -> RevocationLists:
        """Read a list with these extensions; raises ConfigError."""
        path = self.root.revoke(extensions=extensions)
        return RevocationLists.load(path, self.certificates.trusted, datetime.now(UTC))

    def comes_in(self, lists: RevocationLists) -> bool:
        """Tell whether a good client does."""
        server = ServerTLS(TLSSettings(credentials(self.certificates.server), self.certificates.trusted, lists))
        return self.meet(server, self.client_tls(self.certificates.client))[0] is ClientState.LINK_UP

    def assert_of_no_use(self) -> None:
        """Check that OpenSSL lets nobody in with the list that was refused, so that the refusal is not too strict."""
        refused = x509.load_pem_x509_crl((self.root.directory / "crl.pem").read_bytes())
        with contextlib.suppress(crypto.Error):  # it cannot even read it
            self.assertFalse(self.comes_in(replace(self.load([]), lists=[refused])))

    def test_good(self) -> None:
        """Lists about all or about users, and with what nobody needs to know, serve."""
        for extensions in (
            [],
            [(x509.CRLNumber(7), False)],
            [(scope(only_contains_user_certs=True), True)],
            [(unknown(), False)],
            [(unknown("2.5.29.32", b"\x1a\x01\xe9"), False)],
            [(x509.FreshestCRL([x509.DistributionPoint(PLACE, None, None, None)]), False)],
            [(unknown("1.3.6.1.4.1.311.21.1", b"\x02\x01\x00"), False)],
        ):
            self.assertTrue(self.comes_in(self.load(extensions)), extensions)

    def test_of_no_use(self) -> None:
        """Those with which OpenSSL lets nobody in are refused with the reason."""
        reasons = frozenset((x509.ReasonFlags.key_compromise,))
        cases: tuple[tuple[Extensions, str], ...] = (
            ([(x509.DeltaCRLIndicator(1), True)], "is a delta CRL"),
            ([(scope(indirect_crl=True), True)], "is an indirect CRL"),
            ([(scope(only_some_reasons=reasons), True)], "covers only some revocation reasons"),
            ([(scope(only_contains_ca_certs=True), True)], "covers only CA or attribute certificates"),
            ([(scope(only_contains_attribute_certs=True), True)], "covers only CA or attribute certificates"),
            ([(unknown(), True)], "has a critical extension that OpenSSL does not support"),
            ([(unknown("2.5.29.28", b"\x1a\x01\xe9"), True)], "damaged"),
        )
        for extensions, words in cases:
            error = self.assertRaises(ConfigError, self.load, extensions)
            self.assertIn(words, str(error))
            self.assert_of_no_use()

    def test_any(self) -> None:
        """Any bytes in a list's place end in a sentence, or in a list that OpenSSL can read."""
        path = self.root.revoke(self.certificates.server, extensions=[(x509.CRLNumber(1), False)])
        der = x509.load_pem_x509_crl(path.read_bytes()).public_bytes(Encoding.DER)
        chance = random.Random(2)
        self.patch(revocation, "is_signed_by", lambda one, authority: True)  # so that more of it is looked at
        self.patch(list_age, "is_signed_by", lambda one, authority: True)
        for _ in range(1500):
            data = bytearray(der)
            data[chance.randrange(len(data))] = chance.choice((0, 1, 2, 0x17, 0x18, 0x30, 0xA0, chance.randrange(256)))
            text = b64encode(bytes(data))
            path.write_bytes(b"-----BEGIN X509 CRL-----\n" + text + b"\n-----END X509 CRL-----\n")
            with contextlib.suppress(ConfigError):
                lists = RevocationLists.load(path, self.certificates.trusted, datetime.now(UTC))
                lists.install(crypto.X509Store())
                lists.expired(datetime.now(UTC))

    def test_critical_entry(self) -> None:
        """So is one with an entry that has a critical extension."""
        build = x509.RevokedCertificateBuilder.build

        def critical(builder: x509.RevokedCertificateBuilder, backend: object = None) -> x509.RevokedCertificate:
            reason = x509.CRLReason(x509.ReasonFlags.certificate_hold)
            return build(builder.add_extension(reason, critical=True))

        self.patch(x509.RevokedCertificateBuilder, "build", critical)
        path = self.root.revoke(self.certificates.server)
        error = self.assertRaises(ConfigError, RevocationLists.load, path, self.certificates.trusted, datetime.now(UTC))
        self.assertIn("an entry with a critical extension", str(error))
        self.assert_of_no_use()

    def test_distribution_point(self) -> None:
        """A list that names a place serves those certificates that name it, which is said."""
        lists = self.load([(scope(full_name=PLACE), True)])
        (sentence,) = lists.partial()
        self.assertIn("names a distribution point: it covers only certificates that name the same one", sentence)
        self.assertFalse(self.comes_in(lists))
        points = x509.CRLDistributionPoints([x509.DistributionPoint(PLACE, None, None, None)])
        shown = issue(self.root, common_name("alice"), [x509.DNSName("alice")], extensions=[points])
        server = ServerTLS(TLSSettings(credentials(self.certificates.server), self.certificates.trusted, lists))
        client = self.certificates.client_tls()
        client._credentials = shown
        client._context = client._new_context(None)
        self.assertIs(ClientState.LINK_UP, self.meet(server, client)[0])
        self.assertEqual([], self.load([]).partial())
