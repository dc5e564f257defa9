"""Has an instance run from now on, where systemd is at work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ..core.errors import ConfigError
from .places import Places, unit

BOOTED = Path("/run/systemd/system")
"""A directory that is there where systemd runs the machine: sd_booted(3)."""

DEADLINE = 90.0
"""Seconds that a unit has to start, as systemd itself has it by default."""


def enable(places: Places, role: str, name: str) -> str | None:
    """Have an instance started, now and at each boot; return what was done, or None if it was so already.

    Where systemd does not run, or the paths are those of another machine, the sentence says how to start it. Raises
    ConfigError if systemd knows the unit and does not start it.
    """
    wanted = unit(role, name)
    if places.root != Path("/"):
        return f"on that machine, start it with `iphttps up {role}/{name}`"
    if not BOOTED.is_dir():
        return f"systemd does not run here: start it with `iphttps up {role}/{name}`"
    if not _systemctl("cat", wanted):
        return f"systemd does not know {wanted}, which comes with the package: start it with `iphttps up {role}/{name}`"
    if _systemctl("is-enabled", wanted) and _systemctl("is-active", wanted):
        return None
    if not _systemctl("enable", "--now", wanted):
        raise ConfigError(f"systemd does not start {wanted}: `journalctl -u {wanted}` says why; then repeat this")
    return f"started {wanted}, now and at each boot"


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
