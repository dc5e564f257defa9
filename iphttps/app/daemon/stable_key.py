"""The key from which the interface identifiers of this host's clients are derived, so that they survive restarts."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from ...host.process.opening import open_for

__all__ = ["FILE", "KEY_LENGTH", "interface_secret"]

FILE = "interface.key"
KEY_LENGTH = 32  # bytes; RFC 7217 section 5 demands at least 128 bits
_VARIABLE = "STATE_DIRECTORY"
"""The variable in which systemd (systemd.exec(5)) and `iphttps up` name the directory of persistent state."""


def interface_secret(
    interface: str, owner: tuple[int | None, int | None] = (None, None), environment: Mapping[str, str] = os.environ
) -> bytes | None:
    """Return a secret of 16 bytes for an interface, the same after each start; None without a state directory.

    The key is in the state directory, in a file of mode 0600, and is created first. `owner` is the user and group that
    this process will change to.

    Raises:
        OSError: The key cannot be read or created, or is incomplete; the name of the file is in the error.
    """
    directory, _, _ = environment.get(_VARIABLE, "").partition(":")
    if not directory:
        return None
    key = _key(Path(directory, FILE), owner)
    return hmac.digest(key, interface.encode(), hashlib.sha256)[:16]


def _key(path: Path, owner: tuple[int | None, int | None]) -> bytes:
    try:
        try:
            descriptor = open_for(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, *owner, mode=0o600)
        except FileExistsError:
            pass
        else:
            with open(descriptor, "wb") as new:
                new.write(os.urandom(KEY_LENGTH))
        with open(open_for(path, os.O_RDONLY, *owner), "rb") as file:
            key = file.read(KEY_LENGTH + 1)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    if len(key) != KEY_LENGTH:
        raise OSError(None, f"it does not have {KEY_LENGTH} bytes: remove it", str(path))
    return key
