"""Eight TCP flows over two clients, half of them in each direction, against one flow."""

from statistics import mean

from bench.flow import BOTH, DOWN, PORT, SECONDS, UP, Transfer, rate
from bench.peers.ours import ours
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import Group, Row, at_least

PER_CLIENT = 2  # in each direction: two clients, two directions, eight flows


def measure(rounds: int) -> list[Row]:
    """Measure eight flows and one, in both directions, in each round."""
    eight: list[float] = []
    one: list[float] = []
    for number in range(1, rounds + 1):
        with ours(clients=2) as tunnel:
            one.append(mean([rate(tunnel, UP), rate(tunnel, DOWN)]))
            eight.append(_all_at_once(tunnel))
        say(f"  round {number}: eight flows {eight[-1]:.0f} Mbit/s in all, one flow {one[-1]:.0f}")
    return [
        Row("eight TCP flows, two clients, both directions, in all", "Mbit/s", eight,
            "one flow, mean of up and down", one, at_least(1.0)),
    ]  # fmt: skip


def _all_at_once(tunnel: Tunnel) -> float:
    flags = ("--time", str(SECONDS), "--parallel", str(PER_CLIENT), *BOTH)
    transfers = [
        Transfer(tunnel, *flags, host=host, port=PORT + number) for number, host in enumerate(tunnel.lab.clients)
    ]
    ends = [transfer.end() for transfer in [transfer.begin() for transfer in transfers]]
    received = ("sum_received", "sum_received_bidir_reverse")
    return sum(float(end[way]["bits_per_second"]) for end in ends for way in received) / 1e6


GROUP = Group("flows", "eight flows over two clients, against one", measure)
