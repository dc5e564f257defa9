"""The cost of large short-lived buffers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

ROOT = Path(__file__).parents[3]

ROUNDS = 100
BUFFERS = """
import resource
from iphttps.host.process import allocator
kept = {keep} and allocator.keep_buffers()
def turn():
    return [bytes({size}) + b"x" for _ in range(4)]
turn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({rounds}):
    turn()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep: bool) -> float:
    """Return how many of them a turn takes that is like one of the daemon's."""
    program = BUFFERS.format(keep=keep, rounds=ROUNDS, size=200_000)
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    kept, faults = done.stdout.split()
    if keep and kept == "False":
        raise SkipTest("the C library has no mallopt")
    return int(faults) / ROUNDS


class AllocatorTests(SynchronousTestCase):
    """Programs that do nothing else."""

    def test_kept(self) -> None:
        """Memory is there already for what comes after the same."""
        self.assertLess(page_faults(keep=True), 1)

    def test_given_back(self) -> None:
        """Left to itself the C library gets it from the kernel again and again."""
        self.assertGreater(page_faults(keep=False), 50)
