"""A row of the table: figures of several rounds, what they are compared with, and what is wanted of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Goal:
    """The bound on the median."""

    limit: float
    at_least: bool

    def met_by(self, value: float) -> bool:
        """Tell whether a value keeps to it."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def at_least(limit: float) -> Goal:
    """Return the goal to have this much or more."""
    return Goal(limit, at_least=True)


def at_most(limit: float) -> Goal:
    """Return the goal to have this much or less."""
    return Goal(limit, at_least=False)


@dataclass(frozen=True, slots=True)
class Row:
    """The measured figures, one per round, with the same number of figures for the comparison, if there is one."""

    what: str
    unit: str
    figures: Sequence[float]
    against: str = ""
    others: Sequence[float] = ()
    goal: Goal | None = None
    tunnel: str = ""
    """The owner of the figure, in a row for orientation."""
    table: str = ""
    """The property that the owners have in common, where they have a table of their own."""

    @property
    def judged(self) -> list[float]:
        """The subject of the goal: the figures, or their ratio to the comparison within each round."""
        if not self.others:
            return list(self.figures)
        return [
            figure / other if other else float("inf") for figure, other in zip(self.figures, self.others, strict=True)
        ]

    @property
    def met(self) -> bool | None:
        """True if the goal is met; None if there is none."""
        return self.goal.met_by(median(self.judged)) if self.goal else None


@dataclass(frozen=True, slots=True)
class Scope:
    """The measurements to take of a crowd."""

    rounds: int
    sizes: Sequence[int] = ()
    """Crowds of these sizes alone; all if there is none."""
    alone: bool = False
    """True if the other tunnels are left out."""
    before: str = ""
    """The `twistd` of another version of iphttps that takes turns with this one; none if empty."""

    def chosen(self, sizes: Sequence[int]) -> list[int]:
        """Return the sizes that are wanted; these unless others are."""
        return list(self.sizes or sizes)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are measured together, in so many rounds."""

    name: str
    subject: str
    measure: Callable[[int], list[Row]]

    def rows(self, scope: Scope) -> list[Row]:
        """Measure them."""
        return self.measure(scope.rounds)


@dataclass(frozen=True, slots=True)
class CrowdGroup:
    """Rows about crowds, whose sizes can be chosen."""

    name: str
    subject: str
    rows: Callable[[Scope], list[Row]]
