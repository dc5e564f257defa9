"""What the client makes of a server's certificate, beyond chain and name, and of servers with odd ideas of TLS."""

from __future__ import annotations

import contextlib
import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.client import ClientEvent, ClientState
from iphttps.core.errors import ConfigError
from iphttps.core.failure import FailureReason, Stage
from iphttps.lab.authority import Authority
from iphttps.net.explain import explain_end
from iphttps.net.tls.contexts import ClientTLS, ServerTLS, TLSSettings
from iphttps.pki import certificates
from iphttps.pki.certificates import load_certificates, parse_pin, pin
from iphttps.pki.revocation import RevocationLists
from iphttps.pki.verification import CheckedConnection

from ..certificates import Certificates, credentials
from ..odd_certificates import common_name, issue
from ..support import NAME, ClientEnd, ServerEnd


class ServerCheckCase(SynchronousTestCase):
    """A client and servers that it meets."""

    def setUp(self) -> None:
        """Make an authority and what it issues."""
        self.certificates = Certificates(Path(self.mktemp()))
        self.server = ServerTLS(TLSSettings(credentials(self.certificates.server)))

    def meet(self, client: ClientTLS, server: ServerTLS | None = None) -> FailureReason | None:
        """Let them meet; return what went wrong, if anything did."""
        clock = MemoryReactorClock()
        server_end, client_end = ServerEnd(clock, server or self.server), ClientEnd(clock, client)
        self.addCleanup(server_end.device.close)
        self.addCleanup(client_end.device.close)
        client_end.client.handle(ClientEvent.ENABLE)
        client_end.client.handle(ClientEvent.PRECONDITION)
        client_end.connect(server_end)
        failure = client_end.client.last_failure
        self.assertEqual(client_end.state, ClientState.LINK_DOWN if failure else ClientState.LINK_UP)
        return failure and failure[0]

    def assert_refused(self, client: ClientTLS, words: str, code: str | None, server: ServerTLS | None = None) -> None:
        """Check that the client refuses the server's certificate, with these words and this code."""
        trouble = self.meet(client, server)
        assert trouble
        self.assertIn(words, trouble.sentence)
        self.assertEqual((trouble.stage, trouble.code), (Stage.CERTIFICATE, code))


class CodeTests(ServerCheckCase):
    """Each refusal has the code that Windows would show for it."""

    def test_codes(self) -> None:
        """An unknown authority, a wrong name, an expired certificate and one for another use have theirs."""
        mine, other = self.certificates.authority, self.certificates.other_authority()
        client = self.certificates.client_tls()
        for identity, words, code in (
            (other.server(NAME), "issued by CN=Other CA, which is not trusted", "0x800B0109"),
            (mine.server("www.example.org"), "is for www.example.org, not for", "0x800B010F"),
            (mine.server(NAME, expired=True), "expired on", "0x800B0101"),
            (mine.client(NAME), "is not meant for this use", "0x800B0110"),
        ):
            self.assert_refused(client, words, code, self.certificates.server_tls(identity, ask=False))

    def test_whole_chain(self) -> None:
        """A chain that is whole, but ends at a root that is not trusted, is what an intercepting proxy shows."""
        other = self.certificates.other_authority()
        chain = credentials(other.server(NAME))
        chain.chain.extend(load_certificates(other.certificate))
        words = "the chain ends at CN=Other CA, which is not trusted. Either the authority is private, or a proxy"
        self.assert_refused(self.certificates.client_tls(), words, "0x800B0109", ServerTLS(TLSSettings(chain)))

    def test_many_names(self) -> None:
        """Of many names the first are told, and how many more there are."""
        many = self.certificates.authority.server(*(f"{number}.example" for number in range(9)))
        words = "is for 0.example, 1.example, 2.example, 3.example, 4.example, 4 more, not for"
        self.assert_refused(
            self.certificates.client_tls(), words, "0x800B010F", self.certificates.server_tls(many, ask=False)
        )

    def test_no_name(self) -> None:
        """A common name is no name (RFC 9525 section 2), and is told as what it is."""
        nameless = issue(self.certificates.authority, common_name(NAME), usage=ExtendedKeyUsageOID.SERVER_AUTH)
        words = f"is for no host name, only the subject CN={NAME}, not for {NAME}"
        self.assert_refused(self.certificates.client_tls(), words, "0x800B010F", ServerTLS(TLSSettings(nameless)))

    def test_no_certificate(self) -> None:
        """A server that demands a certificate of a client without one is told from all else."""
        self.assert_refused(
            self.certificates.client_tls(), "requires a client certificate", "0x90320", self.certificates.server_tls()
        )


