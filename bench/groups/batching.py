"""The gain by batching: one TCP flow, against the same program one packet at a time."""

from bench.flow import DOWN, UP, rate
from bench.peers.ours import ours, with_program
from bench.progress import say
from bench.rows import Group, Row

DIRECTIONS = {"up": UP, "down": DOWN}


def measure(rounds: int) -> list[Row]:
    """Measure both programs in each round, in both directions."""
    batched: dict[str, list[float]] = {name: [] for name in DIRECTIONS}
    single: dict[str, list[float]] = {name: [] for name in DIRECTIONS}
    for number in range(1, rounds + 1):
        for found, twistd in ((batched, None), (single, with_program("one_packet.py"))):
            with ours(twistd=twistd, device="plain") as tunnel:
                for name, direction in DIRECTIONS.items():
                    found[name].append(rate(tunnel, direction))
        for name in DIRECTIONS:
            say(f"  round {number}, {name}: {batched[name][-1]:.0f} Mbit/s, one at a time {single[name][-1]:.0f}")
    return [
        Row(f"in batches, {name}", "Mbit/s", batched[name], "one packet at a time", single[name]) for name in DIRECTIONS
    ]


GROUP = Group("batching", "reading and writing in batches, against one packet at a time", measure)
