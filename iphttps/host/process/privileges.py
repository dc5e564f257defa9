"""Keeps two capabilities when `twistd --uid` changes the user or systemd grants only these (capabilities(7)).

CAP_NET_ADMIN sets the link up and down, and restores network settings at the end; CAP_NET_BIND_SERVICE is needed to
listen again after the server was disabled. All others are dropped.
"""

from __future__ import annotations

import ctypes
import os

CAP_NET_BIND_SERVICE = 10  # linux/capability.h
CAP_NET_ADMIN = 12
KEPT = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_NET_ADMIN

_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8  # linux/prctl.h
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def has(capability: int) -> bool:
    """Tell whether a capability is effective in this process.

    Raises:
        OSError: The kernel rejects the query.
    """
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if _libc.capget(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), "capget")
    return bool(data[0].effective >> capability & 1)


def keep() -> None:
    """Make the kernel keep the permitted capabilities across a change of user; call it before that.

    Raises:
        OSError: The kernel denies the request.
    """
    if _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def narrow() -> None:
    """Make the two capabilities effective and drop all others; call it after the change of user.

    Child processes inherit none. Does nothing if the user is still root or never had the capabilities.

    Raises:
        OSError: The kernel denies the request.
    """
    if os.geteuid() == 0:
        return
    # First and separately: if there is nothing else to drop, capset is not called, which a seccomp filter may forbid.
    if _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if _libc.capget(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), "capget")
    kept = data[0].permitted & KEPT
    if (data[0].effective, data[0].permitted, data[1].permitted) == (kept, kept, 0):
        return
    data[0] = _Data(kept, kept, 0)
    data[1] = _Data(0, 0, 0)
    if _libc.capset(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), "capset")
