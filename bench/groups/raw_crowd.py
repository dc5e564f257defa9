"""Crowds of raw sessions that send as fast as they are taken: a bystander's pings, and the packets a core takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cpu
from bench.delays import Delays, Pinging
from bench.fairness import jain
from bench.groups.idle import FLAGS
from bench.peers.ours import ours
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import CrowdGroup, Goal, Row, Scope, at_most
from bench.sessions import FULL, SINGLE, Sessions, drop, taken

SIZES = (1, 20, 200, 1000)

SECONDS = 4.0
SETTLING = 2.0

MTU = 1280


@dataclass(frozen=True, slots=True)
class Kind:
    """The bytes of a packet and of a record that the sessions send."""

    name: str
    size: int
    record: int
    median: float
    """The goal for the bystander's pings, in milliseconds, with twice as much for 95 %."""


KINDS = (Kind("full records", MTU, FULL, 5), Kind("a 100-byte packet a record", SINGLE, SINGLE, 15))
JUDGED = (200, 1000)


@dataclass(frozen=True, slots=True)
class Poured:
    """The measurements of one crowd."""

    delays: Delays
    rate: float
    """Packets per second that the server gave to its device."""
    per_core: float
    """Packets for a second of the server's processor time."""
    fairness: float
    """Jain's index over what the sessions could send."""


FIGURES: dict[str, tuple[str, Callable[[Poured], float]]] = {
    "ping, median": ("ms", lambda poured: poured.delays.median),
    "ping, 95 %": ("ms", lambda poured: poured.delays.most),
    "packets": ("1/s", lambda poured: poured.rate),
    "packets per core": ("1/s", lambda poured: poured.per_core),
    "Jain's index": ("", lambda poured: poured.fairness),
}

Found = dict[tuple[str, Kind, int], list[Poured]]


def measure(scope: Scope) -> list[Row]:
    """Measure crowds of all sizes and kinds in each round, those of another version by turns with ours."""
    found: Found = {}
    versions = {"iphttps": None, "iphttps, before": [scope.before]} if scope.before else {"iphttps": None}
    cases = [(kind, size) for kind in KINDS for size in scope.chosen(SIZES)]
    for number in range(1, scope.rounds + 1):
        for name in tuple(versions) if number % 2 else tuple(reversed(versions)):
            with TemporaryDirectory(prefix="iphttps-bench-") as directory:
                control = Path(directory) / "control.sock"
                flags = (*FLAGS, "--control", str(control))
                with ours(*flags, twistd=versions[name], another_host=True) as tunnel:
                    drop(tunnel)
                    for kind, size in cases:
                        poured = pour(tunnel, control, size, kind)
                        found.setdefault((name, kind, size), []).append(poured)
                        say(f"  round {number}, {name}, {size} sessions, {kind.name}: {_line(poured)}")
    return [*_goals(found), *_figures(found)]


def pour(tunnel: Tunnel, control: Path, size: int, kind: Kind) -> Poured:
    """Have so many sessions send, and a client ping meanwhile."""
    sessions = Sessions(tunnel, size, kind.size, kind.record)
    server = tunnel.daemons[:1]
    try:
        sessions.toggle()
        time.sleep(SETTLING)
        # The server may answer late, so the time is that of the answers.
        sent, got, used, begin = sessions.counted().sent, taken(control), cpu.seconds(server), time.monotonic()
        pinging = Pinging(tunnel, tunnel.client, SECONDS)
        time.sleep(SECONDS)
        got, used, seconds = taken(control) - got, cpu.seconds(server) - used, time.monotonic() - begin
        counted = sessions.counted()
        delays = pinging.end()
    finally:
        sessions.end()
    if counted.open < size:
        say(f"  only {counted.open} of {size} sessions are still open")
    shares = [after - before for before, after in zip(sent, counted.sent, strict=True)]
    return Poured(delays, got / seconds, got / used if used else 0.0, jain(shares))


def _line(poured: Poured) -> str:
    return ", ".join(f"{name} {figure(poured):.4g} {unit}".rstrip() for name, (unit, figure) in FIGURES.items())


def _goals(found: Found) -> list[Row]:
    return [
        Row(f"{name} beside {size} sessions that send {kind.name}", FIGURES[name][0], _column(measured, name),
            goal=goal)
        for (version, kind, size), measured in found.items()
        if version == "iphttps" and size in JUDGED
        for name, goal in _limits(kind).items()
    ]  # fmt: skip


def _limits(kind: Kind) -> dict[str, Goal]:
    return {"ping, median": at_most(kind.median), "ping, 95 %": at_most(2 * kind.median)}


def _figures(found: Found) -> list[Row]:
    return [
        Row(name, FIGURES[name][0], _column(measured, name),
            tunnel=f"{size}, {kind.name}, {version}", table="sessions that send")
        for (version, kind, size), measured in found.items()
        for name in FIGURES
    ]  # fmt: skip


def _column(measured: Sequence[Poured], name: str) -> list[float]:
    return [FIGURES[name][1](each) for each in measured]


GROUP = CrowdGroup("raw_crowd", "crowds of raw sessions that send as fast as they are taken", measure)
