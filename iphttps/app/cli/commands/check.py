"""`iphttps check`: check a configuration, the files that it names and the host."""

from __future__ import annotations

import functools

import click

from ....core.identity import printable
from ...instances.instances import configured, file_or_named, only
from ...instances.paths import Places
from .common_options import echo_json, file_argument, json_option, painted, role_option, root_option

COLOURS = {"error": "red", "warning": "yellow", "note": "green"}


@click.command(short_help="Check configurations, the files that they name, and the host.")
@functools.partial(file_argument, many=True)
@click.option("--strict", is_flag=True, help="Exit with status 1 for warnings, too.")
@role_option
@json_option
@root_option
def check(words: tuple[str, ...], strict: bool, role: str | None, as_json: bool, places: Places) -> int:
    """Check all configurations, or those named.

    For each, check the file, then the certificates, keys and revocation lists that it names, then the host: device,
    ports, routes, firewall and clock. Each finding names the file and line to correct. An error keeps the daemon from
    starting, or all clients from connecting; a warning does not. Nothing is changed.

    With --root the host is not checked. An error in the configuration file ends the check of that instance.

    Exit status: 1 if there are errors.
    """
    from ...check.findings import Severity  # slow: imports TLS
    from ...check.inspection import inspect

    instances = [file_or_named(places, word, role) for word in words] or configured(places) or [only(places)]
    inspections = [inspect(instance) for instance in instances]
    if as_json:
        echo_json({"checked": [inspection.value for inspection in inspections]})
    for inspection in () if as_json else inspections:
        for finding in inspection.findings:
            problem, severity = finding.problem, finding.severity.value
            where = f"{problem.where}: " if problem.file else f"{inspection.instance}: "
            click.echo(f"{printable(where)}{painted(severity, COLOURS[severity])}: {printable(problem.sentence)}")
        counts = [(inspection.number(severity), severity.value) for severity in (Severity.ERROR, Severity.WARNING)]
        said = ", ".join(f"{number} {word}{'s' * (number > 1)}" for number, word in counts if number)
        click.echo(f"{inspection.instance}: {said or 'no problems found'}")
    bad = [Severity.ERROR, *[Severity.WARNING] * strict]
    return 1 if any(inspection.number(severity) for inspection in inspections for severity in bad) else 0
