"""Keeps two capabilities when `twistd --uid` gives up being root, or where systemd gave no more (capabilities(7)).

CAP_NET_ADMIN takes the link up and down and undoes at the end what was changed at the start;
CAP_NET_BIND_SERVICE listens again after the server was disabled. Everything else is given up.
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
    """Tell whether this process has a capability in force."""
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    if _libc.capget(ctypes.byref(header), data):
        raise OSError(ctypes.get_errno(), "capget")
    return bool(data[0].effective >> capability & 1)


def keep() -> None:
    """Have the kernel leave the permitted capabilities when the user changes; call it before that."""
    if _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def narrow() -> None:
    """Take up the two capabilities and give up all others; call it after the user has changed.

    Programs started later inherit none. Does nothing for root, who has not changed, and for who never had them.
    """
    if os.geteuid() == 0:
        return
    # Before the rest and by a call of its own: where nothing else is to be given up, a filter may forbid capset.
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
