"""Kernel settings under /proc/sys/net: reading, writing, and the reasons why writing fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ...core.errors import ConfigError

READ_ONLY = "/proc/sys is mounted read-only"
UNPRIVILEGED = "it takes root or CAP_NET_ADMIN"
REFUSALS = {errno.EROFS: READ_ONLY, errno.EACCES: UNPRIVILEGED, errno.EPERM: UNPRIVILEGED}
"""The reason why a setting cannot be written, by errno."""


def read(setting: Path) -> str:
    """Return a setting's value; raises OSError if it is not there."""
    return setting.read_text().strip()


def write(setting: Path, value: str) -> None:
    """Set a setting; raises ConfigError if the kernel rejects the value, OSError if it is not there."""
    try:
        setting.write_text(value)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        name = ".".join(setting.parts[3:])  # /proc/sys is what comes before
        reason = REFUSALS[error.errno]
        mend = f"; set it before the start, as by `docker run --sysctl {name}={value}`" if reason == READ_ONLY else ""
        raise ConfigError(f"cannot set {name} to {value}: {reason}{mend}") from error


def demand_writable(setting: Path, value: str) -> None:
    """Raise ConfigError if a setting cannot be written, and else change nothing."""
    try:  # not by access(2), which asks for the real user, without the capabilities that this one has kept
        os.close(os.open(setting, os.O_WRONLY | os.O_CLOEXEC))
    except OSError:
        write(setting, value)
