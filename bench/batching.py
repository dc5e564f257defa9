"""What batching is worth: one TCP flow through the tunnel, against the same program one packet at a time.

The two alternate in one run, because a machine's speed drifts; each round has both, up and down, and the ratio
is taken within the round. Client, gateway and private host are namespaces on one machine.

    python bench/batching.py [ROUNDS]
"""

import sys
from pathlib import Path
from statistics import median

from iphttps.lab import privilege
from iphttps.lab.laboratory import LINK_UP, LISTENING, Laboratory
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.traffic import iperf3, wait_reachable

ONE_PACKET = [sys.executable, str(Path(__file__).with_name("one_packet.py"))]

SECONDS = "3"
DIRECTIONS = {"up": (), "down": ("--reverse",)}


def rates(twistd: list[str] | None = None) -> dict[str, float]:
    """Return the rate of one flow in each direction, in Mbit/s; perhaps with another program as `twistd`."""
    with Laboratory() as lab:
        lab.twistd = twistd or lab.twistd
        lab.server().wait_for(LISTENING)
        lab.client().wait_for(LINK_UP)
        wait_reachable(lab.clients[0], PRIVATE_HOST)
        return {
            direction: iperf3(lab.clients[0], lab.private, PRIVATE_HOST, "--time", SECONDS, *flags)["end"][
                "sum_received"
            ]["bits_per_second"]
            / 1e6
            for direction, flags in DIRECTIONS.items()
        }


def main(rounds: int) -> None:
    """Print a line for each round, then the medians."""
    print("one TCP flow, Mbit/s         batched        one packet at a time        ratio")
    found: dict[str, list[tuple[float, float]]] = {direction: [] for direction in DIRECTIONS}
    for number in range(1, rounds + 1):
        batched, single = rates(), rates(ONE_PACKET)
        for direction, pairs in found.items():
            pairs.append((batched[direction], single[direction]))
            print(_row(f"round {number} {direction}", *pairs[-1]), flush=True)
    for direction, pairs in found.items():
        ratios = [batched / single for batched, single in pairs]
        batched_median, single_median = (median(column) for column in zip(*pairs, strict=True))
        print(_row(f"median {direction}", batched_median, single_median, median(ratios)))
        print(f"{'':<20} ratio from {min(ratios):.2f} to {max(ratios):.2f}")


def _row(name: str, batched: float, single: float, ratio: float | None = None) -> str:
    return f"{name:<20} {batched:>15.0f} {single:>27.0f} {ratio or batched / single:>12.2f}"


if __name__ == "__main__":
    privilege.enter()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
