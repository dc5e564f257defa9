"""A crowd of busy clients of a tunnel, with TCP flows by iperf3, and a client that pings beside them.

All rates are of one and the same time, in which all flows run: the private host's kernel says how much of each flow's
data has arrived there, or is acknowledged to it.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench import cpu
from bench.congestion import INNER
from bench.delays import Delays, Pinging
from bench.fairness import jain
from bench.flow import DOWN, PORT, UP, Transfer
from bench.peers.tunnel import Tunnel
from iphttps.lab.namespaces import Namespace
from iphttps.lab.poll import wait_until

DIRECTIONS = {"down": DOWN, "up": UP}

SECONDS = 4.0
"""The time that is measured."""
SETTLING = 1.5
"""The time before it in which all flows run."""
MOST_SECONDS = "120"
"""The time after which a flow ends by itself."""

COUNTERS = {"down": "bytes_acked", "up": "bytes_received"}
_LOCAL_PORT = re.compile(r"\]:(\d+)\s")


@dataclass(frozen=True, slots=True)
class Client:
    """A client that is busy."""

    host: Namespace
    flows: int = 1
    device: str = ""
    """The device of its tunnel, where the host has several."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The measurements of a crowd, or beside one."""

    mbit: Sequence[float]
    """Mbit/s of data in each client's flows."""
    server_cpu: float
    """Seconds of the server's processor time for a gigabyte."""
    delays: Delays

    @property
    def total(self) -> float:
        """Mbit/s of all clients."""
        return sum(self.mbit)

    @property
    def fairness(self) -> float:
        """Jain's index over the clients."""
        return jain(self.mbit)


def busy(
    tunnel: Tunnel, direction: str, clients: Sequence[Client], bystander: Namespace, seconds: float = SECONDS
) -> Busy:
    """Let clients have their flows in one direction, and have another host ping the private host meanwhile."""
    ports = {PORT + number: client for number, client in enumerate(clients)}
    with _running(tunnel, direction, ports):
        wait_until(lambda: set(_passed(tunnel, direction)) >= set(ports), "data in all flows", 20 + len(clients))
        time.sleep(SETTLING)
        passed, used, begin = _passed(tunnel, direction), cpu.seconds(tunnel.daemons[:1]), time.monotonic()
        pinging = Pinging(tunnel, bystander, seconds)
        time.sleep(seconds)
        seconds, used = time.monotonic() - begin, cpu.seconds(tunnel.daemons[:1]) - used
        passed = _passed(tunnel, direction) - passed
        delays = pinging.end()
    return Busy(
        [passed[port] * 8 / 1e6 / seconds for port in ports],
        used / (passed.total() / 1e9) if passed.total() else float("inf"),
        delays,
    )


@contextmanager
def _running(tunnel: Tunnel, direction: str, ports: dict[int, Client]) -> Iterator[None]:
    transfers = [
        Transfer(
            tunnel, "--time", MOST_SECONDS, "--congestion", INNER, "--parallel", str(client.flows), *_bound(client),
            *DIRECTIONS[direction], host=client.host, port=port,
        )
        for port, client in ports.items()
    ]  # fmt: skip
    begun = []
    try:
        for transfer in transfers:
            begun.append(transfer.begin())
        yield
    finally:
        for transfer in begun:
            transfer.abandon()


def _bound(client: Client) -> tuple[str, ...]:
    return ("--bind-dev", client.device) if client.device else ()


def _passed(tunnel: Tunnel, direction: str) -> Counter[int]:
    """Return how many bytes of data have passed through the tunnel, by the private host's port."""
    return passed(tunnel.private.run("ss", "-OHtin", "state", "established").stdout, direction)


def passed(lines: str, direction: str) -> Counter[int]:
    """Add up what `ss` says about the connections of each port that have data in this direction."""
    counter = re.compile(rf" {COUNTERS[direction]}:(\d+)")
    found: Counter[int] = Counter()
    for line in lines.splitlines():
        port, count = _LOCAL_PORT.search(line), counter.search(line)
        if port and count and int(count[1]) > CONTROL:
            found[int(port[1])] += int(count[1])
    return found


CONTROL = 10_000
"""More bytes than iperf3 needs to agree on a test."""
