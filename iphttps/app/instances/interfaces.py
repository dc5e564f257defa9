"""The names of the tunnels' interfaces."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from ..config.tomlfile import loosely
from .paths import ROLES, Places

DEFAULT = "iphttps0"
KERNEL = Path("/sys/class/net")


def free_interface(places: Places, base: str = "iphttps") -> str:
    """Return the first of iphttps0, iphttps1, ... that neither an instance nor an existing interface uses."""
    configs = [places.config(role, name) for role in ROLES for name in places.instances(role)]
    taken = {*map(interface_of, configs), *(value_of(config, "sstp-interface") for config in configs)}
    if places.root == Path("/"):
        taken.update(os.listdir(KERNEL) if KERNEL.is_dir() else ())
    return next(name for number in count() if (name := f"{base}{number}") not in taken)


def interface_of(config: Path) -> str:
    """Return the interface in a configuration, or the default; the configuration may be invalid."""
    found = value_of(config, "interface")
    return found if isinstance(found, str) else DEFAULT


def value_of(config: Path, key: str) -> object:
    """Return the value of a key in a configuration, None if it is missing or the file is unreadable."""
    return loosely(config).get(key)
