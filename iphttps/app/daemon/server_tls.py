"""The server's TLS as the options want it."""

from __future__ import annotations

from datetime import UTC, datetime

from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import NullEncryption, TLSSettings
from ...pki.authorities import CLIENT_AUTH
from ...pki.certificates import Credentials
from ...pki.revocation import RevocationLists
from ..config.server_options import Options

NULL_WARNING = (
    "--null-encryption {choice}: packets of clients that choose such a cipher suite are not encrypted; use it "
    "only if the packets are encrypted themselves, as with DirectAccess"
)


def tls_settings(options: Options, before: RevocationLists | None = None) -> TLSSettings | None:
    """Read the files that the options name, whatever the mode; None without TLS. Raises ConfigError.

    `before` are the revocation lists in force, which no older ones must follow.
    """
    certificate, key = options.path("certificate"), options.path("private-key")
    if not options.uri.secure or not certificate or not key:
        return None
    credentials = Credentials.load(certificate, key)
    ca_path, crl_path = options.path("client-ca"), options.path("client-crl")
    authorities = load_authorities(ca_path, CLIENT_AUTH) if ca_path else None
    lists = None
    if crl_path and authorities:
        allow = bool(options["allow-older-crl"])
        lists = RevocationLists.load(crl_path, authorities, datetime.now(UTC), after=before, allow_older=allow)
    return TLSSettings(credentials, authorities, lists, options.null_encryption)


def null_warning(settings: TLSSettings | None) -> str | None:
    """Return what the operator must know who allows suites without encryption."""
    if settings is None or settings.null_encryption is NullEncryption.OFF:
        return None
    return NULL_WARNING.format(choice=settings.null_encryption.value)
