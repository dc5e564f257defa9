"""What a reload changes: the same command line and the same files, read again.

A reload is refused whole if anything is wrong with it, and no session ends by it but those that may not go on: of
certificates that do not stand any more, or all of them where the authentication mode changes (3.2.7.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from .options import DaemonOptions

FILES = ("certificate", "private-key", "client-ca", "client-crl", "identity-addresses")
"""Options that name files, in which something can change while the option does not."""

RESTART = frozenset(
    (
        "uri",
        "socket-group",
        "interface",
        "device",
        "prefix",
        "control",
        "log-format",
        "advertise",
        "strict",
        "trusted-proxy",
        "proxy-protocol",
        "authority",
        "publish",
    )
)
"""Options that take effect only when the server is started again."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The names of the options that are different, or whose files are: in force now, or only after a restart."""

    now: tuple[str, ...]
    restart: tuple[str, ...]

    def __str__(self) -> str:
        words = f"changed: {', '.join(self.now)}" if self.now else "nothing to change"
        return f"{words}; needs a restart: {', '.join(self.restart)}" if self.restart else words


def contents(options: DaemonOptions) -> dict[str, bytes]:
    """Return a digest of each file that the options name; raises ConfigError if one cannot be read."""
    return {name: content for name in FILES if (content := digest(options, name))}


def digest(options: DaemonOptions, name: str) -> bytes | None:
    """Return a digest of the file that an option names, None if it names none; raises ConfigError."""
    path = options.path(name)
    try:
        return sha256(path.read_bytes()).digest() if path else None
    except OSError as error:
        raise options.located(f"--{name}: cannot read {path}: {error.strerror}", name) from error


def compare(
    before: DaemonOptions, files_before: dict[str, bytes], after: DaemonOptions, files_after: dict[str, bytes]
) -> Changes:
    """Return what is different between two readings of the options and their files."""
    different = {name for name in after if before[name] != after[name]}
    different |= {name for name in FILES if files_before.get(name) != files_after.get(name)}
    return Changes(tuple(sorted(different - RESTART)), tuple(sorted(different & RESTART)))
