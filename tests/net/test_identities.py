"""A client's identity: names in log and table, unreadable and untrusted names, and the limit on sessions."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.identity import Identity
from iphttps.lab.authority import KeyKind
from iphttps.net.listen.service import CertificatePolicy
from iphttps.net.tls.contexts import ClientTLS, NullEncryption, ServerTLS, TLSSettings
from iphttps.pki.certificates import Credentials
from iphttps.pki.verification import CheckedConnection

from .certificates import Certificates, credentials
from .odd_certificates import common_name, issue, user_principal_name
from .support import NAME, ClientEnd, ServerEnd

SERVER_LOGS = ("iphttps.net.iphttps.service.IPHTTPSService", "iphttps.net.listen.listener.Listener")
"""The server's log of connected and rejected clients."""


class IdentityCase(SynchronousTestCase):
    """A server and the clients that come to it."""

    def setUp(self) -> None:
        """Start the server."""
        self.clock = MemoryReactorClock()
        self.certificates = Certificates(Path(self.mktemp()))
        server = self.certificates.authority.server(NAME, kind=KeyKind.RSA)
        self.tls = ServerTLS(TLSSettings(credentials(server), self.certificates.trusted))
        self.server = ServerEnd(self.clock, self.tls)
        self.addCleanup(self.server.device.close)

    def join(self, shown: Credentials) -> tuple[ClientState, list[str]]:
        """Let a client connect; return its state, and what the server said about it."""
        client = ClientEnd(self.clock, ClientTLS(NAME, self.certificates.trusted, shown))
        self.addCleanup(client.device.close)
        with capturedLogs() as events:
            client.client.handle(ClientEvent.ENABLE)
            client.client.handle(ClientEvent.PRECONDITION)
            client.connect(self.server)
        said = [formatEvent(event) for event in events if event["log_namespace"] in SERVER_LOGS]
        return client.state, said

    def issue(self, subject: x509.Name, *names: x509.GeneralName) -> Credentials:
        """Issue a certificate with these names."""
        return issue(self.certificates.authority, subject, names)


class NameTests(IdentityCase):
    """The subject and the subject alternative names."""

    def identity(self, subject: x509.Name, *names: x509.GeneralName) -> Identity | None:
        """Return who the server takes a client for."""
        self.join(self.issue(subject, *names))
        *_, entry = self.server.table
        return entry.identity

    def test_names(self) -> None:
        """The table holds the subject and the names of hosts, of mail, of Windows users, addresses and URIs."""
        subject = x509.Name.from_rfc4514_string("CN=alice,O=Example")
        names = (
            x509.DNSName("alice.example.org"),
            x509.RFC822Name("alice@example.org"),
            user_principal_name("alice@ad.example.org"),
            x509.IPAddress(IPv6Address("2001:db8::a")),
            x509.UniformResourceIdentifier("urn:alice"),
            x509.DirectoryName(subject),
            x509.RegisteredID(NameOID.COMMON_NAME),
        )
        written = ("alice.example.org", "alice@example.org", "alice@ad.example.org", "2001:db8::a", "urn:alice")
        self.assertEqual(Identity("CN=alice,O=Example", written), self.identity(subject, *names))

    def test_logged(self) -> None:
        """The log says who has come, and by which suite."""
        _, said = self.join(self.issue(common_name("alice"), x509.RFC822Name("alice@example.org")))
        self.assertEqual(
            ["client 1 (CN=alice [alice@example.org], 192.0.2.7:1234) connected, TLSv1.3 TLS_AES_256_GCM_SHA384"], said
        )
        (entry,) = self.server.table
        self.assertEqual("TLSv1.3 TLS_AES_256_GCM_SHA384", entry.suite)

    def test_hostile(self) -> None:
        """No name can forge a line of the log or command a terminal, in a session or in a rejection."""
        hostile = common_name("x\n2026-01-01 client 9 (CN=root) connected\r\x1b[2J\x07\u202e")
        for authority in (self.certificates.authority, self.certificates.other_authority()):
            _, (line,) = self.join(issue(authority, hostile, [user_principal_name("a\nb")]))
            self.assertTrue(line.isascii() and line.isprintable(), line)
            self.assertIn(r"CN=x\0A2026-01-01 client 9 (CN=root) connected\0D\1B[2J\07\E2\80\AE", line)

    def test_two_subjects_never_look_alike(self) -> None:
        """An escaped name differs from a name that contains the escape."""
        texts = ("a\nb", r"a\0Ab", r"a\\0Ab", "a,b", "a, b", "a=b", "\xe9", r"\C3\A9")
        found = [self.identity(common_name(text)) for text in texts]
        self.assertEqual(len(texts), len(set(found)))

    def test_names_never_look_like_subjects(self) -> None:
        """An alternative name cannot look like a subject, or like two names."""
        identity = self.identity(
            common_name("x"),
            x509.RFC822Name("CN=alice@example.org"),
            x509.UniformResourceIdentifier("urn:a, urn:b"),
            x509.DNSName("alice@example.org"),
        )
        assert identity
        self.assertEqual((r"CN\3Dalice@example.org", r"urn:a\2C\20urn:b", r"alice\40example.org"), identity.names)

    def test_many(self) -> None:
        """Thousands of names make a long entry in the table, and a short line in the log."""
        _, (line,) = self.join(self.issue(common_name("x"), *(x509.DNSName(f"{n}.example") for n in range(4000))))
        self.assertIn("CN=x [0.example, 1.example, 2.example, 3997 more]", line)


