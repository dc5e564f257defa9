"""Detects private keys that users other than the daemon's can read."""

from __future__ import annotations

import grp
import stat
from pathlib import Path

from ...instances.paths import GROUP

_ALL = stat.S_IROTH | stat.S_IWOTH
_GROUP = stat.S_IRGRP | stat.S_IWGRP


def exposed(key: Path, group: int | None = None) -> str | None:
    """Return a warning if other users can read a private key, or None; its group may be the daemons' or `group`."""
    try:
        about = key.stat()
    except OSError:
        return None  # loading the key reports this
    if about.st_mode & _ALL:
        return f"{key} can be read by every user on this host: make it 0600"
    if about.st_mode & _GROUP and about.st_gid not in (group, _daemons_group()):
        return f"{key} can be read by its group: make it 0600"
    return None


def _daemons_group() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
