"""The options of `twistd iphttps-client`, and the checks that involve several of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import cast

from ...core.errors import ConfigError
from ...core.proxy.choice import ProxySource
from .client_config import ClientConfig
from .options import Check, DaemonOptions
from .proxy_options import check_login, check_proxy


class Options(DaemonOptions):
    """The options of the client."""

    command = "iphttps-client"
    configuration = ClientConfig

    @property
    def config(self) -> ClientConfig:
        """The values of all options. Raises ConfigError if one is invalid."""
        return cast(ClientConfig, super().config)

    @property
    def values_so_far(self) -> ClientConfig:
        """The values for use in checks: each is parsed when read, so only those that a check reads must be valid."""
        return cast(ClientConfig, super().values_so_far)

    def checks(self) -> Iterable[Check]:
        """Return the checks that involve several options."""
        return (
            *super().checks(),
            ("when", self._check_when),
            ("reconnect-initial", self._check_reconnect),
            ("proxy", lambda: check_login(self)),
            ("proxy", lambda: check_proxy(self.values_so_far)),
            ("when", self._check_when_proxy),
            ("certificate", self._check_credentials),
            *((name, partial(self._check_tls, name)) for name in ("pin", "crl")),
            ("crl", self._check_lists),
            ("allow-renegotiation", self._check_renegotiation),
        )

    def _check_when(self) -> None:
        values = self.values_so_far
        if (values.when == "blocked") != bool(values.probe):
            raise ConfigError(
                "--when blocked and --probe go together: name a host that is reachable only where no tunnel is needed"
            )
        if values.when == "command" and not values.control:
            raise ConfigError("--when command needs --control: `iphttps enable` uses that socket")

    def _check_when_proxy(self) -> None:
        if self.values_so_far.when == "proxy" and self.values_so_far.proxy.source is ProxySource.NONE:
            raise ConfigError("--when proxy needs --proxy: with none the client never connects")

    def _check_reconnect(self) -> None:
        if self.values_so_far.reconnect_initial > self.values_so_far.reconnect_maximum:
            raise ConfigError(
                f"--reconnect-initial {self['reconnect-initial']} is more than --reconnect-maximum "
                f"{self['reconnect-maximum']}: change one of them"
            )

    def _check_credentials(self) -> None:
        if bool(self.values_so_far.certificate) != bool(self.values_so_far.private_key):
            raise ConfigError("--certificate and --private-key go together: give both or neither")

    def _check_tls(self, name: str) -> None:
        """Reject an option that cannot protect a plain http:// connection."""
        if self.value(name) and any(not uri.secure for uri in self.values_so_far.uri):
            raise ConfigError("--pin and --crl need https://: an http:// server has no certificate")

    def _check_lists(self) -> None:
        values = self.values_so_far
        if values.crl and not values.ca:
            raise ConfigError("--crl needs --ca: the authorities that issue its revocation lists")
        if values.allow_older_crl and not values.crl:
            raise ConfigError("--allow-older-crl needs --crl: it applies to the lists there")

    def _check_renegotiation(self) -> None:
        if self.values_so_far.allow_renegotiation and not self.values_so_far.certificate:
            raise ConfigError("--allow-renegotiation needs --certificate: it presents the certificate")
