"""The CPU time of a program."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from bench import cpu
from iphttps.lab.poll import wait_until

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"


class FamilyTests(SynchronousTestCase):
    """Processes with children."""

    def test_family(self) -> None:
        """The children of a process belong to it, since some servers have one for each client."""
        process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE)
        with process:
            wait_until(lambda: len(list(cpu.family(process.pid))) == 2, "a child")
            self.assertEqual(process.pid, next(cpu.family(process.pid)))
            process.communicate()

    def test_ended(self) -> None:
        """A process that has ended is no error."""
        with subprocess.Popen([sys.executable, "-c", ""]) as process:
            process.wait()
        self.assertEqual([process.pid], list(cpu.family(process.pid)))
