"""The delay of a bystander's pings while others are busy: median and 95th percentile, where a lost one never ends."""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.tunnel import Tunnel
from iphttps.lab.namespaces import Namespace

INTERVAL = 0.02
POLLING = 0.1
PATIENCE = 20.0
"""Seconds after the last request at which what is not answered is lost."""

_TIME = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds there and back."""

    median: float
    most: float
    """Of 95 in a hundred."""
    lost: int

    @classmethod
    def of(cls, milliseconds: Sequence[float], sent: int) -> "Delays":
        """Evaluate the answers to so many requests."""
        lost = sent - len(milliseconds)
        ordered = [*sorted(milliseconds), *[math.inf] * lost]
        return cls(ordered[math.ceil(sent * 0.5) - 1], ordered[math.ceil(sent * 0.95) - 1], lost)


class Pinging:
    """Pings that have begun."""

    def __init__(self, tunnel: Tunnel, host: Namespace, seconds: float) -> None:
        """Have a host ping the private host for so many seconds."""
        self.count = round(seconds / INTERVAL)
        self._program = tunnel.lab.program(
            host,
            "ping",
            "ping",
            "-n",
            "-i",
            str(INTERVAL),
            "-c",
            str(self.count),
            "-W",
            str(round(PATIENCE)),
            tunnel.target,
        )
        self._deadline = seconds + PATIENCE

    def end(self) -> Delays:
        """Wait for the answers, and evaluate them."""
        end = time.monotonic() + self._deadline
        while self._program.running and not self._complete() and time.monotonic() < end:
            time.sleep(POLLING)
        self._program.kill()
        return Delays.of(list(self._answers().values()), self.count)

    def _complete(self) -> bool:
        return len(self._answers()) >= self.count

    def _answers(self) -> dict[str, float]:
        # The first answer counts where there are several.
        return {number: float(time) for number, time in reversed(_TIME.findall(self._program.text))}
