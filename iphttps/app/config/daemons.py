"""The two kinds of daemons by their role."""

from __future__ import annotations

from ..instances.instances import Instance
from . import client_options, server_options
from .options import DaemonOptions
from .tomlfile import Problem

OPTIONS: dict[str, type[DaemonOptions]] = {"server": server_options.Options, "client": client_options.Options}


def read_options(instance: Instance) -> tuple[DaemonOptions, list[Problem]]:
    """Return what the daemon of an instance reads from its file, and everything that is wrong with it."""
    options = OPTIONS[instance.role]()
    options.root = instance.places.root
    return options, list(options.read(["--config", str(instance.file)]))
