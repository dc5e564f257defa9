"""The systemd units of the instances: queries them, and enables and starts them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError
from .paths import Places, unit

BOOTED = Path("/run/systemd/system")
"""A directory that exists if systemd is the init system: sd_booted(3)."""

DEADLINE = 100.0
"""Time limit of systemctl in seconds: more than the 90 that systemd by default allows a unit to start or stop."""


def booted() -> bool:
    """Return whether systemd is the init system."""
    return BOOTED.is_dir()


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """Run systemctl; if it cannot be run or times out, return a failed result with the reason in stderr."""
    command = ("systemctl", *words)
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE,
            check=False,
            env=os.environ | {"SYSTEMD_PAGER": ""},
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer from systemctl after {DEADLINE:g} s")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", f"systemctl: {error.strerror}")


@dataclass(frozen=True, slots=True)
class Start:
    """The result of starting an instance: whether it was `done` now, and a sentence."""

    done: bool
    sentence: str


def enable(places: Places, role: str, name: str) -> Start:
    """Start an instance now and at each boot; without systemd, return a sentence on how to start it.

    Raises:
        ConfigError: The unit failed to start.
    """
    wanted = unit(role, name)
    up = f"start it with `iphttps up {role}/{name}`"
    if places.root != Path("/"):
        here = f"start it with `iphttps up --root {places.root} {role}/{name}`"
        return Start(False, f"{here}, or on the target host with `iphttps up {role}/{name}`")
    if not booted():
        return Start(False, f"systemd is not running: {up}")
    if not _does("cat", wanted):
        return Start(False, f"the unit {wanted}, part of the package, is not installed: {up}")
    if _does("is-enabled", wanted) and _does("is-active", wanted):
        return Start(False, f"{wanted} is running")
    if not _does("enable", "--now", wanted):
        raise ConfigError(f"{wanted} failed to start: see `journalctl -u {wanted}`, then repeat this command")
    return Start(True, f"started {wanted}, and enabled it at boot")


def _does(*words: str) -> bool:
    return systemctl(*words).returncode == 0
