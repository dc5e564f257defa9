"""Authorities that are for servers or for clients only, and for certain hosts only, as OpenSSL sees them."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from iphttps.core.errors import ConfigError
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki.authority.issuing import KeyKind, Kind, certificate, key_pem, new_key, pem
from iphttps.pki.authority.names import client_names
from iphttps.pki.authority.store import Authority
from iphttps.pki.certificates import Credentials, load_certificates

from ...app.enrolments import HOST, EnrolmentCase
from ...net.iphttps.test_server_checks import ServerCheckCase
from .support import AuthorityCase, issue_server


class ConstrainedCase(AuthorityCase):
    """Authorities of one kind."""

    def made(self, kind: Kind, *hosts: str) -> Authority:
        """Make one in the place of the usual one."""
        self.place = self.directory / f"{kind.value}-{len(list(self.directory.iterdir()))}"
        return Authority.create(self.place, "One", key=KeyKind.ECDSA, kind=kind, hosts=hosts)

    def rogue(self, authority: Authority, kind: Kind, *found: x509.GeneralName) -> bytes:
        """Return a certificate that whoever has stolen the key can make, with no regard to what we allow."""
        key, now = new_key(KeyKind.ECDSA).public_key(), authority.now()
        return pem(certificate(authority.issuer, kind, x509.Name([]), found, key, 9, now))

    def shown(self, certificate_pem: bytes, purpose: str) -> str:
        """Return what OpenSSL says of it."""
        (self.directory / "shown.pem").write_bytes(certificate_pem)
        trusted = str(self.place / "ca.pem")
        return self.openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", trusted, "shown.pem")


class ConstraintTests(ConstrainedCase):
    """The constraints of an authority for servers."""

    def dns(self, authority: Authority, name: str) -> str:
        """Return what OpenSSL says of a certificate for a host."""
        return self.shown(self.rogue(authority, Kind.SERVER, x509.DNSName(name)), "sslserver")

    def rogue_shown(self, authority: Authority, found: x509.GeneralName) -> str:
        """Return what OpenSSL says of a certificate for this."""
        return self.shown(self.rogue(authority, Kind.SERVER, found), "sslserver")

    def test_hosts(self) -> None:
        """A certificate for another host, or for any address, is rejected, whoever has made it."""
        authority = self.made(Kind.SERVER, HOST)
        self.assertIn("OK", self.shown(issue_server(authority, [HOST], key=KeyKind.ECDSA).certificate_pem, "sslserver"))
        self.assertIn("OK", self.dns(authority, f"a.{HOST}"))
        for other in ("www.example.com", "example.org", f"x{HOST}", "*.example.org"):
            self.assertIn("permitted subtree violation", self.dns(authority, other))
        for address in ("192.0.2.1", "2001:db8::1"):
            found = authority_address(address)
            self.assertIn(
                "excluded subtree violation", self.shown(self.rogue(authority, Kind.SERVER, found), "sslserver")
            )

    def test_addresses(self) -> None:
        """An authority for an address is for no other, and for no name."""
        authority = self.made(Kind.SERVER, "192.0.2.1", "2001:db8::1")
        good = issue_server(authority, ["2001:db8::1", "192.0.2.1"], key=KeyKind.ECDSA).certificate_pem
        self.assertIn("OK", self.shown(good, "sslserver"))
        for address in ("192.0.2.2", "2001:db8::2"):
            found = authority_address(address)
            self.assertIn(
                "permitted subtree violation", self.shown(self.rogue(authority, Kind.SERVER, found), "sslserver")
            )
        self.assertIn("excluded subtree violation", self.dns(authority, HOST))

    def test_critical(self) -> None:
        """The constraints are critical (RFC 5280 section 4.2.1.10)."""
        found = self.made(Kind.SERVER, HOST).issuer.certificate.extensions
        self.assertTrue(found.get_extension_for_class(x509.NameConstraints).critical)

    def test_refused(self) -> None:
        """A host that it does not vouch for is rejected in a sentence, and so is one without any host."""
        authority = self.made(Kind.SERVER, HOST, "192.0.2.1")
        for other in ("www.example.com", "192.0.2.2", "2001:db8::1"):
            error = self.assertRaises(ConfigError, issue_server, authority, [HOST, other], key=KeyKind.ECDSA)
            self.assertIn(f"certificates for {other}: `iphttps ca allow HOST`", str(error))
        self.assertRaises(ConfigError, self.made, Kind.SERVER)
        self.assertRaises(ConfigError, self.made, Kind.CLIENT, HOST)

    def test_allow(self) -> None:
        """A host that is added later is vouched for, and what was issued before stays good."""
        authority = self.made(Kind.SERVER, HOST)
        before = issue_server(authority, [HOST], key=KeyKind.ECDSA).certificate_pem
        self.assertFalse(authority.allow([HOST]))
        self.assertTrue(authority.allow(["www.example.com", "2001:db8::1"]))
        authority = Authority.open(self.place)
        after = issue_server(authority, ["www.example.com", "2001:db8::1"], key=KeyKind.ECDSA).certificate_pem
        for each in (before, after):
            self.assertIn("OK", self.shown(each, "sslserver"))
        self.assertIn("permitted subtree violation", self.dns(authority, "www.example.net"))
        self.assertIn("CRL", Path(self.place / "crl.pem").read_text())


class KindTests(ConstrainedCase):
    """Servers and clients are apart."""

    def test_apart(self) -> None:
        """A certificate of the other kind is rejected by OpenSSL, and not issued by us."""
        servers, of_servers = self.made(Kind.SERVER, HOST), self.place
        error = self.assertRaises(ConfigError, servers.issue_client, "alice", key=KeyKind.ECDSA)
        self.assertIn("issues certificates for servers only", str(error))
        rogue = self.rogue(servers, Kind.CLIENT, x509.DNSName(HOST))
        self.assertIn("unsuitable certificate purpose", self.shown(rogue, "sslclient"))
        clients = self.made(Kind.CLIENT)
        self.assertNotEqual(of_servers, self.place)
        self.assertIn("OK", self.shown(clients.issue_client("alice", key=KeyKind.ECDSA).certificate_pem, "sslclient"))
        error = self.assertRaises(ConfigError, issue_server, clients, [HOST], key=KeyKind.ECDSA)
        self.assertIn("issues certificates for clients only", str(error))
        rogue = self.rogue(clients, Kind.SERVER, *client_names(HOST))
        self.assertIn("unsuitable certificate purpose", self.shown(rogue, "sslserver"))

    def test_both(self) -> None:
        """One for both, as there was before, goes on."""
        for issued, purpose in (
            (issue_server(self.authority, [HOST], key=KeyKind.ECDSA), "sslserver"),
            (self.authority.issue_client("alice", key=KeyKind.ECDSA), "sslclient"),
        ):
            self.assertIn("OK", self.verified(issued.certificate_pem, purpose))
        self.assertFalse(self.authority.allow(["www.example.com"]))


class ClientTests(ServerCheckCase, ConstrainedCase):
    """Our own client."""

    def setUp(self) -> None:
        """Make both."""
        ServerCheckCase.setUp(self)
        ConstrainedCase.setUp(self)

    def test_client(self) -> None:
        """It takes a server within the constraints, and none outside."""
        authority = self.made(Kind.SERVER, HOST)
        for host in (HOST, "www.example.com"):
            key = new_key(KeyKind.ECDSA)
            found = [x509.DNSName(host)]
            made = certificate(
                authority.issuer, Kind.SERVER, x509.Name([]), found, key.public_key(), 9, authority.now()
            )
            self.place.joinpath("x.pem").write_bytes(pem(made))
            self.place.joinpath("x.key").write_bytes(key_pem(key))
            credentials = Credentials.load(self.place / "x.pem", self.place / "x.key")
            trusted = load_certificates(self.place / "ca.pem")
            trouble = self.meet(ClientTLS(host, trusted, None), ServerTLS(TLSSettings(credentials)))
            if host == HOST:
                self.assertIsNone(trouble)
            else:
                assert trouble
                self.assertIn("outside the name constraints of its authority", trouble.sentence)


class CommandTests(EnrolmentCase):
    """The commands."""

    def test_commands(self) -> None:
        """Both authorities are made, and each command finds the right one."""
        root = ("--root", self.gateway.root)
        self.good("ca", "init", "--for", "clients", "--key", "ecdsa", *root)
        self.good("ca", "init", "--for", "servers", "--host", HOST, "--key", "ecdsa", *root)
        out = ("--out", self.directory, *root)
        self.good("ca", "server", HOST, "--key", "ecdsa", *out)
        self.good("ca", "client", "alice", "--key", "ecdsa", *out)
        self.assertIn("certificates for www.example.com", self.bad("ca", "server", "www.example.com", *out))
        self.good("ca", "allow", "www.example.com", *root)
        self.assertIn("already", self.good("ca", "allow", "www.example.com", *root))
        self.good("ca", "server", "www.example.com", "--key", "ecdsa", *out)
        for name in ("alice", HOST):
            self.good("ca", "renew", name, *out)


def authority_address(text: str) -> x509.IPAddress:
    """Return an address as an alternative name."""
    return x509.IPAddress(ip_address(text))
