"""What `iphttps check` finds: how bad it is, what it is, and where that stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ...core.errors import ConfigError
from ..config.options import DaemonOptions
from ..config.tomlfile import Problem

T = TypeVar("T")


class Severity(Enum):
    """How bad a finding is."""

    ERROR = "error"
    """The daemon refuses to start, or nobody can connect."""
    WARNING = "warning"
    """It works, but not for long, or perhaps not for everybody."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: a sentence with what to do, and the option that it is about with its place."""

    severity: Severity
    problem: Problem

    def __str__(self) -> str:
        where = f"{self.problem.where}: " if self.problem.file else ""
        return f"{where}{self.severity.value}: {self.problem.sentence}"


class Findings:
    """Collects findings about the options of one daemon, each sentence once."""

    def __init__(self, options: DaemonOptions) -> None:
        self._options = options
        self._found: dict[str, Finding] = {}

    @property
    def all(self) -> list[Finding]:
        """All findings, the worst first."""
        severities = list(Severity)
        return sorted(self._found.values(), key=lambda finding: severities.index(finding.severity))

    @property
    def errors(self) -> bool:
        """Whether there is an error among them."""
        return any(finding.severity is Severity.ERROR for finding in self._found.values())

    def add(self, severity: Severity, key: str, sentence: str | None) -> None:
        """Note a sentence about an option; nothing if there is none."""
        if sentence:
            self._add(severity, self._options.located(sentence, key))

    def error(self, problem: Problem) -> None:
        """Note what is wrong with a value itself."""
        self._add(Severity.ERROR, problem)

    def attempt(self, key: str, action: Callable[[], T]) -> T | None:
        """Do what the daemon would do about an option; if it refuses, note that and return None."""
        try:
            return action()
        except Problem as error:
            self.error(error)
        except ConfigError as error:
            self.add(Severity.ERROR, key, str(error))
        return None

    def _add(self, severity: Severity, problem: Problem) -> None:
        self._found.setdefault(problem.sentence, Finding(severity, problem))
