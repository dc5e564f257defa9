"""The pictures of crowds."""

import xml.etree.ElementTree as ET
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from bench.crowd import Busy
from bench.delays import Delays
from bench.groups import crowd
from bench.groups.crowd import Case
from bench.peers.tunnel import Peer, Tunnel


def nothing() -> AbstractContextManager[Tunnel]:
    """Put nothing up."""
    raise NotImplementedError


ONE, OTHER = Peer("one", nothing), Peer("other", nothing)


def busy(median: float) -> Busy:
    """Return what was measured, with this delay of the pings."""
    return Busy([], 1.0, Delays(median, 2 * median, 0))


class DrawTests(SynchronousTestCase):
    """A picture for each direction."""

    def test_lines(self) -> None:
        """Each tunnel has a line, over the sizes that were measured, and one without an answer has no point."""
        found = {
            Case(ONE, 20, "down"): [busy(3)],
            Case(ONE, 1, "down"): [busy(1), busy(2), busy(9)],
            Case(OTHER, 1, "down"): [busy(4)],
            Case(OTHER, 20, "down"): [busy(float("inf"))],
            Case(ONE, 1, "up"): [busy(1)],
        }
        with TemporaryDirectory() as directory:
            self.patch(crowd, "PAGES", Path(directory))
            crowd.draw(found)
            root = ET.fromstring((Path(directory) / "crowd-down.svg").read_text())
            self.assertTrue((Path(directory) / "crowd-up.svg").exists())
        lines = root.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([2, 1], [len(line.attrib["points"].split()) for line in lines])
