"""All findings of `iphttps check` about one instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..config import client_options, server_options, sstp_client_options
from ..config.daemons import read_options
from ..instances.instances import Instance
from . import sstp_client_checks
from .file_checks import check_client_files, check_server_files
from .findings import Finding, Findings, Severity
from .system_checks import check_system


@dataclass(frozen=True, slots=True)
class Inspection:
    """An instance and its findings, the most severe first."""

    instance: Instance
    findings: list[Finding]

    def number(self, severity: Severity) -> int:
        """Return the number of findings of this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def value(self) -> dict[str, Any]:
        """The inspection as a value for JSON."""
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
    """Check an instance's configuration, then its files, then the host unless the root is another machine's.

    An error in the configuration ends the check, as the rest depends on it.
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
            case sstp_client_options.Options():
                sstp_client_checks.check_files(options.config, findings, now)
        if instance.places.root == Path("/"):
            check_system(options.config, findings, now, options.config.control or instance.control)
        else:
            findings.add(Severity.NOTE, "root", "host not checked, because of --root")
    return Inspection(instance, findings.all)
