"""The rows as a table: for a terminal, or for a page in Markdown."""

from collections.abc import Sequence
from statistics import median

from bench.rows import Row

GOALS = ("what", "unit", "iphttps", "against", "others", "ratio", "goal", "")
FIGURES = ("what", "unit", "figure")


def tables(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """Return two tables, of rows that are judged or compared and of the others; a figure is median (least to most)."""
    lay_out = _markdown if markdown else _plain
    judged = [_judged(row) for row in rows if row.goal or row.others]
    others = [(row.what, row.unit, spread(row.figures)) for row in rows if not (row.goal or row.others)]
    found = [lay_out([head, *cells]) for head, cells in ((GOALS, judged), (FIGURES, others)) if cells]
    return "\n\n".join(found)


def spread(figures: Sequence[float]) -> str:
    """Return the median, and where there are several figures the least and the greatest."""
    if len(figures) == 1:
        return _number(figures[0])
    return f"{_number(median(figures))} ({_number(min(figures))} to {_number(max(figures))})"


def _judged(row: Row) -> tuple[str, ...]:
    compared = (row.against, spread(row.others), spread(row.judged)) if row.others else ("", "", "")
    goal = (str(row.goal), "met" if row.met else "NOT MET") if row.goal else ("", "")
    return (row.what, row.unit, spread(row.figures), *compared, *goal)


def _number(value: float) -> str:
    """Three digits are as many as mean anything."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _plain(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *cells = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([head, "|" + " --- |" * len(lines[0]), *cells])
