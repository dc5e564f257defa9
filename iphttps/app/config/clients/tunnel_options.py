"""The checks that involve several of the options that both clients have."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import cast

from ....core.errors import ConfigError
from ....core.proxy.choice import ProxySource
from ..options import Check, DaemonOptions
from ..proxy_options import check_login, check_proxy
from .tunnel_config import TunnelConfig


class TunnelOptions(DaemonOptions):
    """The options of a client of either protocol."""

    command = "client"
    configuration = TunnelConfig

    @property
    def config(self) -> TunnelConfig:
        """The values of all options. Raises ConfigError if one is invalid."""
        return cast(TunnelConfig, super().config)

    @property
    def values_so_far(self) -> TunnelConfig:
        """The values for use in checks: each is parsed when read, so only those that a check reads must be valid."""
        return cast(TunnelConfig, super().values_so_far)

    def checks(self) -> Iterable[Check]:
        """Return the checks that involve several options. Each client extends this."""
        return (
            *super().checks(),
            ("when", self._check_when),
            ("reconnect-initial", self._check_reconnect),
            ("proxy", lambda: check_login(self)),
            ("proxy", lambda: check_proxy(self.values_so_far)),
            ("when", self._check_when_proxy),
            *((name, partial(self._check_tls, name)) for name in ("pin", "crl")),
            ("crl", self._check_lists),
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
