"""The options of `twistd sstp-client`, and the checks that involve several of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import cast

from ...core.errors import ConfigError
from ...core.sstp.ppp.user_names import LONGEST
from .clients.tunnel_options import TunnelOptions
from .options import Check
from .sstp_client_config import SSTPClientConfig
from .tomlfile import Problem


class Options(TunnelOptions):
    """The options of the SSTP client."""

    command = "sstp-client"
    configuration = SSTPClientConfig

    @property
    def config(self) -> SSTPClientConfig:
        """The values of all options. Raises ConfigError if one is invalid."""
        return cast(SSTPClientConfig, super().config)

    @property
    def values_so_far(self) -> SSTPClientConfig:
        """The values for use in checks: each is parsed when read, so only those that a check reads must be valid."""
        return cast(SSTPClientConfig, super().values_so_far)

    def read(self, arguments: list[str] | None) -> Iterator[Problem]:
        """Parse like `parse`, but yield all problems; reject a password, which would pass for --password-file."""
        given = sys.argv[1:] if arguments is None else arguments
        if any(word.partition("=")[0] == "--password" for word in given):
            yield Problem(
                "there is no --password, because every local user can read the command line: put the password into a "
                "file for --password-file"
            )
            return
        yield from super().read(arguments)

    def checks(self) -> Iterable[Check]:
        """Return the checks that involve several options."""
        return (*super().checks(), ("user", self._check_user))

    def _check_user(self) -> None:
        user = self.values_so_far.user
        if not user.isprintable() or len(user.encode()) > LONGEST:
            raise ConfigError(f"--user takes at most {LONGEST} bytes of printable characters")
