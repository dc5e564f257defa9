"""The server's TLS as its configuration wants it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509

from ...core.iphttps.authentication import AuthenticationMode
from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import NullEncryption, ServerTLS, TLSSettings
from ...net.tls.credentials_watch import Paths
from ...pki.authorities import CLIENT_AUTH
from ...pki.certificates import Credentials
from ...pki.revocation import RevocationLists
from ..config.server_config import ServerConfig

NULL_WARNING = (
    "--null-encryption {choice}: whoever sees the packets of a client that asks for such a cipher suite can read them; "
    "only for packets that are encrypted themselves, as with DirectAccess"
)


class ConfiguredTLS:
    """The server's TLS in one of the two Authentication Modes.

    Everything is loaded in both modes: the mode can change when privileges are gone.
    """

    def __init__(self, settings: TLSSettings, paths: Paths, mode: AuthenticationMode) -> None:
        self._authorities = settings.client_ca
        self.paths = paths
        """Where the certificate is, and where its key."""
        self.tls = ServerTLS(replace(settings, client_ca=_asked_for(self._authorities, mode)))

    @classmethod
    def load(cls, config: ServerConfig) -> ConfiguredTLS | None:
        """Read the files that a configuration names; None without TLS. Raises ConfigError."""
        settings, paths = tls_settings(config), config.credentials
        return cls(settings, paths, config.authentication) if settings and paths else None

    def change_mode(self, mode: AuthenticationMode) -> None:
        """Demand certificates of new clients, or not. Raises ConfigError and changes nothing."""
        self.tls.change(replace(self.tls.settings, client_ca=_asked_for(self._authorities, mode)))

    def reload(self, config: ServerConfig) -> None:
        """Read the files again and put them in force. Raises ConfigError and changes nothing."""
        settings, paths = tls_settings(config, self.tls.lists), config.credentials
        if settings and paths:
            self.tls.change(replace(settings, client_ca=_asked_for(settings.client_ca, config.authentication)))
            self._authorities, self.paths = settings.client_ca, paths


def _asked_for(authorities: list[x509.Certificate] | None, mode: AuthenticationMode) -> list[x509.Certificate] | None:
    """Return the authorities of which clients must show a certificate, or None if they need none."""
    return authorities if mode is AuthenticationMode.CERTIFICATES else None


def tls_settings(config: ServerConfig, before: RevocationLists | None = None) -> TLSSettings | None:
    """Read the files that a configuration names, whatever the mode; None without TLS. Raises ConfigError.

    `before` are the revocation lists in force, which no older ones must follow.
    """
    if config.credentials is None:
        return None
    credentials = Credentials.load(*config.credentials)
    authorities = load_authorities(config.client_ca, CLIENT_AUTH) if config.client_ca else None
    lists = None
    if config.client_crl and authorities:
        lists = RevocationLists.load(
            config.client_crl, authorities, datetime.now(UTC), after=before, allow_older=config.allow_older_crl
        )
    return TLSSettings(credentials, authorities, lists, config.null_encryption)


def null_warning(settings: TLSSettings | None) -> str | None:
    """Return what the operator must know who allows suites without encryption."""
    if settings is None or settings.null_encryption is NullEncryption.OFF:
        return None
    return NULL_WARNING.format(choice=settings.null_encryption.value)
