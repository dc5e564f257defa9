"""Restricts this process to the system calls of a computation and its answer (seccomp(2))."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

_SET_NO_NEW_PRIVS = 38  # prctl(2)
_SET_MODE_FILTER, _ALL_THREADS = 1, 1  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC

# Two system call tables: that of x86-64, and the generic one of all newer architectures.
_CALLS = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "poll": (7, None),
    "ppoll": (271, 73),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "futex": (202, 98),
    "sched_yield": (24, 124),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "wait4": (61, 260),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_ARCHITECTURES = {  # the AUDIT_ARCH_* of each, the column of its table, and the number of seccomp(2)
    "x86_64": (0xC000003E, 0, 317),
    "aarch64": (0xC00000B7, 1, 277),
    "riscv64": (0xC00000F3, 1, 277),
    "loongarch64": (0xC0000102, 1, 277),
}

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM

_UNAVAILABLE = (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EACCES)
"""Not built into the kernel, or forbidden by an earlier confinement."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """A struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def only_compute() -> bool:
    """Give up all system calls except reading, writing, memory and the clock; tell whether it worked.

    The others fail with EPERM from then on, in all threads: no file, socket or process can be opened. This cannot be
    undone. Returns False if the kernel or the architecture is not supported.

    Raises:
        OSError: The kernel fails for another reason.
    """
    known = _ARCHITECTURES.get(os.uname().machine)
    if known is None or sys.maxsize < 1 << 32:  # 32-bit Python uses another table
        return False
    audit, column, seccomp = known
    code = _filter(audit, column)
    program = _Program(len(code) // 8, code)
    one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
    if (
        _libc.prctl(_SET_NO_NEW_PRIVS, one, zero, zero, zero) == 0
        and _libc.syscall(
            ctypes.c_long(seccomp), *map(ctypes.c_ulong, (_SET_MODE_FILTER, _ALL_THREADS)), ctypes.byref(program)
        )
        == 0
    ):
        return True
    failure = ctypes.get_errno()
    if failure in _UNAVAILABLE:
        return False
    raise OSError(failure, os.strerror(failure))


def _filter(audit: int, column: int) -> bytes:
    """Return the BPF program as struct sock_filter; it rejects all calls of another architecture."""
    allowed = [number for numbers in _CALLS.values() if (number := numbers[column]) is not None]
    refuse, allow = len(allowed) + 3, len(allowed) + 4  # indexes of the two return instructions
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 0, refuse - 2, audit), (_LOAD, 0, 0, _NUMBER)]
    steps += [(_EQUAL, allow - place - 1, 0, number) for place, number in enumerate(allowed, len(steps))]
    steps += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
