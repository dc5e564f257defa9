"""Which clock is asked for what: durations go by the reactor's, and who asks for the time of day says why.

The reactor's clock is one that nobody sets (`iphttps/app/daemon/process/clock_step.py`). The time of day jumps, and
CLOCK_MONOTONIC stands still while the host is suspended.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = Path(__file__).resolve().parent.parent / "iphttps"

VALIDITY, PEOPLE, FILES = "certificates and lists are valid by it", "people or peers read it", "files have such times"

TIME_OF_DAY = {
    "pki/authority/store.py": VALIDITY,
    "app/daemon/running_client.py": VALIDITY,
    "app/control/client_actions.py": PEOPLE,
    "app/daemon/client_servers.py": VALIDITY,
    "app/daemon/service.py": PEOPLE,
    "app/cli/commands/ca.py": VALIDITY,
    "app/check/inspection.py": VALIDITY,
    "app/daemon/json_log.py": PEOPLE,
    "app/daemon/list_upkeep.py": VALIDITY,
    "app/control/server_actions.py": PEOPLE,
    "app/daemon/server_tls.py": VALIDITY,
    "host/pac/evaluator.py": "a script may choose a proxy by it",
    "pki/certificates.py": VALIDITY,
    "net/listen/static.py": "the Date of an answer (RFC 9110 section 6.6.1)",
    "net/listen/listener.py": "the Date of an answer (RFC 9110 section 6.6.1)",
    "pki/revocation.py": FILES,
    "app/users/radius.py": "Event-Timestamp, which RADIUS servers compare with their own clock (RFC 2869, 5176)",
    "net/sstp/service.py": "the Date of an answer (RFC 9110 section 6.6.1)",
    "net/iphttps/service.py": "the Date of an answer (RFC 9110 section 6.6.1)",
    "net/tls/contexts.py": VALIDITY,
    "net/tls/revocation_watch.py": VALIDITY,
}
"""The files that may ask for the time of day, and what for."""

RUNNING = {
    "app/sstp_client.py": "a client without a reactor, for demo and bench",
    "app/cli/commands/instances.py": "a command waits for a daemon",
    "pki/atomic_files.py": "a command waits for another",
    "app/instances/launch.py": "a command waits for daemons",
    "app/daemon/process/supervision.py": "systemd counts by it (sd_notify(3), MONOTONIC_USEC)",
}
"""The files that may ask CLOCK_MONOTONIC, and what for."""

ASKING = {
    "time.time": TIME_OF_DAY,
    "time.time_ns": TIME_OF_DAY,
    "time.localtime": TIME_OF_DAY,
    "time.gmtime": TIME_OF_DAY,
    "datetime.now": TIME_OF_DAY,
    "datetime.utcnow": TIME_OF_DAY,
    "date.today": TIME_OF_DAY,
    "time.monotonic": RUNNING,
    "time.monotonic_ns": RUNNING,
    "time.perf_counter": {},
}
"""What asks a clock, and which files may."""


def asked(path: Path) -> Iterator[str]:
    """Go through what a file uses of the clocks."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ImportFrom(module="time", names=names):
                yield from (f"time.{name.name}" for name in names)
            case ast.Attribute(value=ast.Name(id=of), attr=name):
                yield f"{of}.{name}"
            case ast.Attribute(value=ast.Attribute(attr=of), attr=name):
                yield f"{of}.{name}"


class ClockTests(SynchronousTestCase):
    """The daemons and the commands; not the laboratory, whose clock nobody sets."""

    def test_clocks(self) -> None:
        """No duration is counted by a clock that is set, or by one that stands still with the host."""
        found: dict[str, set[str]] = {"day": set(), "running": set()}
        for layer in ("core", "pki", "net", "host", "app"):
            for path in (PACKAGE / layer).rglob("*.py"):
                name = str(path.relative_to(PACKAGE))
                for what in asked(path):
                    if what in ASKING:
                        self.assertIn(name, ASKING[what], f"{name} asks {what}: use the reactor's clock, or say why")
                        found["day" if ASKING[what] is TIME_OF_DAY else "running"].add(name)
        self.assertEqual((TIME_OF_DAY.keys(), RUNNING.keys()), (found["day"], found["running"]))
