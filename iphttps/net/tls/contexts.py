"""TLS contexts of server and client.

TLS 1.2 and 1.3, with ephemeral keys and authenticated encryption only (RFC 9325), unless the operator allows
NULL cipher suites. A context is frozen once a connection has used it: new settings need a new context.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from time import time

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ...core.errors import ConfigError
from ...pki.certificates import Credentials, subject
from ...pki.lenient import as_openssl
from ...pki.revocation import RevocationLists
from ...pki.verification import CheckedConnection, ClientCheck, PeerCheck, ServerCheck, observe, verify
from .revocation_reload import RevocationReload
from .suite_choice import ChoosingConnection

__all__ = ["ALPN", "CIPHERS", "NULL_CIPHERS", "ClientTLS", "NullEncryption", "ServerTLS", "TLSSettings"]

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The TLS 1.2 suites; all TLS 1.3 suites are of this kind."""

NULL_CIPHERS = "NULL-SHA256:NULL-SHA"
"""TLS_RSA_WITH_NULL_SHA256 and TLS_RSA_WITH_NULL_SHA, which Windows 8 and later prefer."""

ALPN = b"http/1.1"  # RFC 7301 section 6

_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS: an idle connection keeps no buffers
_PARTIAL_WRITE = 0x01  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets: one call would write one record


class NullEncryption(Enum):
    """The server's use of cipher suites without encryption."""

    OFF = "off"
    ACCEPT = "accept"
    PREFER = "prefer"


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """The operator's TLS settings of a server.

    With `client_ca` the server requests a certificate of each client, and the handshake fails if it is missing or bad
    (3.2.1). With `certificate_optional` it may be missing: the service for the request then decides (RFC 8446 section
    4.4.2.4).
    """

    credentials: Credentials
    client_ca: list[x509.Certificate] | None = None
    revocation: RevocationLists | None = None
    null_encryption: NullEncryption = NullEncryption.OFF
    certificate_optional: bool = False


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """The server's side of TLS; its settings can be changed at any time, for new connections.

    `changed` is called after each change, to end the sessions whose certificates are no longer acceptable.
    """

    def __init__(self, settings: TLSSettings, now: Callable[[], float] = time) -> None:
        self.changed: Callable[[], None] = _nothing
        self.now = now
        """Returns the time of day in seconds since 1970."""
        self._contexts = _server_contexts(settings)
        self._put(settings)

    def _put(self, settings: TLSSettings) -> None:
        self._settings = settings
        self._trusted = frozenset(settings.client_ca or ())
        self._store: crypto.X509Store | None = None

    @property
    def settings(self) -> TLSSettings:
        """The settings in force."""
        return self._settings

    def change(self, settings: TLSSettings) -> None:
        """Apply new settings to new connections.

        Raises:
            ConfigError: The settings cannot be used; the old ones stay in force.
        """
        self._contexts = _server_contexts(settings)
        self._put(settings)
        self.changed()

    @property
    def lists(self) -> RevocationLists | None:
        """The revocation lists in force."""
        return self._settings.revocation

    def trusts(self, anchor: x509.Certificate, connection: SSL.Connection) -> bool:
        """Return whether the peer's chain, verified in the handshake up to `anchor`, is trusted now.

        It still is if the authority's certificate was renewed with the same key. In mode None every peer is trusted.
        """
        client_ca = self._settings.client_ca
        if client_ca is None or anchor in self._trusted:
            return True
        if self._store is None:
            self._store = _trusting(crypto.X509Store(), client_ca)
        leaf = connection.get_peer_certificate()
        if leaf is None:
            return False
        try:
            crypto.X509StoreContext(self._store, leaf, connection.get_peer_cert_chain()).verify_certificate()
        except crypto.X509StoreContextError:
            return False
        return True

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return the TLS connection object for one connection."""
        check = PeerCheck() if self._settings.client_ca is None else ClientCheck(self)
        usual, bare = self._contexts
        if bare is None:
            return CheckedConnection(usual, check)
        return ChoosingConnection(usual, bare, check, prefer=self._settings.null_encryption is NullEncryption.PREFER)


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """The client's side of TLS: verifies the server's chain against `ca` or the system's store, and its name (4.2.3).

    With `pins`, the server's key must be one of them as well. `renegotiation` lets a TLS 1.2 server request the
    client's certificate after the first handshake. The revocation lists, which need `ca`, are read again for a new
    connection if their file has changed. `now` returns the time of day. `ca_option` is the name of the option for
    authorities, for error sentences.
    """

    def __init__(
        self,
        name: str,
        ca: list[x509.Certificate] | None,
        credentials: Credentials | None,
        *,
        revocation: RevocationLists | None = None,
        pins: frozenset[str] = frozenset(),
        renegotiation: bool = False,
        now: Callable[[], float] = time,
        ca_option: str = "",
    ) -> None:
        # A name may end in a dot (RFC 6066 section 3), an address in a zone index; certificates have neither.
        self._name = name.removesuffix(".").partition("%")[0]
        self._ca = ca
        self._authorities = _doubts(ca_option, given=ca is not None)
        self._credentials = credentials
        self._revocation = revocation
        self._pins = pins
        self._renegotiation = renegotiation
        self._reload = RevocationReload(now, self._use)
        self._context = self._new_context(revocation)

    @property
    def problem(self) -> str | None:
        """The reason why the file's present lists are not in force, or None."""
        return self._reload.problem

    @property
    def revocation(self) -> RevocationLists | None:
        """The revocation lists in force."""
        return self._revocation

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return the TLS connection object for one connection, with SNI unless the host is an IP address."""
        if self._revocation:
            self._reload.look(self._revocation)
        connection = CheckedConnection(self._context, ServerCheck(self._name, self._pins, self._authorities))
        try:
            ip_address(self._name)
        except ValueError:
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        return connection

    def _use(self, lists: RevocationLists) -> None:
        self._context = self._new_context(lists)
        self._revocation = lists

    def _new_context(self, revocation: RevocationLists | None) -> SSL.Context:
        context = _context(SSL.TLS_CLIENT_METHOD, self._credentials, renegotiation=self._renegotiation)
        context.set_cipher_list(CIPHERS.encode("ascii"))
        if self._ca is None:
            context.set_default_verify_paths()
        else:
            store = _trust(context, self._ca)
            if revocation:
                revocation.install(store)
        context.set_verify(SSL.VERIFY_PEER, verify)
        return context


def _doubts(option: str, *, given: bool) -> str:
    """Return a phrase with the possible cause if a server's authority is not trusted."""
    if not option:
        return "the authority is private"
    return f"{option} is the wrong file" if given else f"the authority is private (set {option})"


