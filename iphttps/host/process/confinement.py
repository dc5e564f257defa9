"""Confines this process with Landlock (landlock(7)) to what name resolution needs, if the kernel supports it."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures that Python has wheels for
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH, _NET_PORT = 1, 2
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPES = 3  # abstract UNIX sockets and signals

_NO_NEW_PRIVS = 38  # PR_SET_NO_NEW_PRIVS

DNS_PORT = 53

# Files that the C library reads for name resolution and the time zone. Not all of /etc: it contains private keys.
_FILES = tuple(
    f"/etc/{name}"
    for name in (
        *("resolv.conf", "hosts", "nsswitch.conf", "host.conf", "gai.conf", "services", "protocols"),
        *("localtime", "ld.so.cache", "passwd"),
    )
)
_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/run/systemd/resolve")

_libc = ctypes.CDLL(None, use_errno=True)


def confine() -> bool:
    """Give up access to all files except those for name resolution, and to TCP except DNS; tell whether it worked.

    This cannot be undone, and child processes inherit it. Returns False if the kernel does not support Landlock.

    Raises:
        OSError: The kernel supports Landlock but denies the request.
    """
    version = _libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False  # not built in, or not switched on
    files, network, scopes = _rights(version)
    attributes = struct.pack("=3Q", files, network, scopes)[: 24 if scopes else 16 if network else 8]
    with _closing(_call(_CREATE_RULESET, attributes, len(attributes), 0)) as ruleset:
        for path in (*_FILES, *_FOLDERS):
            with (
                suppress(FileNotFoundError, PermissionError, NotADirectoryError),
                _closing(os.open(path, os.O_PATH)) as at,
            ):
                rights = _READ_FILE | (_READ_DIR if path in _FOLDERS else 0)
                _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, at), 0)
        if network:
            _call(_ADD_RULE, ruleset, _NET_PORT, struct.pack("=2Q", _CONNECT_TCP, DNS_PORT), 0)
        _checked(_libc.prctl(_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))
        _call(_RESTRICT_SELF, ruleset, 0)
    return True


def _rights(version: int) -> tuple[int, int, int]:
    """Return the file rights, the network rights and the scopes that a Landlock version supports."""
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    return files, _BIND_TCP | _CONNECT_TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0


def _call(number: int, *arguments: int | bytes) -> int:
    return _checked(
        _libc.syscall(number, *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments))
    )


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
