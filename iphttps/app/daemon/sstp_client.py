"""`twistd sstp-client`: builds the SSTP client's objects and joins them."""

from __future__ import annotations

from typing import NoReturn

from ...core.errors import ConfigError
from ..config.options import complain
from ..config.sstp_client_options import Options

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> NoReturn:
    """Make the service for `twistd`."""
    try:
        raise ConfigError("the SSTP client is not part of this version: use pppd with sstpc")
    except ConfigError as error:
        complain(options.command, str(error))
