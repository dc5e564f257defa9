"""The rows as a table: for a terminal, or for a page in Markdown."""

from collections.abc import Sequence
from statistics import median

from bench.rows import Row

GOALS = ("what", "unit", "iphttps", "against", "others", "ratio", "goal", "")
FIGURES = ("what", "unit", "figure")


def tables(rows: Sequence[Row], *, markdown: bool = False) -> str:
    """Return a table of the rows that are judged or compared, one of the tunnels side by side, and one of the others.

    A figure is the median, with the least and the greatest behind it.
    """
    lay_out = _markdown if markdown else _plain
    judged = [row for row in rows if row.goal or row.others]
    tunnels = [row for row in rows if row.tunnel]
    others = [row for row in rows if row not in judged and row not in tunnels]
    found: list[Sequence[Sequence[str]]] = []
    if judged:
        found.append([GOALS, *map(_judged, judged)])
    for name in dict.fromkeys(row.table for row in tunnels):
        found.append(_side_by_side(name, [row for row in tunnels if row.table == name]))
    if others:
        found.append([FIGURES, *((row.what, row.unit, spread(row.figures)) for row in others)])
    return "\n\n".join(map(lay_out, found))


def spread(figures: Sequence[float]) -> str:
    """Return the median, and where there are several figures the least and the greatest."""
    if len(figures) == 1:
        return _number(figures[0])
    return f"{_number(median(figures))} ({_number(min(figures))} to {_number(max(figures))})"


def _judged(row: Row) -> tuple[str, ...]:
    compared = (row.against, spread(row.others), spread(row.judged)) if row.others else ("", "", "")
    goal = (str(row.goal), "met" if row.met else "NOT MET") if row.goal else ("", "")
    return (row.what, row.unit, spread(row.figures), *compared, *goal)


def _side_by_side(table: str, rows: Sequence[Row]) -> list[Sequence[str]]:
    """Have a line for each tunnel, and a column for each thing measured."""
    cells = {(row.tunnel, f"{row.what}, {row.unit}".removesuffix(", ")): spread(row.figures) for row in rows}
    names, columns = (tuple(dict.fromkeys(keys)) for keys in zip(*cells, strict=True))
    return [(table, *columns), *((name, *(cells.get((name, column), "") for column in columns)) for name in names)]


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
