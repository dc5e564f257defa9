"""Idle clients: what they cost in memory, how long advertising to them takes, and what they take from a busy one."""

import os
import re
import signal
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import mean

from bench import cpu, idle_clients, reactor_lag
from bench.flow import DOWN, UP, rate
from bench.peers.ours import ours, with_program
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import Goal, Group, Row, at_least, at_most
from iphttps.lab.network import GATEWAY_IPV6
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

# One busy client beside so many; the first is what the others are compared with.
SIZES: dict[int, Goal | None] = {1: None, 100: None, 1000: at_least(0.95), 10000: at_least(0.85)}

# As many Router Advertisements as RFC 4861 allows in an hour, 200 seconds apart.
HOURS_ADVERTISEMENTS = 18

PER_PROCESS = 5000
JOINING = 300.0  # seconds, at most

FLAGS = ("--max-clients", "20000", "--max-sessions-per-identity", "0", "--max-handshakes-per-source", "512")

TURN = re.compile(r"turn ([\d.]+) ([\d.]+)")
OPEN = re.compile(r"(\d+) open, (\d+) heard")


@dataclass(frozen=True, slots=True)
class Crowded:
    """A tunnel beside a crowd, and how much memory the crowd takes at the server."""

    tunnel: Tunnel
    crowds: list[Program]
    bytes_each: float

    @property
    def server(self) -> Program:
        """The server."""
        return self.tunnel.daemons[0]

    def heard(self) -> int:
        """Return how many Router Advertisements every one of the crowd has heard."""
        return min(int(OPEN.findall(program.text)[-1][1]) for program in self.crowds)

    def open(self) -> int:
        """Return how many of the crowd are still there."""
        return sum(int(OPEN.findall(program.text)[-1][0]) for program in self.crowds)


def measure(rounds: int) -> list[Row]:
    """Gather all crowds; look at the largest while it is advertised to; then compare the busy clients in each round."""
    with ExitStack() as stack:
        crowded: dict[int, Crowded] = {}
        for size in SIZES:
            crowded[size] = _gather(
                stack.enter_context(ours(*FLAGS, twistd=with_program("reactor_lag.py"), another_host=True)), size
            )
            say(f"  {size} idle clients joined, {crowded[size].bytes_each / 1000:.1f} kB each")
        largest = max(SIZES)
        rows = _while_advertised_to(crowded[largest], largest)
        for each in crowded.values():
            os.kill(each.server.pid, signal.SIGUSR2)
        _wait_for_advertisements(crowded[largest], 1)
        return [*_compare(crowded, rounds), *rows]


def _gather(tunnel: Tunnel, size: int) -> Crowded:
    lab, server = tunnel.lab, tunnel.daemons[0]
    identity = lab.authority.client("idle")
    before = cpu.resident(server)
    crowds = [
        lab.program(
            lab.clients[-1],
            "crowd", sys.executable, str(idle_clients.__file__), str(lab.authority.certificate),
            str(identity.certificate), str(identity.private_key), GATEWAY_IPV6,
            str(first), str(min(PER_PROCESS, size - first)),
        )
        for first in range(0, size, PER_PROCESS)
    ]  # fmt: skip
    for program in crowds:
        program.wait_for("joined", JOINING)
        program.wait_for(" heard")
    return Crowded(tunnel, crowds, (cpu.resident(server) - before) / size)


def _while_advertised_to(crowded: Crowded, size: int) -> list[Row]:
    _wait_for_advertisements(crowded, 1)  # what joining left to be done is done
    server, mark, before = crowded.server, crowded.server.mark(), cpu.resident(crowded.server)
    _wait_for_advertisements(crowded, HOURS_ADVERTISEMENTS)
    after = cpu.resident(server)
    shortest = reactor_lag.THRESHOLD * 1000
    found = [(shortest, shortest), *(tuple(map(float, turn)) for turn in TURN.findall(server.text[mark:]))]
    walls, processors = zip(*found, strict=True)
    say(f"  {crowded.open()} of {size} still there; longest turn {max(walls):.1f} ms, {max(processors):.1f} ms of CPU")
    return [
        Row(f"memory for each of {size} idle clients", "kB", [crowded.bytes_each / 1000], goal=at_most(45)),
        Row("the server's memory after an hour's advertisements", "MB", [after / 1e6],
            "before", [before / 1e6], at_most(1.01)),
        Row(f"longest turn while {size} are advertised to", "ms", [max(walls)], goal=at_most(20)),
        Row(f"longest turn while {size} are advertised to, CPU", "ms", [max(processors)]),
    ]  # fmt: skip


def _wait_for_advertisements(crowded: Crowded, count: int) -> None:
    wanted = crowded.heard() + count
    wait_until(lambda: crowded.heard() >= wanted, f"{count} Router Advertisements", 30 + 5.0 * count)


def _compare(crowded: dict[int, Crowded], rounds: int) -> list[Row]:
    rates: dict[int, list[float]] = {size: [] for size in crowded}
    for number in range(1, rounds + 1):
        for size in sorted(crowded, reverse=number % 2 == 0):
            tunnel = crowded[size].tunnel
            rates[size].append(mean([rate(tunnel, UP), rate(tunnel, DOWN)]))
        say(f"  round {number}: " + ", ".join(f"beside {size} {rates[size][-1]:.0f} Mbit/s" for size in rates))
    least = min(SIZES)
    return [
        Row(f"one flow beside {size} idle clients, mean of up and down", "Mbit/s", rates[size],
            f"beside {least}", rates[least], goal)
        for size, goal in SIZES.items()
        if size != least
    ]  # fmt: skip


GROUP = Group("idle", "idle clients beside a busy one, their memory, advertisements to them", measure)
