"""The table of clauses of [MS-SSTP] names code that cites them, and tests that there are."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.runner import ErrorHolder
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.table import loaded
from tests.core.sstp.clauses import CLAUSES
from tests.test_conformance import cites

ROOT = Path(__file__).parents[3]

SECTIONS = {f"3.3.5.2.{number}" for number in range(1, 9)} | {"3.1.2.1", "3.1.2.2", "3.1.2.3", "3.1.5.1", "3.1.6"}
SECTIONS |= {"3.1.7.1", "3.1.7.2", "3.3.2.1", "3.3.4", "3.3.6", "3.3.7.1", "3.3.7.2", "3.3.7.3"}
"""The sections of 3.1 and 3.3 that say what a server does."""


class ClauseTests(SynchronousTestCase):
    """The clauses of the server."""

    def test_complete(self) -> None:
        """Every section about messages, timers and interfaces has a row."""
        self.assertEqual(set(), SECTIONS - {clause.section for clause in CLAUSES})
        self.assertEqual([*range(1, len(CLAUSES) + 1)], [clause.number for clause in CLAUSES])

    def test_tests_exist(self) -> None:
        """Each clause names tests that exist, or says why it has none."""
        for clause in CLAUSES:
            self.assertTrue(clause.tests or clause.note, clause.number)
            for name in clause.tests:
                suite = loaded(name)
                self.assertGreater(suite.countTestCases(), 0, name)
                self.assertFalse(isinstance(suite, ErrorHolder), name)

    def test_code_cites(self) -> None:
        """Each clause names a file that exists and cites its section."""
        for clause in CLAUSES:
            if clause.code:
                source = (ROOT / "iphttps" / clause.code).read_text()
                self.assertTrue(cites(source, clause.section), (clause.number, clause.section, clause.code))
