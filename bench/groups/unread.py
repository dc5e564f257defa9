"""A client that stops reading, while others download."""

import os
import signal
import sys

from bench import udp_flood
from bench.flow import DOWN, PORT, Transfer
from bench.peers.ours import ours
from bench.peers.tunnel import Tunnel
from bench.progress import say
from bench.rows import Group, Row, at_least
from iphttps.lab.laboratory import tunnel_address
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import wait_reachable

OTHERS = 20
SECONDS = 4

# More than the buffers of both kernels hold; and what keeps coming for it.
AT_FIRST = 40_000
PER_SECOND = 1_000


def measure(rounds: int) -> list[Row]:
    """In each round let the others download while the one is idle, then while it reads nothing of what comes for it."""
    before: list[float] = []
    meanwhile: list[float] = []
    with ours(clients=OTHERS + 1) as tunnel:
        for number in range(1, rounds + 1):
            before.append(_download(tunnel))
            meanwhile.append(_beside_the_one(tunnel))
            say(f"  round {number}: {OTHERS} download {before[-1]:.0f} Mbit/s, beside the one {meanwhile[-1]:.0f}")
    return [
        Row(f"downloads of {OTHERS} clients beside one that stops reading", "Mbit/s", meanwhile,
            "while it is idle", before, at_least(0.95)),
    ]  # fmt: skip


def _beside_the_one(tunnel: Tunnel) -> float:
    lab, host, daemon = tunnel.lab, tunnel.lab.clients[-1], tunnel.daemons[-1]
    address = tunnel_address(host)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        pouring = lab.program(
            tunnel.private, "pour", sys.executable, str(udp_flood.__file__), address, str(AT_FIRST), str(PER_SECOND)
        )
        pouring.wait_for("poured")
        wait_until(lambda: _queued(tunnel), "a full connection to the client that does not read")
        rate = _download(tunnel)
        pouring.kill()
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    wait_reachable(host, PRIVATE_HOST)
    return rate


def _queued(tunnel: Tunnel) -> bool:
    """Tell whether the gateway cannot get rid of what it has for the last client."""
    client = f"[2001:db8:ffff:{OTHERS + 1:x}::2]"
    lines = tunnel.lab.gateway.run("ss", "-Htn", "state", "established").stdout.splitlines()
    return any(client in line and int(line.split()[1]) > 0 for line in lines)


def _download(tunnel: Tunnel) -> float:
    """Return what the others download in all, in Mbit/s."""
    transfers = [
        Transfer(tunnel, "--time", str(SECONDS), *DOWN, host=host, port=PORT + number)
        for number, host in enumerate(tunnel.lab.clients[:OTHERS])
    ]
    ends = [transfer.end() for transfer in [transfer.begin() for transfer in transfers]]
    return sum(float(end["sum_received"]["bits_per_second"]) for end in ends) / 1e6


GROUP = Group("unread", "a client that stops reading while twenty others download", measure)
