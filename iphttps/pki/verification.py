"""Verification of the peer's certificate in the TLS handshake, and the peer's identity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import inf
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID, IPAddressPattern, verify_service_identity

from ..core.identity import Identity
from . import certificates, lenient
from .lenient import UNREADABLE
from .revocation import RevocationLists

LEAST_RSA_BITS = 2048  # NIST SP 800-57 part 1 table 2: 112 bits of security, as OpenSSL's level 2
LEAST_EC_BITS = 224

_UNTRUSTED = "0x800B0109"
EXPIRED = "0x800B0101"
_WRONG_NAME = "0x800B010F"
_WRONG_USE = "0x800B0110"
_REVOKED = "0x800B010C"
_REVOCATION_OFFLINE = "0x80092013"
_CODES = {
    **dict.fromkeys((2, 18, 19, 20, 21), _UNTRUSTED),
    **dict.fromkeys((9, 10), EXPIRED),
    26: _WRONG_USE,
    23: _REVOKED,
    **dict.fromkeys((3, 8, 11, 12, 33, 35, 36, 44), _REVOCATION_OFFLINE),
}
"""Windows error codes (winerror.h) by OpenSSL verification result (x509_vfy.h)."""


class Trust(Protocol):
    """The trust settings in force, which client certificates must satisfy for the whole session."""

    @property
    def lists(self) -> RevocationLists | None:
        """The revocation lists in force."""

    def now(self) -> float:
        """Return the time of day in seconds since 1970."""

    def trusts(self, anchor: x509.Certificate, connection: SSL.Connection) -> bool:
        """Tell whether the peer's chain, verified in the handshake up to `anchor`, is trusted now."""


class PeerCheck:
    """The result of verifying one connection's peer. This base class makes no demands of its own on the peer."""

    __slots__ = ("_ends_with", "code", "failure", "identity", "until")

    _own, _above = "its certificate", "a certificate of its chain"

    def __init__(self) -> None:
        self.failure: str | None = None
        self.code: str | None = None
        """The Windows error code for the failure, if known."""
        self.identity: Identity | None = None
        self.until = inf
        """The earliest expiry of a certificate in the peer's chain, in seconds since 1970."""
        self._ends_with = ""

    def verify(self, der: bytes, code: int, depth: int, *, passed: bool) -> bool:
        """Return whether a certificate of the chain is accepted; OpenSSL's result is `passed` and `code`.

        OpenSSL calls this for each certificate from the root (highest `depth`) down to the leaf (0). A malformed
        certificate does not raise: Twisted would log a traceback for each such connection.
        """
        if self.failure is None:
            try:
                certificate = lenient.certificate(der) if depth == 0 else _above(der)
                self.failure = self._fault(certificate, depth) if passed else self._refusal(certificate, code, depth)
            except UNREADABLE:
                self.code = None if passed else _CODES.get(code)
                self.failure = f"the certificate at depth {depth} of the chain is malformed"
        return self.failure is None

    def _refusal(self, certificate: x509.Certificate, code: int, depth: int) -> str:
        """Return a sentence that says why OpenSSL rejected a certificate."""
        self.code = _CODES.get(code)
        return _sentence(certificate, code, depth)

    def _fault(self, certificate: x509.Certificate, depth: int) -> str | None:
        """Return a sentence that says why a certificate that OpenSSL accepted is rejected, or None."""
        return None

    def objection(self, connection: SSL.Connection) -> str | None:
        """Return a sentence that says why a peer accepted in the handshake is no longer acceptable, or None."""
        return None

    def expired(self, now: float) -> str | None:
        """Return a sentence if a certificate of the chain has expired at `now`, seconds since 1970, else None."""
        if now > self.until:
            return f"{self._ends_with} expired on {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M} UTC"
        return None

    def _ends(self, certificate: x509.Certificate, depth: int) -> None:
        """Record when a certificate of the chain expires: the earliest counts (RFC 5280 section 4.1.2.5)."""
        if (until := certificate.not_valid_after_utc.timestamp()) < self.until:
            self.until = until
            self._ends_with = self._above if depth else self._own


