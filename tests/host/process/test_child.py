"""Tests for iphttps.host.process.child; what programs inherit and say is tested where they are run, in tests/app."""

from __future__ import annotations

import select
import signal

from twisted.trial.unittest import SynchronousTestCase

from iphttps.core.errors import ConfigError
from iphttps.host.process.child import ChildProcess


class ChildProcessTests(SynchronousTestCase):
    """A running program."""

    def test_life(self) -> None:
        """It is readable when it has said something, and when it has ended; then it has an exit status."""
        child = ChildProcess(["/bin/sh", "-c", "read line; echo $X; exit 3"], {"X": "hello"})
        self.assertEqual(select.select([child.output], [], [], 10)[0], [child.output])
        self.assertEqual(child.read(), b"hello\n")
        self.assertEqual(select.select([child.end], [], [], 10)[0], [child.end])
        self.assertEqual((child.read(), child.close()), (b"", 3))

    def test_silent(self) -> None:
        """Reading does not wait for what has not been said."""
        child = ChildProcess(["/bin/sleep", "60"], {})
        self.assertIsNone(child.read())
        child.kill()
        self.assertEqual(child.close(), -signal.SIGKILL)
        child.kill()

    def test_missing(self) -> None:
        """What is not there is told in a sentence."""
        error = self.assertRaises(ConfigError, ChildProcess, ["/nowhere"], {})
        self.assertEqual(str(error), "cannot run /nowhere: No such file or directory")
