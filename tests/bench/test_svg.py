"""The chart, as a program that reads XML sees it."""

import xml.etree.ElementTree as ET

from twisted.trial.unittest import SynchronousTestCase

from bench.svg import BOTTOM, HEIGHT, LEFT, LINE, RIGHT, TOP, WIDTH, chart

SVG = "{http://www.w3.org/2000/svg}"


class ChartTests(SynchronousTestCase):
    """Two lines."""

    def setUp(self) -> None:
        """Draw them."""
        drawn = chart({"a & b": [(1, 0), (100, 4)], "c": [(10, 2)]}, "clients", "µs")
        self.root = ET.fromstring(drawn)

    def places(self, number: int) -> list[tuple[float, ...]]:
        """Return where the points of a line are."""
        points = self.root.findall(f"{SVG}polyline")[number].attrib["points"]
        return [tuple(map(float, point.split(","))) for point in points.split()]

    def test_places(self) -> None:
        """Across a power of ten takes the same everywhere, upward a unit does, and both fill the frame."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        self.assertEqual([(LEFT, bottom), (right, TOP)], self.places(0))
        self.assertEqual([((LEFT + right) / 2, (bottom + TOP) / 2)], self.places(1))

    def test_words(self) -> None:
        """Axes and lines are named, and numbered in round steps."""
        words = [text.text for text in self.root.findall(f"{SVG}text")]
        self.assertEqual(["0", "1", "2", "3", "4", "1", "10", "100", "a & b", "c", "clients", "µs"], words)


class LabelTests(SynchronousTestCase):
    """The names of lines that end at about the same height."""

    def test_apart(self) -> None:
        """They stand under each other in the order of their ends, and the first at its own."""
        root = ET.fromstring(chart({"a": [(10, 50)], "b": [(10, 51)], "c": [(10, 100)]}, "clients", "ms"))
        texts = {text.text: float(text.attrib["y"]) for text in root.findall(f"{SVG}text")}
        self.assertAlmostEqual(LINE, texts["a"] - texts["b"], delta=0.1)
        self.assertEqual(TOP + 4, texts["c"])


class PowersTests(SynchronousTestCase):
    """A chart whose values go by powers of ten."""

    def test_places(self) -> None:
        """Each power of ten takes the same height, from the one below the least value to the one above the greatest."""
        root = ET.fromstring(chart({"a": [(1, 0.5), (10, 10), (10, 99)]}, "clients", "ms", powers=True))
        words = [text.text for text in root.findall(f"{SVG}text")]
        self.assertEqual(["0.1", "1", "10", "100", "1", "10", "a", "clients", "ms"], words)
        points = root.findall(f"{SVG}polyline")[0].attrib["points"].split()
        self.assertEqual(f"{WIDTH - RIGHT:.1f},{TOP + (HEIGHT - BOTTOM - TOP) / 3:.1f}", points[1])
