"""How many small UDP packets per second a tunnel carries before one in a hundred is lost, found by halving."""

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
        sent, lost = _offer(tunnel, offered)
        if lost <= LOST:
            carried = max(carried, sent)
            least = offered
        else:
            most = offered
    return carried


def _offer(tunnel: Tunnel, rate: float) -> tuple[float, float]:
    """Return how many packets per second were sent in fact, and what share was lost, in percent."""
    end = (
        Transfer(tunnel, "--udp", "--length", str(SIZE), "--bitrate", f"{rate * SIZE * 8:.0f}", "--time", str(SECONDS))
        .begin()
        .end()["sum"]
    )
    return end["packets"] / end["seconds"], end["lost_percent"]
