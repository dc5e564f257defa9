"""The options common to both daemons, and their values."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...net.log import LEVELS
from .kinds import Maybe, OptionError, Place, Text, Word
from .option import option

DAY, WEEK = 86400, 604800
"""Upper bounds of times, in seconds."""

MOST = 1_000_000
"""Upper bound of counts."""


def words(*known: str) -> Word[str]:
    """Return the kind of an option whose value is one of these words."""
    return Word({word: word for word in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """The configuration common to both daemons. Paths are absolute."""

    reloads: ClassVar[bool]
    """True if the daemon can reload its configuration."""

    interface: str = option(Text(), "iphttps0", "name of the network interface to create")
    """The name of the network interface."""
    device: str = option(
        words("tun", "tap"), "tun", "type of the interface: tun, or tap for one that looks like Ethernet"
    )
    """The kind of the interface: tun or tap."""
    offload: bool = option(
        Word({"auto": True, "off": False}),
        "auto",
        "segmentation offload of a tun interface, where it is available: auto or off",
    )
    """True if a tun interface uses segmentation offload, where it is available."""
    log_level: str = option(
        words(*LEVELS),
        "info",
        "minimum log level: debug, info, warn, error or critical",
        reload=True,
    )
    """The minimum log level, one of `LEVELS`."""
    log_format: str = option(words("text", "json"), "text", "log format: text, or json, one object per line")
    """The format of the log: text or json."""
    control: Path | None = option(
        Maybe(Place()), None, "UNIX socket for the `iphttps` command, such as /run/iphttps/iphttps0.sock"
    )
    """The control socket; None for none."""

    def path(self, name: str) -> Path | None:
        """Return the path given by an option; None if it is not set or there is no such option."""
        found = getattr(self, name.replace("-", "_"), None)
        return found if isinstance(found, Path) else None

    def file(self, name: str) -> Path | None:
        """Return the path of a readable file given by an option, None if the option is not set.

        Raises:
            OptionError: The file cannot be read.
        """
        path = self.path(name)
        if path is None:
            return None
        try:
            # Do not open it: a pipe can be read only once.
            if stat.S_ISDIR(path.stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(path, os.R_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise OptionError(name, f"--{name}: cannot read {path}: {error.strerror}") from error
        return path
