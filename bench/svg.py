"""A line chart as SVG: figures against a number that grows by powers of ten."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, inf, log10
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 130, 20, 50
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")
FONT = 'font-family="sans-serif" font-size="12"'
LINE = 14
STEPS = 5


def chart(lines: Mapping[str, Points], across: str, upward: str, *, powers: bool = False) -> str:
    """Return the chart of some lines by their names; `across` and `upward` say what the axes are.

    Upward goes from 0 in equal steps, or with `powers` by powers of ten, as across.
    """
    points = [point for line in lines.values() for point in line]
    scale = _Powers if powers else _Steps
    height = scale([y for _, y in points])
    decades = max(ceil(log10(max(x for x, _ in points))), 1)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * log10(x) / decades,
            HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * height.share(y),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for mark in height.marks:
        x, y = place(1, mark)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(x - 8, y + 4, f"{mark:g}", "end"))
    for decade in range(decades + 1):
        x, y = place(10**decade, height.marks[0])
        parts.append(f'<path d="M{x:.1f} {y:.1f}V{TOP}" stroke="#ddd"/>')
        parts.append(_text(x, y + 18, f"{10**decade}", "middle"))
    heights = _apart([place(*line[-1])[1] for line in lines.values()])
    for (name, line), colour, label in zip(lines.items(), COLOURS, heights, strict=False):
        places = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(places[-1][0] + 8, label + 4, name, "start", colour))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle"))
    parts.append(_text(LEFT, TOP - 7, upward, "start"))
    return "\n".join([*parts, "</svg>", ""])


class _Steps:
    """From 0 to the greatest value, in equal steps that people count by."""

    def __init__(self, values: Sequence[float]) -> None:
        step = _round(max(values) / STEPS)
        self._top = ceil(max(values) / step) * step
        self.marks = [number * step for number in range(round(self._top / step) + 1)]

    def share(self, value: float) -> float:
        """Return how far up a value is, from 0 to 1."""
        return value / self._top


class _Powers:
    """From the power of ten at or below the least value to the one at or above the greatest."""

    def __init__(self, values: Sequence[float]) -> None:
        self._low = floor(log10(min(values)))
        self._high = max(ceil(log10(max(values))), self._low + 1)
        self.marks = [10.0**power for power in range(self._low, self._high + 1)]

    def share(self, value: float) -> float:
        """Return how far up a value is, from 0 to 1."""
        return (log10(value) - self._low) / (self._high - self._low)


def _apart(heights: Sequence[float]) -> list[float]:
    """Move labels at these heights down as far as it takes for each to be read."""
    moved = list(heights)
    before = -inf
    for at in sorted(range(len(heights)), key=heights.__getitem__):
        moved[at] = before = max(heights[at], before + LINE)
    return moved


def _round(value: float) -> float:
    """Return the next number above that people count by: 1, 2 or 5 with zeros."""
    power = 10.0 ** ceil(log10(value) - 1)
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
