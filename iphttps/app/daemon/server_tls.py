"""The server's TLS as configured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from ...core.iphttps.authentication import AuthenticationMode
from ...net.listen.service import CertificatePolicy
from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import NullEncryption, ServerTLS, TLSSettings
from ...net.tls.credentials_watch import Paths
from ...pki.authorities import CLIENT_AUTH
from ...pki.certificates import Credentials
from ...pki.revocation import RevocationLists
from ..config.server_config import ServerConfig

NULL_WARNING = (
    "--null-encryption {choice}: packets of clients that choose such a cipher suite are not encrypted; use it "
    "only if the packets are encrypted themselves, as with DirectAccess"
)


class ConfiguredTLS:
    """The server's TLS in one of the two Authentication Modes; `others` are the policies of the other services.

    `iphttps` is whether IP-HTTPS, which the mode is about, is served.

    Both modes load all files, because the mode can change after privileges have been dropped.
    """

    def __init__(
        self,
        settings: TLSSettings,
        paths: Paths,
        mode: AuthenticationMode,
        others: Iterable[CertificatePolicy] = (),
        *,
        iphttps: bool = True,
    ) -> None:
        self._authorities = settings.client_ca
        self._others = tuple(others)
        self._iphttps = iphttps
        self.paths = paths
        """The paths of the certificate and its private key."""
        self.tls = ServerTLS(self._asking(settings, mode))

    @classmethod
    def load(cls, config: ServerConfig) -> ConfiguredTLS | None:
        """Load the files named by a configuration; return None without TLS. Raises ConfigError."""
        settings, paths = tls_settings(config), config.credentials
        others = (CertificatePolicy.OPTIONAL,) if config.serves_sstp else ()
        if settings is None or paths is None:
            return None
        return cls(settings, paths, config.authentication, others, iphttps=config.serves_iphttps)

    def _asking(self, settings: TLSSettings, mode: AuthenticationMode) -> TLSSettings:
        return asking(settings, (*([certificate_policy(mode)] if self._iphttps else ()), *self._others))

    def change_mode(self, mode: AuthenticationMode) -> None:
        """Require certificates of new clients, or stop requiring them. On ConfigError nothing is changed."""
        settings = replace(self.tls.settings, client_ca=self._authorities)
        self.tls.change(self._asking(settings, mode))

    def reload(self, config: ServerConfig) -> None:
        """Read the files again and put them in force. On ConfigError nothing is changed."""
        settings, paths = tls_settings(config, self.tls.lists), config.credentials
        if settings and paths:
            self.tls.change(self._asking(settings, config.authentication))
            self._authorities, self.paths = settings.client_ca, paths


def tls_settings(config: ServerConfig, before: RevocationLists | None = None) -> TLSSettings | None:
    """Load the files named by a configuration, in either mode; return None without TLS. Raises ConfigError.

    `before` holds the revocation lists in force; older ones are rejected.
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


def certificate_policy(mode: AuthenticationMode) -> CertificatePolicy:
    """Return whether IP-HTTPS requires certificates of its clients (3.2.1)."""
    return CertificatePolicy.REQUIRED if mode is AuthenticationMode.CERTIFICATES else CertificatePolicy.OPTIONAL


def asking(settings: TLSSettings, policies: Iterable[CertificatePolicy]) -> TLSSettings:
    """Return settings that request certificates according to the services on the port.

    If any service requires a certificate, TLS requests one of every client, and a bad one fails the handshake. A
    missing one fails it too, unless another service on the port does not require one.
    """
    wanted = frozenset(policies)
    client_ca = settings.client_ca if CertificatePolicy.REQUIRED in wanted else None
    return replace(settings, client_ca=client_ca, certificate_optional=CertificatePolicy.OPTIONAL in wanted)


def null_warning(settings: TLSSettings | None) -> str | None:
    """Return a warning if cipher suites without encryption are allowed, or None."""
    if settings is None or settings.null_encryption is NullEncryption.OFF:
        return None
    return NULL_WARNING.format(choice=settings.null_encryption.value)
