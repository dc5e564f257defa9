"""The abilities of a process under the strict seccomp filter, and the filter's verdicts on other machines."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import socket
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.host.process import seccomp
from iphttps.host.process.seccomp import only_compute

from ..support import in_child

_libc = ctypes.CDLL(None, use_errno=True)
_CLOSED = {
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "open of the x32 table": 0x40000002,
    "a number that no kernel has": 9999,
}
"""System calls by their numbers, which are the same everywhere."""


def attempts() -> dict[str, str]:
    """Return what becomes of each way out of a process."""
    parent, ended = os.getppid(), bytearray(8)
    tried: dict[str, Callable[[], object]] = {
        "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "UDP over IPv6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "TCP": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "a UNIX socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "a pair of sockets": socket.socketpair,
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "a file": lambda: os.open("/etc/hosts", os.O_RDONLY),
        "a library": lambda: os.open("/lib", os.O_RDONLY | os.O_DIRECTORY),
        "another's memory": lambda: os.open(f"/proc/{parent}/mem", os.O_RDWR),
        "a process": os.fork,
        "a program": lambda: os.execv("/bin/true", ["true"]),
        "a signal": lambda: os.kill(parent, 0),
        "a pipe": os.pipe,
        "another's limits": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
        "no more alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 0),
        **{name: partial(_call, number, ended) for name, number in _CLOSED.items()},
    }
    return {name: _outcome(action) for name, action in tried.items()}


def _call(number: int, room: bytearray) -> None:
    if _libc.syscall(ctypes.c_long(number), (ctypes.c_char * len(room)).from_buffer(room), 0, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _outcome(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "done"


class OnlyComputeTests(SynchronousTestCase):
    """`only_compute`, on this kernel."""

    def test_closed(self) -> None:
        """No socket of any kind, no file, no process and no signal; what is open already can be read and written."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)

        def tried() -> tuple[bool, dict[str, str], bytes]:
            if not only_compute():
                return False, {}, b""
            os.write(writing, b"word")
            many = [str(number) * 100 for number in range(20_000)]  # takes memory of the kernel's
            return True, attempts(), os.read(reading, 4) if len(many) == 20_000 else b""

        can, found, word = in_child(tried)
        if not can:
            raise SkipTest("This kernel has no seccomp filters.")
        self.assertEqual({name: outcome for name, outcome in found.items() if outcome != "EPERM"}, {})
        self.assertEqual(word, b"word")

    def test_threads(self) -> None:
        """A thread that was there before is bound by it as well."""

        def tried() -> str:
            import threading

            closed, found = threading.Event(), []

            def work() -> None:
                closed.wait(10)
                found.append(_outcome(lambda: os.open("/etc/hosts", os.O_RDONLY)))

            thread = threading.Thread(target=work)
            thread.start()
            can = only_compute()
            closed.set()
            thread.join(10)
            return found[0] if can else "EPERM"

        self.assertEqual(in_child(tried), "EPERM")

    def test_unavailable(self) -> None:
        """A kernel, or a machine, without such filters is told, and nothing is changed; other failures are raised."""

        class Kernel:
            def prctl(self, *_: object) -> int:
                return 0

            def syscall(self, *_: object) -> int:
                return -1

        self.patch(seccomp, "_libc", Kernel())
        for number in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            ctypes.set_errno(number)
            self.assertFalse(only_compute())
        ctypes.set_errno(errno.ENOMEM)
        self.assertEqual(self.assertRaises(OSError, only_compute).errno, errno.ENOMEM)
        self.patch(seccomp, "_ARCHITECTURES", {})
        self.assertFalse(only_compute())


class FilterTests(SynchronousTestCase):
    """The program that the kernel runs for each system call."""

    def test_decisions(self) -> None:
        """Only the calls in a machine's table are allowed, and not by their numbers on another machine."""
        for audit, column, _ in seccomp._ARCHITECTURES.values():
            code = seccomp._filter(audit, column)
            numbers = {each[column] for each in seccomp._CALLS.values()}
            for number in (*range(600), 0x40000000, 0x40000001, 0xFFFFFFFF):
                self.assertEqual(_decision(code, audit, number), "allow" if number in numbers else "refuse", number)
                self.assertEqual(_decision(code, 0x40000003, number), "refuse")  # i386

    def test_numbers(self) -> None:
        """The table of this machine is the one that the kernel's headers have."""
        header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
        if not header.exists():
            raise SkipTest("The kernel's headers are not installed.")
        words = [line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR_")]
        numbers = {name.removeprefix("__NR_"): int(number) for _, name, number in words}
        for name, (number, _) in seccomp._CALLS.items():
            self.assertEqual(numbers[name], number, name)
        generic = Path("/usr/include/asm-generic/unistd.h").read_text()
        for name, (_, other) in seccomp._CALLS.items():
            if other is not None:
                self.assertRegex(generic, rf"#define __NR(3264)?_{name} {other}\n", name)


def _decision(code: bytes, audit: int, number: int) -> str:
    """Run a filter as the kernel does."""
    steps = list(struct.iter_unpack("=HBBI", code))
    loaded = place = 0
    while True:
        what, if_equal, if_not, value = steps[place]
        place += 1
        if what == seccomp._LOAD:
            loaded = {seccomp._NUMBER: number, seccomp._ARCHITECTURE: audit}[value]
        elif what == seccomp._EQUAL:
            place += if_equal if loaded == value else if_not
        else:
            return {seccomp._ALLOW: "allow", seccomp._REFUSE: "refuse"}[value]