class RefusalTests(IdentityCase):
    """Certificates of a trusted authority that cannot be used all the same."""

    def assert_refused(self, shown: Credentials, sentence: str) -> None:
        """Check that a client does not come in, and that the server says why."""
        self.assertEqual((ClientState.LINK_DOWN, [f"rejected 192.0.2.7:1234: {sentence}"]), self.join(shown))

    def test_nameless(self) -> None:
        """A certificate without a name is rejected, since clients without names cannot be told apart."""
        self.assert_refused(
            self.issue(x509.Name([])),
            "the certificate has neither a subject nor an alternative name",
        )

    def test_malformed(self) -> None:
        """A certificate that cannot be read is rejected, and is no bug."""
        for content in (b"", b"\x30\x03\x82\x04\xff", b"\x05\x00"):
            shown = issue(self.certificates.authority, common_name("x"), unreadable=content)
            state, (line,) = self.join(shown)
            self.assertEqual(ClientState.LINK_DOWN, state)
            self.assertIn("rejected 192.0.2.7:1234: the certificate", line)

    def test_weak(self) -> None:
        """A weak key or signature is rejected, also where NULL suites turn OpenSSL's own check off."""
        authority = self.certificates.authority
        weak = issue(authority, common_name("x"), key=rsa.generate_private_key(public_exponent=65537, key_size=1024))
        theirs = "the certificate of CN=x has a key or a signature that is too weak"
        ours = "the certificate of CN=x has a key of 1024 bits; at least 2048 are required"
        for choice, ciphers, sentence in (
            (NullEncryption.OFF, b"ALL", theirs),
            (NullEncryption.ACCEPT, b"ALL", theirs),
            (NullEncryption.ACCEPT, b"NULL-SHA256", ours),
            (NullEncryption.ACCEPT, b"NULL-SHA256:ECDHE-RSA-AES128-GCM-SHA256", theirs),
            (NullEncryption.PREFER, b"ALL", theirs),
            (NullEncryption.PREFER, b"ECDHE-RSA-AES128-GCM-SHA256:NULL-SHA256", ours),
        ):
            self.tls.change(replace(self.tls.settings, null_encryption=choice))
            self.assertEqual(sentence, self.verdict(weak, ciphers))
        weak = issue(authority, common_name("x"), key=dsa.generate_private_key(1024))
        self.assertEqual(theirs, self.verdict(weak))
        self.assertEqual(ours, self.verdict(weak, b"NULL-SHA256"))
        sha1 = issue(authority, common_name("x"), digest="sha1")
        self.assertEqual(
            "the certificate of CN=x is signed with sha1, which is broken", self.verdict(sha1, b"NULL-SHA256")
        )

    def verdict(self, shown: Credentials, ciphers: bytes = b"ALL") -> str | None:
        """Return what the server finds wrong with a client that is set to show anything."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(ciphers + b":@SECLEVEL=0")
        if b"NULL" in ciphers:  # those of TLS 1.3 would be offered besides
            context.set_max_proto_version(SSL.TLS1_2_VERSION)
        shown.install(context)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        server = cast(CheckedConnection, self.tls.serverConnectionForTLS(None))  # type: ignore[arg-type]
        server.set_accept_state()
        for one, other in ((client, server), (server, client)) * 3:
            with contextlib.suppress(SSL.Error):
                one.do_handshake()
            with contextlib.suppress(SSL.Error):
                other.bio_write(one.bio_read(1 << 16))
        return server.check.failure


class LimitTests(IdentityCase):
    """The limit on the sessions of one identity: the newest wins."""

    def setUp(self) -> None:
        """Allow two."""
        super().setUp()
        self.server.table.per_identity = 2
        self.alice, self.bob = (credentials(self.certificates.authority.client(name)) for name in ("alice", "bob"))

    @property
    def there(self) -> list[int]:
        """The numbers of those who have a session."""
        return [entry.number for entry in self.server.table]

    def test_newest_wins(self) -> None:
        """The oldest session ends, with the reason, and others stay."""
        for shown in (self.alice, self.bob, self.alice):
            self.join(shown)
        state, said = self.join(self.alice)
        self.assertEqual((ClientState.LINK_UP, [2, 3, 4]), (state, self.there))
        self.assertEqual(
            "client 1 (CN=alice, 192.0.2.7:1234) disconnected: displaced by a newer session of the same identity "
            "(limit: 2); 0 packets (0 bytes) in, 0 (0 bytes) out, 0 dropped, 0 seconds",
            said[0],
        )

    def test_renewed(self) -> None:
        """A renewed certificate makes nobody new."""
        for _ in range(3):
            self.join(credentials(self.certificates.authority.client("alice")))
        self.assertEqual([2, 3], self.there)

    def test_full_table(self) -> None:
        """A client that replaces its own session is admitted to a full table."""
        self.server.table.seats.maximum = 2
        for shown in (self.alice, self.alice, self.alice):
            self.join(shown)
        self.assertEqual([2, 3], self.there)
        self.assertEqual(ClientState.LINK_DOWN, self.join(self.bob)[0])

    def test_mode_none(self) -> None:
        """Anonymous clients are not limited per identity (3.2.1)."""
        self.tls.change(replace(self.tls.settings, client_ca=None))
        self.server.service.certificate = CertificatePolicy.OPTIONAL
        for _ in range(4):
            self.join(self.alice)
        self.assertEqual([1, 2, 3, 4], self.there)
