"""Has an instance run from now on, where systemd is at work."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError
from .paths import Places, unit

BOOTED = Path("/run/systemd/system")
"""A directory that is there where systemd runs the machine: sd_booted(3)."""

DEADLINE = 90.0
"""Seconds that a unit has to start, as systemd itself has it by default."""


@dataclass(frozen=True, slots=True)
class Start:
    """How an instance is started: whether that was `done` here and now, and a sentence about it."""

    done: bool
    sentence: str


def enable(places: Places, role: str, name: str) -> Start:
    """Have an instance started, now and at each boot; where systemd cannot do that, say what will.

    Raises ConfigError if systemd knows the unit and does not start it.
    """
    wanted = unit(role, name)
    up = f"start it with `iphttps up {role}/{name}`"
    if places.root != Path("/"):
        return Start(False, f"on that machine, {up}")
    if not BOOTED.is_dir():
        return Start(False, f"systemd does not run here: {up}")
    if not _systemctl("cat", wanted):
        return Start(False, f"systemd does not know {wanted}, which comes with the package: {up}")
    if _systemctl("is-enabled", wanted) and _systemctl("is-active", wanted):
        return Start(False, f"{wanted} is running")
    if not _systemctl("enable", "--now", wanted):
        raise ConfigError(f"systemd does not start {wanted}: `journalctl -u {wanted}` says why; then repeat this")
    return Start(True, f"started {wanted}, now and at each boot")


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
