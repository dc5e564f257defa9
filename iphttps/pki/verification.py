"""What is found out about a peer in the TLS handshake: whether its certificate is good, and who it is."""

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
"""What Windows shows (winerror.h) for OpenSSL's verification results (x509_vfy.h)."""


class Trust(Protocol):
    """What clients' certificates are judged by as long as their sessions last."""

    @property
    def lists(self) -> RevocationLists | None:
        """The revocation lists in force."""

    def now(self) -> float:
        """Return the time of day."""

    def trusts(self, anchor: x509.Certificate, connection: SSL.Connection) -> bool:
        """Tell whether the peer's chain, which led to this authority, leads to a trusted one now."""


class PeerCheck:
    """What was found wrong with the peer's certificate; one for each connection. This one asks nothing of a peer."""

    __slots__ = ("_ends_with", "code", "failure", "identity", "until")

    _own, _above = "its certificate", "a certificate of its chain"

    def __init__(self) -> None:
        self.failure: str | None = None
        self.code: str | None = None
        """What Windows shows for the failure, if that is known."""
        self.identity: Identity | None = None
        self.until = inf
        """When the peer is not welcome any more, in seconds since 1970."""
        self._ends_with = ""

    def verify(self, der: bytes, code: int, depth: int, *, passed: bool) -> bool:
        """Decide about one certificate of the chain, after OpenSSL did; OpenSSL goes from the CA down.

        Whatever a peer has written there, this does not raise: Twisted would log a traceback for each connection.
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
        """Say why OpenSSL did not pass a certificate."""
        self.code = _CODES.get(code)
        return _sentence(certificate, code, depth)

    def _fault(self, certificate: x509.Certificate, depth: int) -> str | None:
        """Say what is wrong with a certificate that OpenSSL passed."""
        return None

    def objection(self, connection: SSL.Connection) -> str | None:
        """Say why the peer, whose certificate was good in the handshake, is not welcome any more."""
        return None

    def expired(self, now: float) -> str | None:
        """Say which certificate of the peer's chain has expired at the time of day `now`, and when."""
        if now > self.until:
            return f"{self._ends_with} has expired on {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M} UTC"
        return None

    def _ends(self, certificate: x509.Certificate, depth: int) -> None:
        """Note when a certificate of the chain ends: the first end counts (RFC 5280 section 4.1.2.5)."""
        if (until := certificate.not_valid_after_utc.timestamp()) < self.until:
            self.until = until
            self._ends_with = self._above if depth else self._own


class ServerCheck(PeerCheck):
    """The client's check of a server: its certificate must be for the name in the URI (4.2.3), the key pinned.

    `authorities` says in a sentence what may be wrong with those that are trusted.
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
            case 18 | 19:  # the chain is whole, up to a root
                return f"{sentence}: a proxy in between intercepts TLS, or {self._authorities}"
            case 2 | 20 | 21:  # nobody knows what is above
                return (
                    f"{sentence}: a proxy in between intercepts TLS, {self._authorities}, or the server fails "
                    "to show that issuer's certificate"
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
            if isinstance(wanted, IPAddress_ID) and self._name in certificates.names(certificate):
                return (
                    f"the certificate has {self._name} as a host's name and not as an IP address (RFC 9110 section "
                    "4.3.5): have it renewed with the address as one"
                )
            return (
                f"the certificate is for {certificates.hosts(certificate)}, not for {self._name}: "
                "use a name that is in it, or have it renewed with this one"
            )
        return None

    def _wrong_key(self, certificate: x509.Certificate) -> str | None:
        seen = certificates.pin(certificate)
        if not self._pins or seen in self._pins:
            return None
        return (
            f"the certificate of {certificates.subject(certificate)} has the key {seen}, which no --pin names: a proxy "
            "in between intercepts TLS, or the server has a new key"
        )


class ClientCheck(PeerCheck):
    """The server's check of a client: the certificate must be a client's, and must not be revoked (3.2.5.1)."""

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
            self._anchor = certificate  # OpenSSL begins at the top of the chain
        self._ends(certificate, depth)
        if depth == 0:
            self.identity = certificates.identity(certificate)
            self.shown = shown
        return weakness(certificate) or (wrong_client(certificate) if depth == 0 else None)

    def objection(self, connection: SSL.Connection) -> str | None:
        """Say whether a certificate of the chain has expired, is revoked, or is not trusted any more."""
        lists = self._trust.lists
        if lists and any(lists.revokes(issuer, serial) for issuer, serial in self._chain):
            return "its certificate is revoked"
        if sentence := self.expired(self._trust.now()):
            return sentence
        if self._anchor and not self._trust.trusts(self._anchor, connection):
            return f"its authority {certificates.subject(self._anchor)} is not trusted any more"
        return None


class CheckedConnection(SSL.Connection):
    """The TLS side of one connection, with what was found out about the peer."""

    def __init__(self, context: SSL.Context, check: PeerCheck) -> None:
        super().__init__(context, None)
        self.check = check
        self.heard: Callable[[], None] | None = None
        """Called for each message of TLS itself after the handshake, the peer's or ours, such as KeyUpdate."""
        self.asked_again = False
        """Whether the peer has asked for another handshake, and was told that there is none (RFC 5246 7.2.2)."""

    def objection(self) -> str | None:
        """Say why the peer is not welcome any more, if it is not."""
        return self.check.objection(self)

    @property
    def suite(self) -> str:
        """The version and the cipher suite agreed on."""
        return f"{self.get_protocol_version_name()} {self.get_cipher_name() or 'without a suite'}"


