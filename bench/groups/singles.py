"""Single small packets for each of many clients by turns: what one costs the server, and the pings beside them."""

import time
from dataclasses import dataclass

from bench import cpu
from bench.compiled import program
from bench.delays import Delays, Pinging
from bench.groups.idle import FLAGS
from bench.peers.ours import ours
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import CrowdGroup, Row, Scope, at_most
from bench.sessions import SINGLE, Sessions, drop
from iphttps.lab.laboratory import TUNNEL_PREFIX

SIZES = (1, 20, 200, 1000)
STEADY, FLOOD = 60_000, 400_000
"""Packets that are offered in a second: what a server ought to carry, and more than it can."""

GOALS = {(1000, STEADY): at_most(6)}

SECONDS = 4.0
SETTLING = 1.0


@dataclass(frozen=True, slots=True)
class Singles:
    """The measurements of one crowd."""

    microseconds: float
    """The server's processor time for a packet that has reached its client."""
    rate: float
    """Such packets per second."""
    delays: Delays


Found = dict[tuple[str, int, int], list[Singles]]


def measure(scope: Scope) -> list[Row]:
    """Measure crowds of all sizes in each round, those of another version by turns with ours."""
    found: Found = {}
    versions = {"iphttps": None, "iphttps, before": [scope.before]} if scope.before else {"iphttps": None}
    cases = [(rate, size) for rate in (STEADY, FLOOD) for size in scope.chosen(SIZES)]
    for number in range(1, scope.rounds + 1):
        for name in tuple(versions) if number % 2 else tuple(reversed(versions)):
            with ours(*FLAGS, twistd=versions[name], another_host=True) as tunnel:
                drop(tunnel)
                for rate, size in cases:
                    singles = send(tunnel, size, rate)
                    found.setdefault((name, size, rate), []).append(singles)
                    say(
                        f"  round {number}, {name}, {size} clients: {singles.microseconds:.2f} µs of the server for "
                        f"each of {singles.rate:.0f} of {rate} packets per second, ping {singles.delays}"
                    )
    rows = [
        Row(f"single packets down, {size} clients, {rate} per second", "µs", [each.microseconds for each in measured],
            goal=GOALS[size, rate])
        for (version, size, rate), measured in found.items()
        if version == "iphttps" and (size, rate) in GOALS
    ]  # fmt: skip
    for (version, size, rate), measured in found.items():
        for what, unit, figures in (
            ("server's CPU for a packet", "µs", [each.microseconds for each in measured]),
            ("packets", "1/s", [each.rate for each in measured]),
            ("ping, median", "ms", [each.delays.median for each in measured]),
            ("ping, 95 %", "ms", [each.delays.most for each in measured]),
        ):
            tunnel_name = f"{size}, {rate} per second, {version}"
            rows.append(Row(what, unit, figures, tunnel=tunnel_name, table="clients that get single packets"))
    return rows


def send(tunnel: Tunnel, size: int, rate: int) -> Singles:
    """Send so many single packets a second to so many sessions by turns, and have a client ping meanwhile."""
    lab, server = tunnel.lab, tunnel.daemons[:1]
    sessions = Sessions(tunnel, size, SINGLE, SINGLE)
    source = lab.program(
        tunnel.private, "singles", program("udp_singles", lab.directory),
        TUNNEL_PREFIX.partition("/")[0], str(size), str(SINGLE), str(rate),
    )  # fmt: skip
    try:
        source.wait_for("going")
        time.sleep(SETTLING)
        got, used, begin = sum(sessions.counted().received), cpu.seconds(server), time.monotonic()
        pinging = Pinging(tunnel, tunnel.client, SECONDS)
        time.sleep(SECONDS)
        used, seconds = cpu.seconds(server) - used, time.monotonic() - begin
        got = sum(sessions.counted().received) - got
        delays = pinging.end()
    finally:
        source.kill()
        sessions.end()
    return Singles(used * 1e6 / got if got else float("inf"), got / seconds, delays)


GROUP = CrowdGroup("singles", "single packets for each of many clients: what one costs the server", measure)
