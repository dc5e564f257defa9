"""The options of `twistd iphttps-server`, and the checks that involve several of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from ...core.errors import ConfigError
from ...core.iphttps.authentication import AuthenticationMode
from . import sstp_checks
from .options import Check, DaemonOptions
from .server_config import ServerConfig

TLS_FILES = {
    "certificate": "https:// needs the server's certificate",
    "private-key": "https:// needs the certificate's key",
}
"""Options required for TLS, and why."""

AUTHORITY_FILES = {"client-ca": "ca.pem", "client-crl": "crl.pem"}
"""Options that default to files of the authority, if one is configured."""

_CONTENTS = {"client-ca": "certificate", "client-crl": "revocation list"}
"""The kind of content of these files, for error messages."""


class Options(DaemonOptions):
    """The options of the server."""

    command = "iphttps-server"
    configuration = ServerConfig

    @property
    def config(self) -> ServerConfig:
        """The values of all options. Raises ConfigError if one is invalid."""
        return cast(ServerConfig, super().config)

    @property
    def values_so_far(self) -> ServerConfig:
        """The values for use in checks: each is parsed when read, so only those that a check reads must be valid."""
        return cast(ServerConfig, super().values_so_far)

    def value(self, name: str) -> Any:
        """Return a value; --client-ca and --client-crl default to the files of --authority."""
        found = super().value(name)
        if found is None and name in AUTHORITY_FILES and super().value("authority") and super().value("uri").secure:
            return super().value("authority") / AUTHORITY_FILES[name]
        return found

    def shown(self, name: str) -> str:
        """Return the text for an option in a message: its name, or the authority's file if the option is not set."""
        if self[name] is None and name in AUTHORITY_FILES and (directory := self.value("authority")):
            return f"{_CONTENTS[name]} of {directory}"
        return name

    def checks(self) -> Iterable[Check]:
        """Return the checks that involve several options."""
        return (
            *super().checks(),
            ("prefix", self._check_served),
            ("identity-addresses", self._check_assignment),
            ("valid-lifetime", self._check_lifetimes),
            ("proxy-protocol", self._check_fronts),
            ("uri", self._check_identities),
            *((name, partial(self._check_tls, name, purpose)) for name, purpose in TLS_FILES.items()),
            ("client-ca", self._check_authorities),
            ("client-crl", self._check_lists),
            ("publish", self._check_publish),
            *sstp_checks.checks(self),
        )

    def _check_served(self) -> None:
        if not self.value("prefix") and not any(self[name] for name in sstp_checks.ENABLING):
            raise ConfigError("--prefix is missing: give the link's IPv6 prefix, such as --prefix 2001:db8:2::/64")

    def _check_assignment(self) -> None:
        values = self.values_so_far
        if values.identity_addresses and not values.prefix:
            raise ConfigError("--identity-addresses needs --prefix: the addresses are those of IP-HTTPS clients")

    def _check_lifetimes(self) -> None:
        valid, preferred = self.values_so_far.valid_lifetime, self.values_so_far.preferred_lifetime
        if preferred > valid:
            raise ConfigError(f"--preferred-lifetime {preferred} must not exceed --valid-lifetime {valid}")

    def _check_fronts(self) -> None:
        values = self.values_so_far
        if values.socket_group and not values.uri.socket:
            raise ConfigError("--socket-group needs a UNIX socket in --uri, such as http://unix:/run/x.sock:/IPHTTPS")
        if values.uri.socket and values.trusted_proxy:
            raise ConfigError("--trusted-proxy is for TCP: every process that can open the socket in --uri is trusted")
        if values.proxy_protocol and not values.trusted_proxy and not values.uri.socket:
            raise ConfigError(
                "--proxy-protocol needs --trusted-proxy: PROXY headers from other addresses are not trusted"
            )

    def _check_identities(self) -> None:
        values = self.values_so_far
        if not values.uri.secure and self._demands_certificates and not values.proxy_protocol:
            raise ConfigError(
                "--authentication certificates with an http:// URI needs --trusted-proxy and --proxy-protocol: without "
                "TLS, only a PROXY header of the TLS terminator identifies a client; or give --authentication none"
            )

    def _check_tls(self, name: str, purpose: str) -> None:
        if self.values_so_far.uri.secure and not self.value(name):
            raise ConfigError(f"--{name} is missing: {purpose}")

    def _check_authorities(self) -> None:
        values = self.values_so_far
        if values.uri.secure and self._demands_certificates and not values.client_ca:
            raise ConfigError("--client-ca is missing: mode certificates needs the authority that issues them")

    def _check_lists(self) -> None:
        values = self.values_so_far
        if values.client_crl and not (values.uri.secure and values.client_ca):
            raise ConfigError("--client-crl needs https:// and --client-ca: without them no certificate is checked")
        if values.allow_older_crl and not values.client_crl:
            raise ConfigError("--allow-older-crl needs --client-crl: it applies to the lists there")

    def _check_publish(self) -> None:
        if self.values_so_far.publish and not self.values_so_far.authority:
            raise ConfigError("--publish needs --authority, whose revocation list it publishes")

    @property
    def _demands_certificates(self) -> bool:
        certificates = self.values_so_far.authentication is AuthenticationMode.CERTIFICATES
        return certificates and bool(self["prefix"])  # also if its value is wrong
