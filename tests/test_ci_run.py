"""`.ci/run`: what it makes of what trial and make say."""

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = Path(__file__).parents[1] / ".ci" / "run"

# Stands in for make: prints what the test put into a file, and ends as the test says.
MAKE = """\
#!/bin/sh
echo "make $*" >>called
cat "$1.output"
exit "$(cat "$1.status")"
"""

RULE = "=" * 79
END = "-" * 79


def skips(*tests: str, reason: str = "no lab here") -> str:
    """Return how trial lists skipped tests."""
    return "\n".join([RULE, "[SKIPPED]", reason, "", *tests]) + "\n"


def once(counts: str, ran: int = 120, listed: str = "") -> str:
    """Return what trial prints around its counts."""
    return f"tests.core\n  test_x ... [OK]\n\n{listed}{END}\nRan {ran} tests in 4.321s\n\n{counts}\n"


COVERED = once("PASSED (successes=400)") + "TOTAL 100%\n"
"""The output for core and pki without a failure."""

PARTS = once("PASSED (successes=600)") + COVERED
"""The output for all parts without a failure."""


def trial(counts: str, ran: int = 120, listed: str = "") -> str:
    """Return what is printed where the laboratory's counts are these, and nothing is wrong with the parts."""
    return PARTS + once(counts, ran, listed)


class RunTests(SynchronousTestCase):
    """CI succeeds only where everything demonstrably passed."""

    def run_ci(self, test: str, test_status: int = 0, check_status: int = 0) -> tuple[int, str]:
        """Run the script with a make that says this; return the exit status and the last line."""
        root = Path(self.mktemp())
        (root / ".ci").mkdir(parents=True)
        (root / "bin").mkdir()
        shutil.copy(SCRIPT, root / ".ci" / "run")
        (root / "bin" / "make").write_text(MAKE)
        (root / "bin" / "make").chmod(0o755)
        (root / "test.output").write_text(test)
        (root / "test.status").write_text(str(test_status))
        (root / "check.output").write_text("All checks passed!\n")
        (root / "check.status").write_text(str(check_status))
        path = f"{(root / 'bin').absolute()}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", str(root / ".ci" / "run")], env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        self.assertEqual((root / "called").read_text(), "make test\nmake check\n")
        return done.returncode, done.stdout.splitlines()[-1]

    def test_all_passed(self) -> None:
        """If every test passed and both targets succeeded, so does CI."""
        self.assertEqual(self.run_ci(trial("PASSED (successes=120)")), (0, "1120 passed, 0 failed"))

    def test_failures_and_errors(self) -> None:
        """Failures, errors and unexpected successes count as failed, also if make forgot to say so."""
        output = trial("FAILED (failures=1, errors=2, unexpectedSuccesses=3, successes=4)")
        for status in (0, 2):
            self.assertEqual(self.run_ci(output, status), (1, "1004 passed, 6 failed"))

    def test_other_skips(self) -> None:
        """A test outside the lab may be skipped."""
        output = trial(
            "PASSED (skips=1, successes=119)", listed=skips("tests.host.device.test_tun.KernelTests.test_read")
        )
        self.assertEqual(self.run_ci(output), (0, "1119 passed, 0 failed"))

    def test_lab_skips(self) -> None:
        """A lab test that was skipped has failed."""
        lab = ("tests.lab.test_tunnel.TunnelTests.test_a", "tests.lab.test_tunnel.TunnelTests.test_b")
        listed = skips("tests.host.device.test_tun.KernelTests.test_read", reason="=== odd") + skips(*lab)
        output = trial("PASSED (skips=3, successes=117)", listed=listed)
        self.assertEqual(self.run_ci(output), (1, "1117 passed, 2 failed"))

    def test_unlisted_skips(self) -> None:
        """Skips that trial does not list by name might be lab tests."""
        self.assertEqual(self.run_ci(trial("PASSED (skips=1, successes=9)")), (1, "1009 passed, 1 failed"))

    def test_coverage_missed(self) -> None:
        """The target test can fail although every test passed."""
        self.assertEqual(self.run_ci(trial("PASSED (successes=120)"), 2), (1, "1120 passed, 1 failed"))

    def test_check_failed(self) -> None:
        """A failed target check counts as one more."""
        output = trial("PASSED (successes=120)")
        self.assertEqual(self.run_ci(output, check_status=2), (1, "1120 passed, 1 failed"))

    def test_no_counts(self) -> None:
        """A trial that died, ran nothing or printed its counts in part is no success, whatever make says."""
        for output in (
            "",
            "Traceback (most recent call last):\n",
            trial("PASSED", ran=0),
            trial("PASSED (successes=)"),
            trial("PASSED (successes=12"),
            "PASSED (successes=120)\n",
            "    PASSED (successes=120)\n    Ran 120 tests in 4.3s\n",
            PARTS,
            COVERED + once("PASSED (successes=120)"),
        ):
            self.assertEqual(self.run_ci(output), (1, "0 passed, 1 failed"), output)

    def test_no_successes(self) -> None:
        """If everything was skipped in one of the runs, that run has shown nothing."""
        output = trial("PASSED (skips=1)", listed=skips("tests.host.device.test_tun.KernelTests.test_read"))
        self.assertEqual(self.run_ci(output), (1, "1000 passed, 1 failed"))

    def test_parts_failed(self) -> None:
        """A failed part is reported even if the laboratory passes."""
        lab, failed = once("PASSED (successes=120)"), once("FAILED (failures=1, successes=999)")
        for output in (failed + COVERED + lab, once("PASSED (successes=400)") + failed + lab):
            self.assertEqual(self.run_ci(output, 1), (1, "1519 passed, 1 failed"))
        output = once("FAILED (successes=999)") + COVERED + lab
        self.assertEqual(self.run_ci(output), (1, "1519 passed, 1 failed"))

    def test_counts_once_more(self) -> None:
        """A further set of counts, as a test may print, is not believed over the first."""
        output = trial("FAILED (failures=1, successes=9)") + trial("PASSED (successes=10)")
        self.assertEqual(self.run_ci(output), (1, "0 passed, 1 failed"))

    def test_failed_without_count(self) -> None:
        """The word FAILED is believed even if no count explains it."""
        self.assertEqual(self.run_ci(trial("FAILED (successes=9)")), (1, "1009 passed, 1 failed"))