class NameTests(ServerCheckCase):
    """The name in the URI, however it is written (RFC 9525 section 6)."""

    def test_trailing_dot(self) -> None:
        """The dot of the root is in no certificate (RFC 6066 section 3)."""
        client = self.certificates.client_tls(name=f"{NAME}.")
        self.assertIsNone(self.meet(client))

    def test_international(self) -> None:
        """A name in other letters is that in its ASCII form."""
        name = "xn--bcher-kva.example"
        server = ServerTLS(TLSSettings(credentials(self.certificates.authority.server(name))))
        self.assertIsNone(self.meet(self.certificates.client_tls(name=name), server))

    def test_zone(self) -> None:
        """A link-local address is in a certificate without its zone (RFC 4007 section 11.2)."""
        server = ServerTLS(TLSSettings(credentials(self.certificates.authority.server("fe80::1"))))
        self.assertIsNone(self.meet(self.certificates.client_tls(name="fe80::1%eth0"), server))

    def test_address_as_a_name(self) -> None:
        """An address written where names stand is not taken for one (RFC 9525 section 6.5)."""
        client = self.certificates.client_tls(name="192.0.2.9")
        self.assert_refused(client, "not for 192.0.2.9", "0x800B010F")
        usage = ExtendedKeyUsageOID.SERVER_AUTH
        shown = issue(self.certificates.authority, common_name("x"), [x509.DNSName("192.0.2.9")], usage=usage)
        server = ServerTLS(TLSSettings(shown))
        self.assert_refused(client, "has 192.0.2.9 as a DNS name and not as an IP address", "0x800B010F", server)


class PinTests(ServerCheckCase):
    """Pinned keys, besides chain and name."""

    def client(self, *pins: str, name: str = NAME) -> ClientTLS:
        """Make a client that trusts the authority, and these keys only."""
        return ClientTLS(name, self.certificates.trusted, None, pins=frozenset(pins))

    def test_pin(self) -> None:
        """A server whose key is pinned is good; with another the one seen is named, to be compared."""
        right = pin(load_certificates(self.certificates.server.certificate)[0])
        wrong = parse_pin("sha256//" + "A" * 43 + "=")
        self.assertIsNone(self.meet(self.client(wrong, right)))
        words = (
            f"the certificate of CN={NAME} has the key {right}, which no --pin names. Either the server has a new key"
        )
        self.assert_refused(self.client(wrong), words, None)

    def test_name_all_the_same(self) -> None:
        """A pinned key makes no wrong name good."""
        right = pin(load_certificates(self.certificates.server.certificate)[0])
        self.assert_refused(self.client(right, name="other.example"), "not for other.example", "0x800B010F")

    def test_words(self) -> None:
        """What is no fingerprint is refused when the client starts."""
        for text in ("", "sha256//", "A" * 43 + "=", "sha256//AAAA", "sha256//" + "A" * 44, "sha1//" + "A" * 43 + "="):
            self.assertRaises(ConfigError, parse_pin, text)


