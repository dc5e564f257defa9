"""Enables instances as systemd units."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError
from .paths import Places, unit

BOOTED = Path("/run/systemd/system")
"""A directory that exists if systemd is the init system: sd_booted(3)."""

DEADLINE = 90.0
"""Seconds for a unit to start, systemd's own default."""


@dataclass(frozen=True, slots=True)
class Start:
    """The result of starting an instance: whether it was `done` now, and a sentence."""

    done: bool
    sentence: str


def enable(places: Places, role: str, name: str) -> Start:
    """Start an instance now and at each boot; without systemd, return a sentence that says how to start it.

    Raises:
        ConfigError: The unit failed to start.

    """
    wanted = unit(role, name)
    up = f"start it with `iphttps up {role}/{name}`"
    if places.root != Path("/"):
        return Start(False, f"on that machine, {up}")
    if not BOOTED.is_dir():
        return Start(False, f"systemd is not running: {up}")
    if not _systemctl("cat", wanted):
        return Start(False, f"the unit {wanted}, part of the package, is not installed: {up}")
    if _systemctl("is-enabled", wanted) and _systemctl("is-active", wanted):
        return Start(False, f"{wanted} is running")
    if not _systemctl("enable", "--now", wanted):
        raise ConfigError(f"{wanted} failed to start: see `journalctl -u {wanted}`, then repeat this command")
    return Start(True, f"started {wanted}, and enabled it at boot")


def _systemctl(*words: str) -> bool:
    try:
        done = subprocess.run(
            ["systemctl", "--quiet", "--no-pager", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
            check=False,
            env=os.environ | {"SYSTEMD_PAGER": ""},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
