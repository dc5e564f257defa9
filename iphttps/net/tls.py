"""TLS: contexts from the operator's files, and what is said of a peer's certificate.

TLS 1.2 and 1.3, with ephemeral keys and authenticated encryption only (RFC 9325). A context is frozen once a
connection has used it: new files need a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..core.errors import ConfigError

CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""The suites of TLS 1.2; those of TLS 1.3 are all of this kind."""

_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS: an idle connection keeps no buffers


class PeerCheck:
    """What was found wrong with the peer's certificate, and who the peer is; one for each connection."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.failure: str | None = None

    def verify(self, certificate: x509.Certificate, code: int, depth: int, *, passed: bool) -> bool:
        """Decide about one certificate of the chain, after OpenSSL did; OpenSSL goes from the CA down."""
        if not passed:
            self.failure = self.failure or _sentence(certificate, code, depth)
            return False
        if depth == 0:
            wrong = self._wrong_name(certificate) if self.name else _wrong_client(certificate)
            self.failure = self.failure or wrong
        return self.failure is None

    def _wrong_name(self, certificate: x509.Certificate) -> str | None:
        assert self.name is not None
        wanted: DNS_ID | IPAddress_ID
        try:
            wanted = IPAddress_ID(str(ip_address(self.name)))
        except ValueError:
            wanted = DNS_ID(self.name)
        try:
            patterns = extract_patterns(certificate)
            verify_service_identity(patterns, obligatory_ids=[wanted], optional_ids=[])
        except (VerificationError, ValueError):
            return f"the certificate is for {_names(certificate)}, not for {self.name}"
        return None


class CheckedConnection(SSL.Connection):
    """The TLS side of one connection, with what was found out about the peer."""

    def __init__(self, context: SSL.Context, check: PeerCheck) -> None:
        super().__init__(context, None)
        self.check = check

    def identity(self) -> str | None:
        """Return the subject of the peer's certificate, printable, or None if it showed none."""
        certificate = self.get_peer_certificate(as_cryptography=True)
        return _subject(certificate) if certificate else None


def _wrong_client(certificate: x509.Certificate) -> str | None:
    """Say why a certificate is not one of a client; OpenSSL alone passes the CA's own, and one without usage."""
    extensions = certificate.extensions
    try:
        usages = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = set()
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        return f"the certificate of {_subject(certificate)} lacks the extended key usage clientAuth"
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return f"the certificate of {_subject(certificate)} is that of a certification authority"
    except x509.ExtensionNotFound:
        pass
    return None


def _sentence(certificate: x509.Certificate, code: int, depth: int) -> str:
    """Put OpenSSL's verification result (x509_vfy.h) into words."""
    of = f"the certificate of {_subject(certificate)}"
    match code:
        case 9:
            return f"{of} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: check the clock"
        case 10:
            return f"{of} has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        case 2 | 20 | 21:
            return f"{of} is issued by {_issuer(certificate)}, which is not among the trusted authorities"
        case 18:
            return f"{of} is signed by itself and is not among the trusted authorities"
        case 19:
            return f"the chain ends at {_subject(certificate)}, which is not among the trusted authorities"
        case 26:
            return f"{of} is not meant for this use: its extended key usage says otherwise"
        case _:
            return f"{of} failed verification with OpenSSL's code {code} at depth {depth}"


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string().encode("ascii", "backslashreplace").decode() or "(no subject)"


def _issuer(certificate: x509.Certificate) -> str:
    return certificate.issuer.rfc4514_string().encode("ascii", "backslashreplace").decode() or "(no issuer)"


def _names(certificate: x509.Certificate) -> str:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no name at all"
    texts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return ", ".join(texts).encode("ascii", "backslashreplace").decode() or "no name at all"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate chain, the own one first, and its private key."""

    chain: list[x509.Certificate]
    key: crypto.PKey

    @classmethod
    def load(cls, certificate: Path, private_key: Path) -> Credentials:
        """Read both from PEM files; raises ConfigError if they cannot serve, an expired one included."""
        chain = load_certificates(certificate)
        try:
            key = load_pem_private_key(_read(private_key), password=None)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{private_key} holds no private key in PEM form without a password") from error
        if key.public_key() != chain[0].public_key():
            raise ConfigError(
                f"{private_key} is not the key of {certificate}: give the key with which it was requested"
            )
        expiry = chain[0].not_valid_after_utc
        if expiry < datetime.now(UTC):
            raise ConfigError(f"{certificate} has expired on {expiry:%Y-%m-%d %H:%M} UTC: renew it")
        return cls(chain, crypto.PKey.from_cryptography_key(key))  # type: ignore[arg-type]  # SSL takes any

    def install(self, context: SSL.Context) -> None:
        """Have the context present this certificate."""
        context.use_certificate(crypto.X509.from_cryptography(self.chain[0]))
        for certificate in self.chain[1:]:
            context.add_extra_chain_cert(crypto.X509.from_cryptography(certificate))
        context.use_privatekey(self.key)


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates in a PEM file; raises ConfigError if there is none."""
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path} holds no certificate in PEM form") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _context(method: int, credentials: Credentials | None) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # a resumed session would skip the verification
    context.set_mode(_RELEASE_BUFFERS)
    if credentials:
        credentials.install(context)
    return context


def _verify(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, passed: int) -> bool:
    assert isinstance(connection, CheckedConnection)
    return connection.check.verify(certificate.to_cryptography(), code, depth, passed=bool(passed))


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """TLS on the server; with `client_ca` each client must show a certificate issued by it (3.2.1)."""

    def __init__(self, credentials: Credentials, client_ca: list[x509.Certificate] | None) -> None:
        context = _context(SSL.TLS_SERVER_METHOD, credentials)
        context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
        if client_ca is not None:
            _trust(context, client_ca)
            context.set_client_ca_list([crypto.X509.from_cryptography(ca).get_subject() for ca in client_ca])
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
        self._context = context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the TLS side of one connection."""
        return CheckedConnection(self._context, PeerCheck())


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """TLS on the client: verifies the server's chain against `ca`, or the system's, and its name (4.2.3)."""

    def __init__(self, name: str, ca: list[x509.Certificate] | None, credentials: Credentials | None) -> None:
        context = _context(SSL.TLS_CLIENT_METHOD, credentials)
        if ca is None:
            context.set_default_verify_paths()
        else:
            _trust(context, ca)
        context.set_verify(SSL.VERIFY_PEER, _verify)
        self._context = context
        self._name = name

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Make the TLS side of one connection, with SNI unless the server is named by an address."""
        connection = CheckedConnection(self._context, PeerCheck(self._name))
        try:
            ip_address(self._name)
        except ValueError:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        return connection


def _trust(context: SSL.Context, authorities: list[x509.Certificate]) -> None:
    store = context.get_cert_store()
    assert store is not None
    for authority in authorities:
        store.add_cert(crypto.X509.from_cryptography(authority))
