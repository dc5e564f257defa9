"""Crowds of busy clients: total rate, how evenly it is divided, an idle client's pings, and the server's cost."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from statistics import median

from bench import svg
from bench.congestion import set_usual
from bench.crowd import DIRECTIONS, Busy, Client, busy
from bench.groups.idle import FLAGS
from bench.light_clients import join
from bench.peers.ocserv import OCSERV
from bench.peers.openvpn import OPENVPN_1500
from bench.peers.ours import OURS, ours
from bench.peers.tunnel import Peer, Tunnel
from bench.progress import say
from bench.rows import CrowdGroup, Goal, Row, Scope, at_least, at_most
from iphttps.lab.namespaces import Namespace

PAGES = Path(__file__).parents[2] / "docs"

SIZES = (1, 20, 50, 200)
"""Active clients, with one flow each; the idle one is one more."""
MOST = 50
"""Clients that are programs on hosts of their own. More of ours are light ones on one host; other tunnels have none."""
LIGHT = ", light clients"
BEFORE = f"{OURS.name}, before"

FIGURES: dict[str, tuple[str, Callable[[Busy], float]]] = {
    "all": ("Mbit/s", lambda measured: measured.total),
    "Jain's index": ("", lambda measured: measured.fairness),
    "ping, median": ("ms", lambda measured: measured.delays.median),
    "ping, 95 %": ("ms", lambda measured: measured.delays.most),
    "server's CPU": ("s/GB", lambda measured: measured.server_cpu),
}

GOALS: dict[tuple[int, str], Goal] = {
    (20, "Jain's index"): at_least(0.98),
    (50, "Jain's index"): at_least(0.98),
    (50, "ping, median"): at_most(5),
    (50, "ping, 95 %"): at_most(10),
}


@dataclass(frozen=True, slots=True)
class Case:
    """So many clients of a tunnel that are active in one direction."""

    peer: Peer
    size: int
    direction: str


Found = dict[Case, list[Busy]]


@dataclass(frozen=True, slots=True)
class Place:
    """A tunnel, the clients that can be active there, and the host that pings."""

    tunnel: Tunnel
    clients: Sequence[Client]
    idle: Namespace


def measure(scope: Scope) -> list[Row]:
    """Put every tunnel up with as many clients as the largest crowd takes, and have them take turns in each round."""
    sizes = scope.chosen(SIZES)
    found: Found = {}
    with ExitStack() as stack:
        places = _places(stack, scope, [size for size in sizes if size <= MOST])
        lighter = _lighter_places(stack, scope, [size for size in sizes if size > MOST])
        for number in range(1, scope.rounds + 1):
            for size in sizes:
                for direction in DIRECTIONS:
                    peers = list(places if size <= MOST else lighter)
                    for peer in peers if number % 2 else reversed(peers):
                        place = (places | lighter)[peer]
                        measured = busy(place.tunnel, direction, place.clients[:size], place.idle)
                        found.setdefault(Case(peer, size, direction), []).append(measured)
                        say(f"  round {number}, {peer.name}, {size} {direction}: {_line(measured)}")
    if scope.before and len(sizes) > 1:
        draw(found)
    return [*_goals(found), *_figures(found)]


def _places(stack: ExitStack, scope: Scope, sizes: Sequence[int]) -> dict[Peer, Place]:
    """Put all tunnels up, for crowds of these sizes."""
    found: dict[Peer, Place] = {}
    for peer in versions(scope) if sizes else ():
        tunnel = stack.enter_context(peer.put_up(clients=max(sizes) + 1, prepare=set_usual))
        *active, idle = tunnel.lab.clients
        found[peer] = Place(tunnel, list(map(Client, active)), idle)
    return found


def _lighter_places(stack: ExitStack, scope: Scope, sizes: Sequence[int]) -> dict[Peer, Place]:
    """Put ours up, with light clients, for crowds of these sizes."""
    found: dict[Peer, Place] = {}
    for peer in own_versions(scope) if sizes else ():
        tunnel = stack.enter_context(peer.put_up(*FLAGS, another_host=True, prepare=set_usual))
        found[replace(peer, name=peer.name + LIGHT)] = Place(tunnel, join(tunnel, max(sizes)), tunnel.client)
    return found


def own_versions(scope: Scope) -> list[Peer]:
    """Return ours, and the other version of it that takes turns."""
    return [OURS, *([Peer(BEFORE, partial(ours, twistd=[scope.before]))] if scope.before else ())]


def versions(scope: Scope) -> list[Peer]:
    """Return the tunnels that take turns."""
    peers = own_versions(scope)
    for peer in () if scope.alone else (OPENVPN_1500, OCSERV):
        if peer.missing:
            say(peer.missing)
        else:
            peers.append(peer)
    return peers


def draw(found: Found) -> None:
    """Draw the medians of the idle client's pings over the number of active clients, a picture for each direction."""
    for direction in DIRECTIONS:
        lines: dict[str, list[tuple[float, float]]] = {}
        for case, measured in sorted(found.items(), key=lambda item: item[0].size):
            delay = median(_column(measured, "ping, median"))
            if case.direction == direction and isfinite(delay):
                lines.setdefault(case.peer.name.removesuffix(LIGHT), []).append((case.size, delay))
        page = PAGES / f"crowd-{direction}.svg"
        page.write_text(svg.chart(lines, f"clients with a flow {direction}", "ping of an idle client, ms", powers=True))
        say(f"  drawn: {page}")


def _line(measured: Busy) -> str:
    return ", ".join(f"{name} {figure(measured):.4g} {unit}".rstrip() for name, (unit, figure) in FIGURES.items())


def _goals(found: Found) -> list[Row]:
    return [
        Row(f"{name}, {case.size} clients {case.direction}", FIGURES[name][0], _column(measured, name), goal=goal)
        for case, measured in found.items()
        for (size, name), goal in GOALS.items()
        if case.peer is OURS and case.size == size
    ]


def _figures(found: Found) -> list[Row]:
    return [
        Row(f"{case.direction}, {name}", FIGURES[name][0], _column(measured, name),
            tunnel=f"{case.size}, {case.peer.name}", table="active clients")
        for case, measured in sorted(found.items(), key=lambda item: item[0].size)
        for name in FIGURES
    ]  # fmt: skip


def _column(measured: Sequence[Busy], name: str) -> list[float]:
    return [FIGURES[name][1](each) for each in measured]


GROUP = CrowdGroup(
    "crowd", "crowds of busy clients: rate, fairness, an idle client's pings, the server's cost", measure
)
