"""The options classes of the daemons, by role."""

from __future__ import annotations

from ..instances.instances import Instance
from . import client_options, server_options, sstp_client_options
from .options import DaemonOptions
from .tomlfile import Problem

OPTIONS: dict[str, type[DaemonOptions]] = {
    "server": server_options.Options,
    "client": client_options.Options,
    "sstp-client": sstp_client_options.Options,
}


def read_options(instance: Instance) -> tuple[DaemonOptions, list[Problem]]:
    """Return the options that the daemon of an instance reads from its file, and all problems with them."""
    options = OPTIONS[instance.role]()
    options.root = instance.places.root
    return options, list(options.read(["--config", str(instance.file)]))
