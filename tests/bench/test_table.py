"""The tables that are printed and written."""

from twisted.trial.unittest import SynchronousTestCase

from bench.rows import Row, at_least
from bench.table import spread, tables

ROWS = [
    Row("one flow", "Mbit/s", [1000, 1200, 1100], "other", [1000, 1000, 1000], at_least(1.4)),
    Row("up", "Mbit/s", [1000], tunnel="OpenVPN"),
    Row("up", "Mbit/s", [1200], tunnel="ocserv"),
    Row("ping", "ms", [0.25], tunnel="ocserv"),
    Row("longest turn", "ms", [12.34]),
]


class TableTests(SynchronousTestCase):
    """Text for a terminal and for a page."""

    def test_spread(self) -> None:
        """Several figures are their median, the least and the greatest, with about three digits; one stands alone."""
        self.assertEqual("12.3 (1.00 to 1235)", spread([1234.6, 12.34, 1]))
        self.assertEqual("0.25", spread([0.25]))

    def test_markdown(self) -> None:
        """A page has a table of what is judged, one with a line for each tunnel, and one of the rest."""
        self.assertEqual(
            """\
| what | unit | iphttps | against | others | ratio | goal |  |
| --- | --- | --- | --- | --- | --- | --- | --- |
| one flow | Mbit/s | 1100 (1000 to 1200) | other | 1000 (1000 to 1000) | 1.10 (1.00 to 1.20) | ≥ 1.4 | NOT MET |

|  | up, Mbit/s | ping, ms |
| --- | --- | --- |
| OpenVPN | 1000 |  |
| ocserv | 1200 | 0.25 |

| what | unit | figure |
| --- | --- | --- |
| longest turn | ms | 12.3 |""",
            tables(ROWS, markdown=True),
        )

    def test_tables_of_their_own(self) -> None:
        """Figures that are given a table have one by themselves, and a figure without a unit has its name alone."""
        rows = [
            Row("up", "Mbit/s", [1000], tunnel="OpenVPN"),
            Row("Jain's index", "", [0.5], tunnel="20, OpenVPN", table="active clients"),
        ]
        self.assertEqual(
            """\
|  | up, Mbit/s |
| --- | --- |
| OpenVPN | 1000 |

| active clients | Jain's index |
| --- | --- |
| 20, OpenVPN | 0.50 |""",
            tables(rows, markdown=True),
        )

    def test_plain(self) -> None:
        """In a terminal columns stand under each other, and no line ends in blanks."""
        lines = tables(ROWS).splitlines()
        self.assertEqual(lines[0].index("unit"), lines[1].index("Mbit/s"))
        self.assertEqual([line.rstrip() for line in lines], lines)
