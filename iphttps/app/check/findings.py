"""Findings of `iphttps check`: severity, sentence and position."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ...core.errors import ConfigError
from ..config.options import DaemonOptions
from ..config.tomlfile import Problem

T = TypeVar("T")


class Severity(Enum):
    """The severity of a finding."""

    ERROR = "error"
    """The daemon does not start, or no client can connect."""
    WARNING = "warning"
    """It works, but not for long, or not for every client."""
    NOTE = "note"
    """Information."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a sentence that says what to do, the option concerned, and its file and line."""

    severity: Severity
    problem: Problem

    def __str__(self) -> str:
        where = f"{self.problem.where}: " if self.problem.file else ""
        return f"{where}{self.severity.value}: {self.problem.sentence}"


class Findings:
    """The findings about the options of one daemon, each sentence once."""

    def __init__(self, options: DaemonOptions) -> None:
        self._options = options
        self._found: dict[str, Finding] = {}

    @property
    def all(self) -> list[Finding]:
        """All findings, the most severe first, those of the same severity by line."""
        severities = list(Severity)
        return sorted(
            self._found.values(),
            key=lambda finding: (severities.index(finding.severity), finding.problem.line or sys.maxsize),
        )

    @property
    def errors(self) -> bool:
        """True if one of them is an error."""
        return any(finding.severity is Severity.ERROR for finding in self._found.values())

    def add(self, severity: Severity, key: str, sentence: str | None) -> None:
        """Add a sentence about an option; None adds nothing."""
        if sentence:
            self._add(severity, self._options.located(sentence, key))

    def error(self, problem: Problem) -> None:
        """Add an error in a value itself."""
        self._add(Severity.ERROR, problem)

    def attempt(self, key: str, action: Callable[[], T]) -> T | None:
        """Return the result of an action of the daemon; if it raises ConfigError, add that and return None."""
        try:
            return action()
        except Problem as error:
            self.error(error)
        except ConfigError as error:
            self.add(Severity.ERROR, key, str(error))
        return None

    def _add(self, severity: Severity, problem: Problem) -> None:
        self._found.setdefault(problem.sentence, Finding(severity, problem))
