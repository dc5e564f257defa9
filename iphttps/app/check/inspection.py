"""Everything that `iphttps check` finds about one instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..config import client_options, server_options
from ..config.daemons import read_options
from ..instances.instances import Instance
from .file_checks import check_client_files, check_server_files
from .findings import Finding, Findings, Severity
from .system_checks import check_system


@dataclass(frozen=True, slots=True)
class Inspection:
    """An instance, and what was found about it, the worst first."""

    instance: Instance
    findings: list[Finding]

    def number(self, severity: Severity) -> int:
        """Return how many findings are so bad."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def value(self) -> dict[str, Any]:
        """What becomes JSON."""
        return {
            "instance": str(self.instance),
            "role": self.instance.role,
            "file": str(self.instance.file),
            "findings": [
                {
                    "severity": finding.severity.value,
                    "key": finding.problem.key,
                    "file": finding.problem.file and str(finding.problem.file),
                    "line": finding.problem.line,
                    "sentence": finding.problem.sentence,
                }
                for finding in self.findings
            ],
        }


def inspect(instance: Instance) -> Inspection:
    """Look at an instance's configuration, then at the files that it names, then at the machine, if that is this one.

    What depends on something wrong is left out: the configuration has to be right for the rest to be looked at.
    """
    options, problems = read_options(instance)
    findings = Findings(options)
    for problem in problems:
        findings.error(problem)
    if not findings.errors:
        now = datetime.now(UTC)
        match options:
            case server_options.Options():
                check_server_files(options.config, findings, now)
            case client_options.Options():
                check_client_files(options.config, findings, now)
        if instance.places.root == Path("/"):
            check_system(options.config, findings, now, options.config.control or instance.control)
    return Inspection(instance, findings.all)
