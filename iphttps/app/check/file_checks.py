"""Checks of the configured files: certificates, keys, revocation lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ...core.errors import ConfigError
from ...net.interfaces import IReactor
from ...net.tls.contexts import ServerTLS
from ...pki.authorities import CLIENT_AUTH, SERVER_AUTH, anchored, read_bundle
from ...pki.certificates import (
    UNREADABLE,
    Credentials,
    alternative_names,
    expired,
    hosts,
    issuer,
    load_certificates,
    subject,
)
from ...pki.lenient import original
from ...pki.list_scope import names_distribution_point
from ...pki.revocation import RevocationLists
from ...pki.verification import weakness, wrong_client
from ..config.addresses.identity_addresses import identities
from ..config.client_config import ClientConfig
from ..config.clients.tunnel_config import TunnelConfig
from ..config.daemon_config import DaemonConfig
from ..config.proxy_options import ProxyAccess
from ..config.reload import digest, file_options
from ..config.secrets.key_exposure import exposed
from ..config.server_config import ServerConfig
from ..daemon.client import servers
from ..daemon.server_tls import null_warning, tls_settings
from .findings import Findings, Severity
from .sstp_checks import check_users

NOTICE = timedelta(days=14)
"""A certificate that expires within this time gets a warning."""


def check_server_files(config: ServerConfig, findings: Findings, now: datetime) -> None:
    """Load the files of the server in the same way as the daemon, then check their content."""
    readable = {
        name: findings.attempt(name, partial(digest, config, name)) is not None for name in file_options(config)
    }
    if readable["certificate"] and readable["private-key"]:
        _check_credentials(config, findings, now, ExtendedKeyUsageOID.SERVER_AUTH)
    authorities = _check_authorities(config, findings, now, "client-ca", CLIENT_AUTH) if readable["client-ca"] else None
    if readable["client-crl"] and authorities:
        _check_lists(config, findings, now, "client-crl", authorities)
    if readable["identity-addresses"]:
        findings.attempt("identity-addresses", lambda: identities(config))
    if readable["sstp-users"]:
        check_users(config, findings)
    if not findings.errors:
        settings = findings.attempt("certificate", lambda: tls_settings(config))
        if settings:
            findings.attempt("null-encryption", lambda: ServerTLS(settings))
        findings.add(Severity.WARNING, "null-encryption", null_warning(settings))


def check_client_files(config: ClientConfig, findings: Findings, now: datetime) -> None:
    """Load the files of the IP-HTTPS client in the same way as the daemon, then check their content."""
    check_trust(config, findings, now)
    certificate, key = (_readable(config, findings, name) for name in ("certificate", "private-key"))
    if certificate and key:
        _check_credentials(config, findings, now, ExtendedKeyUsageOID.CLIENT_AUTH)
    if not findings.errors:
        from twisted.internet import reactor  # created but not run

        findings.attempt("uri", lambda: servers(cast(IReactor, reactor), config))


def check_trust(config: TunnelConfig, findings: Findings, now: datetime) -> None:
    """Check what both clients have: the proxy's files, the authorities and revocation lists, and the URIs."""
    findings.attempt("proxy-credentials", lambda: ProxyAccess(config))
    readable = _readable(config, findings, "ca")
    authorities = _check_authorities(config, findings, now, "ca", SERVER_AUTH) if readable else None
    if _readable(config, findings, "crl") and authorities:
        _check_lists(config, findings, now, "crl", authorities)
    for uri in config.uri:
        if not uri.secure:
            findings.add(Severity.WARNING, "uri", f"{uri} is plain HTTP: packets are not encrypted")


def _readable(config: DaemonConfig, findings: Findings, name: str) -> bool:
    return findings.attempt(name, partial(config.file, name)) is not None


def _check_credentials(config: DaemonConfig, findings: Findings, now: datetime, usage: x509.ObjectIdentifier) -> None:
    certificate, key = config.path("certificate"), config.path("private-key")
    if certificate is None or key is None:
        return
    findings.attempt("certificate", lambda: Credentials.load(certificate, key))
    findings.add(Severity.WARNING, "private-key", exposed(key))
    chain = findings.attempt("certificate", lambda: load_certificates(certificate)) or []
    needed = _needed([each for each in chain if not _understood(each, certificate)], now)
    for depth, each in enumerate(chain):
        severity = Severity.ERROR if depth == 0 or each in needed else Severity.WARNING
        findings.add(severity, "certificate", _understood(each, certificate))
        if not _understood(each, certificate):
            # The daemon reports the expiry of its own certificate itself.
            own = expired(certificate, each, now) if depth == 0 else None
            findings.add(Severity.ERROR, "certificate", own)
            if not own:
                _check_validity(findings, "certificate", each, now, severity)
            findings.add(severity, "certificate", weakness(each))
            if depth == 0:
                wrong = _wrong_server(each) if usage == ExtendedKeyUsageOID.SERVER_AUTH else wrong_client(each)
                findings.add(Severity.ERROR, "certificate", wrong)
    for below, above in pairwise(chain):
        if not _issued(below, above):
            sentence = (
                f"{certificate}: the certificate of {subject(below)} is followed by that of {subject(above)}, which "
                "did not issue it: order the chain from the server's certificate towards the root, as not every peer "
                "sorts it"
            )
            findings.add(Severity.WARNING, "certificate", sentence)
    if chain and usage == ExtendedKeyUsageOID.SERVER_AUTH:
        last = chain[-1]
        findings.add(
            Severity.NOTE,
            "certificate",
            f"the certificate is for {hosts(chain[0])}: clients must use that name in their URI; "
            f"they must trust the authority {subject(last) if last.issuer == last.subject else issuer(last)}",
        )