class ServerCheck(PeerCheck):
    """The client's check of a server: the certificate must match the host in the URI (4.2.3), its key one of `pins`.

    Without `pins` any key is accepted. `authorities` is a phrase for error sentences: the possible fault in the
    trusted authorities.
    """

    _own, _above = "the server's certificate", "a certificate of the server's chain"

    def __init__(self, name: str, pins: frozenset[str], authorities: str) -> None:
        super().__init__()
        self._authorities = authorities
        self._name = name
        self._pins = pins

    def _refusal(self, certificate: x509.Certificate, code: int, depth: int) -> str:
        sentence = super()._refusal(certificate, code, depth)
        match code:
            case 18 | 19:  # the chain is complete, up to a root
                return f"{sentence}. Either {self._authorities}, or a proxy intercepts TLS"
            case 2 | 20 | 21:  # the issuer's certificate is missing
                return (
                    f"{sentence}. Either {self._authorities}, the server does not send its intermediate certificate, or"
                    " a proxy intercepts TLS"
                )
            case 10:
                return f"{sentence}: tell its administrator, or check this host's clock"
        return sentence

    def _fault(self, certificate: x509.Certificate, depth: int) -> str | None:
        self._ends(certificate, depth)
        return self._wrong_name(certificate) or self._wrong_key(certificate) if depth == 0 else None

    def _wrong_name(self, certificate: x509.Certificate) -> str | None:
        wanted: DNS_ID | IPAddress_ID
        try:
            wanted = IPAddress_ID(str(ip_address(self._name)))
        except ValueError:
            wanted = DNS_ID(self._name)
        try:
            verify_service_identity(list(_patterns(certificate)), obligatory_ids=[wanted], optional_ids=[])
        except (VerificationError, CertificateError, ValueError):
            self.code = _WRONG_NAME
            if isinstance(wanted, IPAddress_ID) and self._name in certificates.alternative_names(certificate):
                return (
                    f"the certificate has {self._name} as a DNS name and not as an IP address (RFC 9110 section "
                    "4.3.5): renew it with the address as an IP address"
                )
            return (
                f"the certificate is for {certificates.hosts(certificate)}, not for {self._name}: "
                f"connect by a name in the certificate, or issue one that includes {self._name}"
            )
        return None

    def _wrong_key(self, certificate: x509.Certificate) -> str | None:
        seen = certificates.pin(certificate)
        if not self._pins or seen in self._pins:
            return None
        return (
            f"the certificate of {certificates.subject(certificate)} has the key {seen}, which no --pin names. Either "
            "the server has a new key, or a proxy intercepts TLS"
        )


class ClientCheck(PeerCheck):
    """The server's check of a client: the certificate must be for clients and not revoked (3.2.5.1)."""

    __slots__ = ("_anchor", "_chain", "_trust", "shown")

    def __init__(self, trust: Trust) -> None:
        super().__init__()
        self._trust = trust
        self._anchor: x509.Certificate | None = None
        self._chain: tuple[tuple[x509.Name, int], ...] = ()
        self.shown: tuple[x509.Name, int] | None = None
        """The issuer and the serial number of the client's own certificate."""

    def _fault(self, certificate: x509.Certificate, depth: int) -> str | None:
        shown = _shared(certificate.issuer), certificate.serial_number
        self._chain = (*self._chain, shown)
        if self._anchor is None:
            self._anchor = certificate  # OpenSSL verifies from the root down
        self._ends(certificate, depth)
        if depth == 0:
            self.identity = certificates.identity(certificate)
            self.shown = shown
        return weakness(certificate) or (wrong_client(certificate) if depth == 0 else None)

    def objection(self, connection: SSL.Connection) -> str | None:
        """Return a sentence if a certificate of the chain is now revoked, expired or no longer trusted."""
        lists = self._trust.lists
        if lists and any(lists.revokes(issuer, serial) for issuer, serial in self._chain):
            return "its certificate is revoked"
        if sentence := self.expired(self._trust.now()):
            return sentence
        if self._anchor and not self._trust.trusts(self._anchor, connection):
            return f"its authority {certificates.subject(self._anchor)} is no longer trusted"
        return None


class CheckedConnection(SSL.Connection):
    """The TLS state of one connection, with the check of its peer."""

    def __init__(self, context: SSL.Context, check: PeerCheck) -> None:
        super().__init__(context, None)
        self.check = check
        self.heard: Callable[[], None] | None = None
        """Called for each TLS handshake message after the handshake, sent or received, such as KeyUpdate."""
        self.renegotiation_refused = False
        """True if the peer requested renegotiation and was rejected (RFC 5246 section 7.2.2)."""

    def objection(self) -> str | None:
        """Return a sentence that says why the peer is no longer acceptable, or None."""
        return self.check.objection(self)

    @property
    def suite(self) -> str:
        """The negotiated TLS version and cipher suite."""
        return f"{self.get_protocol_version_name()} {self.get_cipher_name() or 'without a suite'}"