def _server_contexts(settings: TLSSettings) -> tuple[SSL.Context, SSL.Context | None]:
    """Return the normal context, and the one for NULL suites if they are allowed."""
    usual = _server_context(settings, CIPHERS)
    if settings.null_encryption is NullEncryption.OFF:
        return usual, None
    _check_fit_for_null(settings.credentials.chain[0])
    return usual, _server_context(settings, f"{NULL_CIPHERS}:@SECLEVEL=0")


def _server_context(settings: TLSSettings, suites: str) -> SSL.Context:
    context = _context(SSL.TLS_SERVER_METHOD, settings.credentials)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_alpn_select_callback(_choose_protocol)  # not called for clients without ALPN, such as Windows
    context.set_cipher_list(suites.encode("ascii"))
    if settings.null_encryption is NullEncryption.PREFER:
        # The version is negotiated before the suite, and TLS 1.3 has no NULL suites.
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    if settings.client_ca is not None:
        store = _trust(context, settings.client_ca)
        if settings.revocation:
            settings.revocation.install(store)
        context.set_client_ca_list([as_openssl(ca).get_subject() for ca in settings.client_ca])
        none_fails = 0 if settings.certificate_optional else SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        context.set_verify(SSL.VERIFY_PEER | none_fails, verify)
    return context


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> bytes:
    """Choose HTTP/1.1, or end the handshake with the alert no_application_protocol (RFC 7301 section 3.2).

    pyOpenSSL turns an exception into that alert and raises it from the handshake, so it has the form of OpenSSL's own.
    """
    if ALPN not in offered:
        raise SSL.Error([("SSL routines", "", "no application protocol")])
    return ALPN


def _check_fit_for_null(certificate: x509.Certificate) -> None:
    """Raise ConfigError for a server certificate that cannot be used with NULL suites.

    All of them use RSA key exchange (RFC 5246 appendix A.5).
    """
    of = f"--null-encryption needs an RSA certificate, and that of {subject(certificate)}"
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise ConfigError(f"{of} has another type of key: have one issued for an RSA key")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_encipherment:
        raise ConfigError(f"{of} lacks the key usage keyEncipherment: have one issued with it")


def _context(method: int, credentials: Credentials | None, *, renegotiation: bool = False) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | (0 if renegotiation else SSL.OP_NO_RENEGOTIATION))
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # a resumed session would skip verification
    context.set_mode(_RELEASE_BUFFERS)
    context.clear_mode(_PARTIAL_WRITE)
    context.set_info_callback(observe)
    if credentials:
        try:
            credentials.install(context)
        except SSL.Error as error:
            words = error.args[0][-1][2] if error.args and error.args[0] else "no reason given"
            raise ConfigError(f"TLS cannot use the certificate of {subject(credentials.chain[0])}: {words}") from error
    return context


def _trust(context: SSL.Context, authorities: list[x509.Certificate]) -> crypto.X509Store:
    store = context.get_cert_store()
    assert store is not None
    return _trusting(store, authorities)


def _trusting(store: crypto.X509Store, authorities: list[x509.Certificate]) -> crypto.X509Store:
    for authority in authorities:
        store.add_cert(as_openssl(authority))
    return store


def _nothing() -> None:
    """Do nothing after a change."""
