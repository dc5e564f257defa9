"""One TCP flow in each direction through every tunnel: rate, cost, and the delay of pings without and with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.flow import DOWN, UP, Flow, idle_delay, one_flow
from bench.peers import sstp_server
from bench.peers.ocserv import OCSERV
from bench.peers.openvpn import OPENVPN_1280, OPENVPN_1500
from bench.peers.ours import OURS, PYTHON, SSTP, SSTP_IPV4
from bench.peers.sstp_server import Framing
from bench.peers.stunnel import STUNNEL
from bench.peers.tunnel import Peer
from bench.peers.wireguard import WIREGUARD
from bench.progress import say
from bench.rows import Group, Row, at_least, at_most
from iphttps.lab.errors import LabError

OWN = (OURS, PYTHON, SSTP, SSTP_IPV4)
PEERS = (*OWN, OPENVPN_1500, OPENVPN_1280, OCSERV, WIREGUARD, STUNNEL)


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one tunnel in one round."""

    idle: float | None
    up: Flow
    down: Flow

    @property
    def cpu_per_gigabyte(self) -> float:
        """Seconds of processor time for a gigabyte, both ends together, half of it in each direction."""
        return (self.up.cpu / self.up.gigabytes + self.down.cpu / self.down.gigabytes) / 2


Round = dict[Peer, Measured]
Figure = Callable[[Measured], float | None]

FIGURES: dict[str, tuple[str, Figure]] = {
    "up": ("Mbit/s", lambda measured: measured.up.mbit),
    "down": ("Mbit/s", lambda measured: measured.down.mbit),
    "CPU": ("s/GB", lambda measured: measured.cpu_per_gigabyte),
    "ping, idle": ("ms", lambda measured: measured.idle),
    "ping during download": ("ms", lambda measured: measured.down.delay),
    "ping during upload": ("ms", lambda measured: measured.up.delay),
    "segments resent, up": ("1/GB", lambda measured: measured.up.resent / measured.up.gigabytes),
    "segments resent, down": ("1/GB", lambda measured: measured.down.resent / measured.down.gigabytes),
}


def measure(rounds: int) -> list[Row]:
    """Measure every tunnel in every round, each time put up anew, in one order and then in the other."""
    peers = [peer for peer in PEERS if not peer.missing]
    for peer in PEERS:
        if peer.missing:
            say(peer.missing)
    found: list[Round] = []
    framings: list[Framing] = []
    with sstp_server.installed() as python:
        for number in range(rounds):
            found.append(_round(number, peers))
            if python:
                framings.append(sstp_server.framing(python))
                say(f"  round {number + 1}, {sstp_server.NAME}: {framings[-1]}")
    complete = [peer for peer in PEERS if peer in peers]
    return [*_goals(found, complete), *_sstp_goals(found, complete, framings), *_figures(found, complete)]


def _round(number: int, peers: list[Peer]) -> Round:
    """Measure every tunnel once; one that fails, and is not ours, leaves the list."""
    of_round: Round = {}
    for peer in tuple(peers) if number % 2 == 0 else tuple(reversed(peers)):
        try:
            of_round[peer] = _measure(peer)
        except LabError as error:
            if peer in OWN:
                raise
            say(f"{peer.name} is left out: {error}")
            peers.remove(peer)
            continue
        say(f"  round {number + 1}, {peer.name}: {_line(of_round[peer])}")
    return of_round


def _measure(peer: Peer) -> Measured:
    with peer.put_up() as tunnel:
        return Measured(idle_delay(tunnel), one_flow(tunnel, UP, pings=True), one_flow(tunnel, DOWN, pings=True))


def _line(measured: Measured) -> str:
    values = ((name, unit, figure(measured)) for name, (unit, figure) in FIGURES.items())
    return ", ".join(f"{name} {value:.4g} {unit}" for name, unit, value in values if value is not None)


def _goals(found: Sequence[Round], peers: Sequence[Peer]) -> list[Row]:
    rows = []
    for name in ("up", "down"):
        unit, figure = FIGURES[name]
        own = _column(found, OURS, figure)
        if rivals := [peer for peer in peers if peer.over_tls]:
            columns = [_column(found, peer, figure) for peer in rivals]
            best = [max(values) for values in zip(*columns, strict=True)]
            rows.append(Row(f"one TCP flow {name}", unit, own, "best C tunnel over TLS", best, at_least(2.2)))
            python = _column(found, PYTHON, figure)
            rows.append(
                Row(f"one TCP flow {name}, pure Python", unit, python, "best C tunnel over TLS", best, at_least(1.4))
            )
        if STUNNEL in peers:
            limit = _column(found, STUNNEL, figure)
            rows.append(Row(f"one TCP flow {name}", unit, own, STUNNEL.name, limit, at_least(0.35)))
    if OPENVPN_1500 in peers:
        for name, ratio in (
            ("CPU", 0.6), ("ping, idle", 1.5), ("ping during download", 1.0), ("ping during upload", 1.0)
        ):  # fmt: skip
            unit, figure = FIGURES[name]
            own, theirs = _column(found, OURS, figure), _column(found, OPENVPN_1500, figure)
            rows.append(Row(name, unit, own, OPENVPN_1500.name, theirs, at_most(ratio)))
    return rows


def _sstp_goals(found: Sequence[Round], peers: Sequence[Peer], framings: Sequence[Framing]) -> list[Row]:
    rows = []
    for peer in (SSTP, SSTP_IPV4):
        kind = peer.name.partition(", ")[2]
        for name in ("up", "down"):
            unit, figure = FIGURES[name]
            own = _column(found, peer, figure)
            for rival, goal in ((OPENVPN_1500, at_least(4.0)), (OCSERV, None)):
                if rival in peers:
                    theirs = _column(found, rival, figure)
                    rows.append(Row(f"one TCP flow {name}, {kind}", unit, own, rival.name, theirs, goal))
            if framings:
                bare = [framing.up if name == "up" else framing.down for framing in framings]
                rows.append(Row(f"one TCP flow {name}, {kind}", unit, own, sstp_server.NAME, bare, at_least(3.0)))
        unit, figure = FIGURES["CPU"]
        own, theirs = _column(found, peer, figure), _column(found, OURS, figure)
        rows.append(Row(f"CPU, {kind}", unit, own, OURS.name, theirs, at_most(1.3)))
    return rows


def _figures(found: Sequence[Round], peers: Sequence[Peer]) -> list[Row]:
    return [
        Row(name, unit, column, tunnel=peer.name)
        for peer in peers
        for name, (unit, figure) in FIGURES.items()
        if (column := _column(found, peer, figure))
    ]


def _column(found: Sequence[Round], peer: Peer, figure: Figure) -> list[float]:
    """Return a figure of a tunnel in all rounds; nothing if it was not measured."""
    return [value for of_round in found if (value := figure(of_round[peer])) is not None]


GROUP = Group("tunnels", "one TCP flow through each tunnel: rate, processor time, delay", measure)
