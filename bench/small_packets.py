"""The rate of small UDP packets at which a tunnel loses one in a hundred, found by bisection."""

from bench.flow import Transfer
from bench.peers.tunnel import Tunnel

SIZE = 64  # bytes of UDP payload
LOST = 1.0  # percent
LEAST, MOST = 5_000.0, 320_000.0
STEPS = 6  # leave LEAST and MOST 7 % apart
SECONDS = 1


def most_per_second(tunnel: Tunnel) -> float:
    """Return the greatest number of packets per second that was carried with no more loss than that."""
    least, most, carried = LEAST, MOST, 0.0
    for _ in range(STEPS):
        offered = (least * most) ** 0.5  # half-way, as the scale is one of ratios
        # Once may be an accident; on a machine that others use as well it often is.
        if passed := _carried(tunnel, offered) or _carried(tunnel, offered):
            carried = max(carried, passed)
            least = offered
        else:
            most = offered
    return carried


def _carried(tunnel: Tunnel, rate: float) -> float:
    """Return how many packets per second were sent in fact when so many were offered; 0 if too many were lost."""
    end = (
        Transfer(tunnel, "--udp", "--length", str(SIZE), "--bitrate", f"{rate * SIZE * 8:.0f}", "--time", str(SECONDS))
        .begin()
        .end()["sum"]
    )
    return float(end["packets"] / end["seconds"]) if end["lost_percent"] <= LOST else 0.0
