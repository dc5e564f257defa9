"""Tests for iphttps.host.process.child; what programs inherit and say is tested where they are run, in tests/app."""

from __future__ import annotations

import os
import select
import signal

from twisted.trial.unittest import SynchronousTestCase

from iphttps.host.process.child import PIPE, ChildProcess


class ChildProcessTests(SynchronousTestCase):
    """A running program."""

    def wait(self, *descriptors: int) -> None:
        """Wait until one of these can be read."""
        self.assertTrue(select.select(descriptors, [], [], 10)[0])

    def test_life(self) -> None:
        """It is readable when it has said something, and when it has ended; then it has an exit status."""
        child = ChildProcess(["/bin/sh", "-c", "read line; echo $X; exit 3"], {"X": "hello"})
        self.wait(child.output)
        self.assertEqual(child.read(child.output), b"hello\n")
        self.wait(child.end)
        self.assertEqual((child.read(child.output), child.close()), (b"", 3))

    def test_silent(self) -> None:
        """Reading does not wait for what has not been said."""
        child = ChildProcess(["/bin/sleep", "60"], {})
        self.assertIsNone(child.read(child.output))
        child.kill()
        self.assertEqual(child.close(), -signal.SIGKILL)
        child.kill()

    def test_errors(self) -> None:
        """Error output is part of the output, or has a pipe of its own."""
        command = ["/bin/sh", "-c", "echo wrong >&2"]
        together, apart = ChildProcess(command, {}), ChildProcess(command, {}, apart=True)
        assert apart.errors is not None
        for child in (together, apart):
            self.wait(child.end)
        self.assertIsNone(together.errors)
        self.assertEqual(together.read(together.output), b"wrong\n")
        self.assertEqual((apart.read(apart.output), apart.read(apart.errors)), (b"", b"wrong\n"))
        self.assertEqual((together.close(), apart.close()), (0, 0))

    def test_input(self) -> None:
        """Input is written as far as the pipe takes it, without waiting; its end is told to the program."""
        given = os.urandom(3 * PIPE)
        child = ChildProcess(["/bin/cat"], {}, given)
        assert child.input is not None
        while child.write():
            self.fail("the pipe takes everything")
        heard, done = b"", False
        while len(heard) < len(given):
            self.wait(child.output)
            heard += child.read(child.output) or b""
            done = done or child.write()
        self.assertTrue(done)
        self.assertEqual(heard, given)
        child.close_input()
        self.assertIsNone(child.input)
        self.wait(child.end)
        self.assertEqual(child.close(), 0)

    def test_input_not_taken(self) -> None:
        """A program that closes its input gets no more of it, and goes on."""
        child = ChildProcess(["/bin/sh", "-c", "exec <&-; echo closed; exec /bin/sleep 60"], {}, b"x" * 2 * PIPE)
        self.wait(child.output)
        self.assertTrue(child.write())
        child.close_input()
        self.assertEqual(select.select([child.end], [], [], 0)[0], [])
        child.kill()
        self.assertEqual(child.close(), -signal.SIGKILL)

    def test_missing(self) -> None:
        """A program that does not exist is an error, and leaves no descriptor open."""
        before = os.listdir("/proc/self/fd")
        error = self.assertRaises(FileNotFoundError, ChildProcess, ["/nowhere"], {}, b"x", apart=True)
        self.assertEqual(error.strerror, "No such file or directory")
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_no_descriptor_left(self) -> None:
        """A program whose end cannot be watched for want of a descriptor is killed, and the failure says why."""
        started: list[int] = []

        def refuse(pid: int) -> int:
            started.append(pid)
            raise OSError(24, "Too many open files")

        before = os.listdir("/proc/self/fd")
        self.patch(os, "pidfd_open", refuse)
        error = self.assertRaises(OSError, ChildProcess, ["/bin/sleep", "60"], {}, b"x")
        self.assertEqual(error.strerror, "Too many open files")
        self.assertRaises(ProcessLookupError, os.kill, started[0], 0)
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_no_permission(self) -> None:
        """A program that may not be killed, as by root without CAP_KILL, is no error."""

        def refuse(group: int, number: int) -> None:
            raise PermissionError(1, "Operation not permitted")

        child = ChildProcess(["/bin/cat"], {}, b"x")
        self.patch(os, "killpg", refuse)
        child.kill()
        child.close_input()
        self.assertEqual(child.close(), 0)