def _wrong_server(certificate: x509.Certificate) -> str | None:
    """Return why every client would reject a server's certificate, or None."""
    of = f"the certificate of {subject(certificate)}"
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = {ExtendedKeyUsageOID.SERVER_AUTH}
    if not usages & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        return f"{of} is not for a server: issue one with the extended key usage serverAuth"
    try:
        key = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        if not (key.digital_signature or key.key_encipherment or key.key_agreement):
            return f"{of} has a key usage that TLS cannot use: issue one with digitalSignature"
    except x509.ExtensionNotFound:
        pass
    if not alternative_names(certificate):
        return f"{of} has no subject alternative name, which clients require: issue one with it"
    return None


def _needed(chain: Sequence[x509.Certificate], now: datetime) -> list[x509.Certificate]:
    """Return the certificates that must be valid: the first, and its issuer's if the chain has only one.

    A peer may trust any certificate above, such as a new root that an expired root has cross-signed.
    """
    issuers = [each for each in chain[1:] if _issued(chain[0], each)]
    good = [each for each in issuers if each.not_valid_before_utc <= now < each.not_valid_after_utc]
    return [*chain[:1], *(good or issuers)[:1]]


def _check_authorities(
    config: DaemonConfig, findings: Findings, now: datetime, name: str, usage: bytes
) -> list[x509.Certificate] | None:
    path = config.path(name)
    if path is None:
        return None
    bundle = findings.attempt(name, lambda: read_bundle(path, usage))
    if bundle is None:
        return None
    for sentence in bundle.problems:
        findings.add(Severity.WARNING, name, sentence)
    found = bundle.certificates
    # One usable authority is enough: a bundle may also hold expired and unrelated ones.
    useful = anchored(found, now)
    severity = Severity.WARNING if useful else Severity.ERROR
    for each in found:
        findings.add(Severity.WARNING, name, _understood(each, path))
        if not _understood(each, path):
            _check_validity(findings, name, each, now, severity)
            _check_authority(findings, name, each, path, severity, useful=each in useful)
    return found


def _check_authority(
    findings: Findings, name: str, certificate: x509.Certificate, path: Path, severity: Severity, *, useful: bool
) -> None:
    """Report a trusted certificate that cannot serve as a trust anchor."""
    alone = certificate.issuer == certificate.subject
    of = f"{path} holds the certificate of {subject(certificate)}"
    if _is_authority(certificate):
        if not useful and not alone:
            sentence = f"{of}, but not the chain from its issuer {issuer(certificate)} to a root: add it"
            findings.add(severity, name, sentence)
    elif alone:
        sentence = f"{of}, which is not an authority: only the peer that holds this certificate will be trusted"
        findings.add(Severity.WARNING, name, sentence)
    else:
        findings.add(severity, name, f"{of}, which is not an authority: use the authority that issued it")


def _is_authority(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is that of an authority, by the rules of OpenSSL (X509_check_ca)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        pass
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        # A root of X.509 version 1, which has no extensions.
        return certificate.version is x509.Version.v1 and certificate.issuer == certificate.subject


def _check_lists(
    config: DaemonConfig, findings: Findings, now: datetime, name: str, authorities: Sequence[x509.Certificate]
) -> None:
    path = config.path(name)
    if path is None:
        return
    lists = findings.attempt(name, lambda: RevocationLists.load(path, authorities, now))
    if lists:
        for sentence in lists.expired(now):
            findings.add(Severity.ERROR, name, sentence)
        for sentence in lists.partial():
            findings.add(Severity.WARNING if _names_lists(config) else Severity.ERROR, name, sentence)
        for sentence in lists.expiring(now):
            findings.add(Severity.WARNING, name, sentence)


def _names_lists(config: DaemonConfig) -> bool:
    """Return whether the daemon's own certificate has a distribution point, as a sign that its authority uses them."""
    path = config.path("certificate")
    try:
        return path is not None and names_distribution_point(load_certificates(path)[0])
    except (ConfigError, *UNREADABLE):
        return False


def _check_validity(
    findings: Findings, key: str, certificate: x509.Certificate, now: datetime, severity: Severity
) -> None:
    """Report the validity of a certificate; `severity` applies if it is not valid."""
    what, of = f"certificate {subject(certificate)}", f"the certificate of {subject(certificate)}"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        findings.add(severity, key, f"{of} is not valid before {begin:%Y-%m-%d %H:%M} UTC: check the clock")
    elif end <= now:
        findings.add(severity, key, f"{of} expired on {end:%Y-%m-%d %H:%M} UTC: renew it")
    elif end <= now + NOTICE:
        left = (end - now).days
        findings.add(Severity.WARNING, key, f"{of} expires on {end:%Y-%m-%d %H:%M} UTC, in {left} days: renew it")
    else:
        findings.add(Severity.NOTE, key, f"{what} expires in {(end - now).days} days ({end:%Y-%m-%d})")


def _understood(certificate: x509.Certificate, path: Path) -> str | None:
    """Return the first malformed part of a certificate, or None; other checks would raise for it."""
    try:
        alternative_names(certificate)
        list(certificate.extensions)
        certificate.public_key()
    except UNREADABLE as error:
        return f"{path} holds a malformed certificate ({error}): issue it again"
    return None


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (TypeError, InvalidSignature, ConfigError, *UNREADABLE):
        # A copy that was repaired for parsing has no valid signature: compare the names.
        copied = any(original(each) != each.public_bytes(Encoding.DER) for each in (below, above))
        return copied and below.issuer == above.subject
    return True
