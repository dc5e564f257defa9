"""A client with sixteen flows beside one with a single flow, and beside nineteen of them."""

from bench.congestion import set_usual
from bench.crowd import DIRECTIONS, Client, busy
from bench.delays import Delays
from bench.groups.crowd import versions
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import CrowdGroup, Row, Scope, at_most

FLOWS = 16
BESIDE = (1, 19)
"""Clients with a single flow each."""

Found = dict[tuple[str, int, str], list[float]]


def measure(scope: Scope) -> list[Row]:
    """Measure in each round what the client with many flows gets, in shares of what the others get on average."""
    found: Found = {}
    rates: Found = {}
    sizes = scope.chosen(BESIDE)
    for peer in versions(scope):
        with peer.put_up(clients=max(sizes) + 2, prepare=set_usual) as tunnel:
            cases = [(size, direction) for size in sizes for direction in DIRECTIONS]
            for number in range(1, scope.rounds + 1):
                for size, direction in cases:
                    got, average, delays = _measure(tunnel, size, direction)
                    case = peer.name, size, direction
                    found.setdefault(case, []).append(got / average if average else float("inf"))
                    rates.setdefault(case, []).append(got + size * average)
                    say(
                        f"  round {number}, {peer.name}, beside {size} {direction}: "
                        f"{FLOWS} flows {got:.0f} Mbit/s, one {average:.0f}, ping {delays}"
                    )
    return [
        Row(f"share of {FLOWS} flows of one client beside {size} with one, {direction}", "", shares,
            goal=at_most(1.05))
        for (name, size, direction), shares in found.items()
        if name == "iphttps"
    ] + [
        Row(what, unit, figures, tunnel=f"{size}, {name}", table=f"clients with one flow beside one with {FLOWS}")
        for (name, size, direction) in found
        for what, unit, figures in (
            (f"{direction}, all", "Mbit/s", rates[name, size, direction]),
            (f"{direction}, share of the one with {FLOWS}", "", found[name, size, direction]),
        )
    ]  # fmt: skip


def _measure(tunnel: Tunnel, size: int, direction: str) -> tuple[float, float, Delays]:
    """Return the rate of the client with many flows, the average of the others, and an idle client's delays."""
    greedy, *others, bystander = tunnel.lab.clients
    measured = busy(tunnel, direction, [Client(greedy, FLOWS), *map(Client, others[:size])], bystander)
    got = measured.mbit[0]
    return got, (measured.total - got) / size, measured.delays


GROUP = CrowdGroup("many_flows", "a client with sixteen flows beside clients with one", measure)