class RevocationTests(ServerCheckCase):
    """Revocation lists, if there are any: then a server that cannot be looked up is refused (RFC 9325 section 7.5)."""

    def setUp(self) -> None:
        """Write a list that names nobody."""
        super().setUp()
        self.now = datetime.now(UTC)
        self.path = self.certificates.authority.revoke()

    def client(self) -> ClientTLS:
        """Make a client with the lists as they are now."""
        lists = RevocationLists.load(self.path, self.certificates.trusted, self.now)
        return ClientTLS(NAME, self.certificates.trusted, None, revocation=lists, now=lambda: self.now.timestamp())

    def test_not_revoked(self) -> None:
        """Who is not on the list is good."""
        self.assertIsNone(self.meet(self.client()))

    def test_revoked(self) -> None:
        """Who is on it is not."""
        self.certificates.authority.revoke(self.certificates.server)
        self.assert_refused(self.client(), f"the certificate of CN={NAME} is revoked", "0x800B010C")

    def test_read_again(self) -> None:
        """A list that has changed holds for the next connection; one that cannot serve does not."""
        client = self.client()
        self.certificates.authority.revoke(self.certificates.server)
        self.assert_refused(client, "is revoked", "0x800B010C")
        self.path.write_text("rubbish")
        for _ in range(2):
            self.assert_refused(client, "is revoked", "0x800B010C")
        self.certificates.authority.revoke()
        self.assertIsNone(self.meet(client))

    def test_early(self) -> None:
        """A list dated ahead of the clock is tried again for each connection, and holds when its time has come."""
        client = self.client()
        self.certificates.authority.revoke(self.certificates.server, begin=timedelta(minutes=1))
        self.assertIsNone(self.meet(client))
        self.assertIn("is valid only from", client.problem or "")
        self.now += timedelta(minutes=2)  # the real clock, by which OpenSSL goes, is not there yet
        self.assert_refused(client, "is not valid yet", "0x80092013")
        self.assertIsNone(client.problem)

    def test_bad_moment(self) -> None:
        """A list that could not be read once is read for the next connection, though its file is the same."""

        def fails(path: str, flags: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        client = self.client()
        self.certificates.authority.revoke(self.certificates.server)
        patch = self.patch(certificates, "opener", fails)
        self.assertIsNone(self.meet(client))
        patch.restore()
        self.assert_refused(client, "is revoked", "0x800B010C")

    def test_expired(self) -> None:
        """With a list that has expired nobody is good: this fails hard, and names the list."""
        self.certificates.authority.revoke(begin=-timedelta(days=9), end=-timedelta(days=1))
        words = "cannot be checked, because the revocation list of CN=Laboratory CA has expired: renew it"
        self.assert_refused(self.client(), words, "0x80092013")

    def test_below_another(self) -> None:
        """An authority in between needs a list, too."""
        between = Authority(self.certificates.directory / "between", "Between CA", self.certificates.authority)
        server = ServerTLS(TLSSettings(credentials(between.server(NAME))))
        words = "there is no usable revocation list of CN=Between CA"
        self.assert_refused(self.client(), words, "0x80092013", server)


class LateRequestTests(ServerCheckCase):
    """Servers that ask for a certificate after the first handshake, as HTTP.sys does (RFC 5246 section 7.4.1.1)."""

    def ask_late(self, *, renegotiation: bool) -> tuple[CheckedConnection, SSL.Connection]:
        """Let a TLS 1.2 server ask, with the handshake behind it; return both ends when they have said all."""
        mine = credentials(self.certificates.client)
        tls = ClientTLS(NAME, self.certificates.trusted, mine, renegotiation=renegotiation)
        client = tls.clientConnectionForTLS(None)  # type: ignore[arg-type]  # not looked at
        assert isinstance(client, CheckedConnection)
        client.set_connect_state()
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # else the session would be resumed, without certificates
        credentials(self.certificates.server).install(context)
        server = SSL.Connection(context)
        server.set_accept_state()
        carry(client, server)
        self.assertFalse(client.renegotiation_refused)
        server.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self.assertTrue(server.renegotiate())
        carry(client, server)
        return client, server

    def test_refused(self) -> None:
        """Without permission the client does not renegotiate, and says what would help on either end."""
        client, server = self.ask_late(renegotiation=False)
        self.assertEqual((client.renegotiation_refused, server.get_peer_certificate()), (True, None))
        ended = Failure(SSL.Error([("SSL routines", "", "tls alert handshake failure")]))
        trouble = explain_end(ended, client, Stage.HTTP, answered=False)
        self.assertEqual((trouble.stage, trouble.code), (Stage.CERTIFICATE, "0x90320"))
        for words in ("--allow-renegotiation", "clientcertnegotiation=enable"):
            self.assertIn(words, trouble.sentence)

    def test_after_the_answer(self) -> None:
        """A request in the middle of a session is not what it ends by."""
        client, _ = self.ask_late(renegotiation=False)
        trouble = explain_end(Failure(ConnectionDone()), client, Stage.HTTP, answered=True)
        self.assertEqual(trouble, FailureReason(Stage.HTTP, "closed by the server"))

    def test_answered(self) -> None:
        """With permission the certificate is shown, and the server's is verified once more."""
        client, server = self.ask_late(renegotiation=True)
        shown = server.get_peer_certificate()
        assert shown
        found = shown.get_subject().CN, client.renegotiation_refused, client.check.failure
        self.assertEqual(("alice", False, None), found)


def carry(client: SSL.Connection, server: SSL.Connection) -> None:
    """Carry what the two have to say, until neither says anything more or one breaks off."""
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.Error):
                one.do_handshake()
                one.recv(1)
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))
