"""The options of `twistd iphttps-client`, and the checks that involve several of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ...core.errors import ConfigError
from .client_config import ClientConfig
from .clients.tunnel_options import TunnelOptions
from .options import Check


class Options(TunnelOptions):
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
            ("certificate", self._check_credentials),
            ("allow-renegotiation", self._check_renegotiation),
        )

    def _check_credentials(self) -> None:
        if bool(self.values_so_far.certificate) != bool(self.values_so_far.private_key):
            raise ConfigError("--certificate and --private-key go together: give both or neither")

    def _check_renegotiation(self) -> None:
        if self.values_so_far.allow_renegotiation and not self.values_so_far.certificate:
            raise ConfigError("--allow-renegotiation needs --certificate: it presents the certificate")
