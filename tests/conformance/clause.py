"""A clause: a normative statement, and where it is obeyed and shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clause:
    """A normative statement: its number in the usual order, where it stands, what it says, how strongly.

    `code` is where it is obeyed; `tests` show it, those first that look at it from outside; `note` says what is
    to be said, and why there is no test where there is none.
    """

    number: int
    section: str
    says: str
    level: str
    code: str
    tests: tuple[str, ...]
    note: str = ""