@lru_cache(64)
def _above(der: bytes) -> x509.Certificate:
    """Read the certificate of an authority; thousands of clients have few."""
    return lenient.certificate(der)


@lru_cache(256)
def _shared(name: x509.Name) -> x509.Name:
    """Return the first name that was equal to this one: thousands of clients have few authorities."""
    return name


def verify(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, passed: int) -> bool:
    """Have the connection's own check decide; this is what OpenSSL calls."""
    assert isinstance(connection, CheckedConnection)
    der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
    return connection.check.verify(der, code, depth, passed=bool(passed))


def note(connection: SSL.Connection, where: int, detail: int) -> None:
    """Note what a connection's owner wants to know of its inner life; this is what OpenSSL calls."""
    assert isinstance(connection, CheckedConnection)
    if where & SSL.SSL_CB_EXIT and connection.heard:
        connection.heard()
    if where == SSL.SSL_CB_WRITE_ALERT and detail & 0xFF == _NO_RENEGOTIATION:
        connection.asked_again = True


_NO_RENEGOTIATION = 100  # RFC 5246 section 7.2


def _patterns(certificate: x509.Certificate) -> Iterator[DNSPattern | IPAddressPattern]:
    """Go through the names of hosts that a certificate is for; one that is none does not spoil the others."""
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
    """Say why a certificate is not one of a client; OpenSSL alone passes the CA's own, and one without usage."""
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
            return f"{of} is that of a certification authority"
    except x509.ExtensionNotFound:
        pass
    if certificates.identity(certificate) == Identity(""):
        return "the certificate names nobody: it has neither a subject nor an alternative name"
    return None


def weakness(certificate: x509.Certificate) -> str | None:
    """Say if a key or signature is too weak; OpenSSL does not look where NULL suites need security level 0."""
    of = f"the certificate of {certificates.subject(certificate)}"
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey | ec.EllipticCurvePublicKey):
        least = LEAST_EC_BITS if isinstance(key, ec.EllipticCurvePublicKey) else LEAST_RSA_BITS
        if key.key_size < least:
            return f"{of} has a key of {key.key_size} bits, where at least {least} are demanded"
    rooted = certificate.issuer == certificate.subject  # nobody relies on the signature of a root
    if not rooted and isinstance(certificate.signature_hash_algorithm, hashes.MD5 | hashes.SHA1):
        return f"{of} is signed with {certificate.signature_hash_algorithm.name}, which is broken"
    return None


def _sentence(certificate: x509.Certificate, code: int, depth: int) -> str:
    """Put OpenSSL's verification result (x509_vfy.h) into words."""
    of = f"the certificate of {certificates.subject(certificate)}"
    issuer = certificates.issuer(certificate)
    match code:
        case 9:
            return f"{of} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: check the clock"
        case 10:
            return f"{of} has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        case 2 | 20 | 21:
            return f"{of} is issued by {issuer}, which is not among the trusted authorities"
        case 18:
            return f"{of} is signed by itself and is not among the trusted authorities"
        case 19:
            return f"the chain ends at {certificates.subject(certificate)}, which is not among the trusted authorities"
        case 26:
            return f"{of} is not meant for this use: its extended key usage says otherwise"
        case 23:
            return f"{of} is revoked"
        case 12:
            return f"{of} cannot be checked, because the revocation list of {issuer} has expired: renew it"
        case 11:
            return f"{of} cannot be checked, because the revocation list of {issuer} is not valid yet: check the clock"
        case 3 | 8 | 33 | 35 | 36 | 44:
            return f"{of} cannot be checked, because there is no revocation list of {issuer} that can be used for it"
        case 47 | 48:
            return f"{of} is for names outside the names that its authority may vouch for (name constraints)"
        case 66 | 67 | 68:
            return f"{of} has a key or a signature that is too weak"
        case _:
            return f"{of} failed verification with OpenSSL's code {code} at depth {depth}"