@lru_cache(64)
def _above(der: bytes) -> x509.Certificate:
    """Parse the certificate of an authority; cached, since thousands of clients share few authorities."""
    return lenient.certificate(der)


@lru_cache(256)
def _shared(name: x509.Name) -> x509.Name:
    """Return one shared object for equal names, to save memory: thousands of clients share few authorities."""
    return name


def verify(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, passed: int) -> bool:
    """Let the connection's check decide; OpenSSL's verification callback."""
    assert isinstance(connection, CheckedConnection)
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return connection.check.verify(der, code, depth, passed=bool(passed))


def observe(connection: SSL.Connection, where: int, detail: int) -> None:
    """Report handshake messages to the connection's owner, and record a rejected renegotiation; OpenSSL calls this."""
    assert isinstance(connection, CheckedConnection)
    if where & SSL.SSL_CB_EXIT and connection.heard:
        connection.heard()
    if where == SSL.SSL_CB_WRITE_ALERT and detail & 0xFF == _NO_RENEGOTIATION:
        connection.renegotiation_refused = True


_NO_RENEGOTIATION = 100  # RFC 5246 section 7.2


def _patterns(certificate: x509.Certificate) -> Iterator[DNSPattern | IPAddressPattern]:
    """Yield the DNS names and IP addresses of a certificate; invalid ones are skipped."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in names:
        match name:
            case x509.DNSName(value=text):
                try:
                    yield DNSPattern.from_bytes(text.encode("ascii"))
                except (CertificateError, ValueError):
                    continue
            case x509.IPAddress(value=IPv4Address() | IPv6Address() as address):
                yield IPAddressPattern(address)


def wrong_client(certificate: x509.Certificate) -> str | None:
    """Return a sentence if a certificate is not a client's; OpenSSL alone accepts a CA's, and one without usage."""
    extensions = certificate.extensions
    of = f"the certificate of {certificates.subject(certificate)}"
    try:
        usages = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = set()
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usages:
        return f"{of} lacks the extended key usage clientAuth"
    try:
        if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return f"{of} is a CA certificate"
    except x509.ExtensionNotFound:
        pass
    if certificates.identity(certificate) == Identity(""):
        return "the certificate has neither a subject nor an alternative name"
    return None


def weakness(certificate: x509.Certificate) -> str | None:
    """Return a sentence if key or signature is too weak; OpenSSL does not check at security level 0 (NULL suites)."""
    of = f"the certificate of {certificates.subject(certificate)}"
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey):
        least = LEAST_EC_BITS if isinstance(key, ec.EllipticCurvePublicKey) else LEAST_RSA_BITS
        if key.key_size < least:
            return f"{of} has a key of {key.key_size} bits; at least {least} are required"
    rooted = certificate.issuer == certificate.subject  # the signature of a root is not used
    if not rooted and isinstance(certificate.signature_hash_algorithm, hashes.MD5 | hashes.SHA1):
        return f"{of} is signed with {certificate.signature_hash_algorithm.name}, which is broken"
    return None


def _sentence(certificate: x509.Certificate, code: int, depth: int) -> str:
    """Return a sentence for OpenSSL's verification result (x509_vfy.h)."""
    of = f"the certificate of {certificates.subject(certificate)}"
    issuer = certificates.issuer(certificate)
    match code:
        case 9:
            return f"{of} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: check the clock"
        case 10:
            return f"{of} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        case 2 | 20 | 21:
            return f"{of} is issued by {issuer}, which is not trusted"
        case 18:
            return f"{of} is self-signed and not trusted"
        case 19:
            return f"the chain ends at {certificates.subject(certificate)}, which is not trusted"
        case 26:
            return f"{of} is not meant for this use: its extended key usage does not allow it"
        case 23:
            return f"{of} is revoked"
        case 12:
            return f"{of} cannot be checked, because the revocation list of {issuer} has expired: renew it"
        case 11:
            return f"{of} cannot be checked, because the revocation list of {issuer} is not valid yet: check the clock"
        case 3 | 8 | 33 | 35 | 36 | 44:
            return f"{of} cannot be checked, because there is no usable revocation list of {issuer}"
        case 47 | 48:
            return f"{of} has names outside the name constraints of its authority"
        case 66 | 67 | 68:
            return f"{of} has a key or a signature that is too weak"
        case _:
            return f"{of} failed verification with OpenSSL's code {code} at depth {depth}"
