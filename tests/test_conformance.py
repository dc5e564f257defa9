"""The table of clauses is whole, true to its document, and names tests that there are."""

import re
from itertools import chain
from pathlib import Path

from twisted.trial.runner import ErrorHolder
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.table import CLAUSES, SSTP_CLAUSES, document, loaded

ROOT = Path(__file__).parents[1]

SSTP_SECTIONS = {
    "server": {f"3.3.5.2.{number}" for number in range(1, 9)}
    | {
        *("3.1.2.1", "3.1.2.2", "3.1.2.3", "3.1.5.1", "3.1.6", "3.1.7.1", "3.1.7.2"),
        *("3.3.2.1", "3.3.4", "3.3.6", "3.3.7.1", "3.3.7.2", "3.3.7.3"),
    },
    "client": {f"3.2.5.3.{number}" for number in range(1, 9)}
    | {f"3.2.5.2.{number}" for number in range(1, 5)}
    | {
        *("3.1.2.1", "3.1.2.2", "3.1.2.3", "3.1.5.1", "3.1.7.1", "3.1.7.2"),
        *("3.2.1", "3.2.2.1", "3.2.4.1", "3.2.4.2", "3.2.5.2", "3.2.6", "3.2.7.1", "3.2.7.2"),
    },
}
"""The sections of 3.1 to 3.3 of [MS-SSTP] about messages, timers and interfaces of each side."""
EVERY = (*CLAUSES, *chain.from_iterable(SSTP_CLAUSES.values()))


def cites(text: str, section: str) -> bool:
    """Tell whether a text names a section, and not just one beneath it or of a longer number."""
    return re.search(rf"(?<![\d.]){re.escape(section)}(?!\d|\.\d)", text) is not None


class TableTests(SynchronousTestCase):
    """The clauses."""

    def test_complete(self) -> None:
        """Every normative statement about client and server has its row, and none stands twice."""
        self.assertEqual([*range(1, 65)], [clause.number for clause in CLAUSES])
        for side, clauses in SSTP_CLAUSES.items():
            self.assertEqual(set(), SSTP_SECTIONS[side] - {clause.section for clause in clauses})
            self.assertEqual([*range(1, len(clauses) + 1)], [clause.number for clause in clauses])

    def test_tests_exist(self) -> None:
        """Each clause names tests that exist, or says why it has none."""
        for clause in EVERY:
            self.assertTrue(clause.tests or clause.note, clause.number)
            for name in clause.tests:
                suite = loaded(name)
                self.assertGreater(suite.countTestCases(), 0, name)
                self.assertFalse(isinstance(suite, ErrorHolder), name)

    def test_code_exists(self) -> None:
        """Each clause names files that exist, and those of the core cite its section."""
        for clause in EVERY:
            for name in filter(None, clause.code.split(", ")):
                self.assertTrue((ROOT / "iphttps" / name).is_file(), name)
                if name.startswith("core/"):
                    self.assertTrue(cites((ROOT / "iphttps" / name).read_text(), clause.section), (clause.number, name))

    def test_document(self) -> None:
        """docs/conformance.md is what the table says."""
        self.assertEqual(document(), (ROOT / "docs" / "conformance.md").read_text())
