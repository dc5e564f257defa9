"""A client behind a line of 2 Mbit/s: its own pings during its own download, and its upload."""

from bench.congestion import set_usual
from bench.crowd import DIRECTIONS, Busy, Client, busy
from bench.groups.crowd import versions
from bench.line import insert
from bench.progress import say
from bench.rows import CrowdGroup, Row, Scope, at_most
from iphttps.lab.laboratory import Laboratory

RATE = "2mbit"
SECONDS = 10.0


def measure(scope: Scope) -> list[Row]:
    """Measure in each round, all tunnels by turns, each time put up anew."""
    found: dict[tuple[str, str], list[Busy]] = {}
    for number in range(1, scope.rounds + 1):
        for peer in versions(scope) if number % 2 else reversed(versions(scope)):
            with peer.put_up(prepare=_slow_down) as tunnel:
                for direction in DIRECTIONS:
                    measured = busy(tunnel, direction, [Client(tunnel.client)], tunnel.client, SECONDS)
                    found.setdefault((peer.name, direction), []).append(measured)
                    say(
                        f"  round {number}, {peer.name}, {direction}: {measured.total:.3g} Mbit/s, "
                        f"ping {measured.delays}"
                    )
    rows = [
        Row(f"ping of a client behind 2 Mbit/s, during its own {name}load", "ms",
            [each.delays.median for each in found["iphttps", name]], goal=at_most(60) if name == "down" else None)
        for name in DIRECTIONS
    ]  # fmt: skip
    for (name, direction), column in found.items():
        for what, unit, figures in (
            ("rate", "Mbit/s", [each.total for each in column]),
            ("ping, median", "ms", [each.delays.median for each in column]),
            ("ping, 95 %", "ms", [each.delays.most for each in column]),
        ):
            rows.append(Row(f"{direction}, {what}", unit, figures, tunnel=name, table="behind a line of 2 Mbit/s"))
    return rows


def _slow_down(lab: Laboratory) -> None:
    set_usual(lab)
    insert(lab, RATE)


GROUP = CrowdGroup("slow_line", "a client behind a slow line: pings beside its own flow", measure)
