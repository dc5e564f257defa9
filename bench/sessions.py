"""A crowd of raw sessions, which one process holds: `sessions.c`."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.compiled import program
from bench.peers.tunnel import Tunnel
from iphttps.app.control.ask import ask
from iphttps.lab.network import GATEWAY_IPV6
from iphttps.lab.poll import wait_until

FULL, SINGLE = 1 << 14, 100
"""Bytes of a TLS record: full ones, and ones with a single packet of this size."""

JOINING = 120.0  # seconds, at most

NOWHERE = "2001:db8:dead::/64"
"""The destination of their packets: the gateway's kernel drops them there, as cheaply as it can."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The totals so far."""

    open: int
    """The number of sessions that are open."""
    sent: list[int]
    """The packets that each has sent, the last of which may wait in the kernel."""
    received: list[int]
    """The packets that each has received."""

    @classmethod
    def parsed(cls, line: str) -> Self:
        """Return what a line of the program says."""
        _, count, *numbers = line.split()
        return cls(int(count), [int(number) for number in numbers[::2]], [int(number) for number in numbers[1::2]])


class Sessions:
    """Sessions to the gateway from the tunnel's last host, which is no client of its own."""

    def __init__(self, tunnel: Tunnel, count: int, size: int, record: int = FULL) -> None:
        """Open them; they are going to send packets of `size` bytes, and so many bytes in a record."""
        lab = tunnel.lab
        identity = lab.authority.client("crowd")
        self._program = lab.program(
            lab.clients[-1], "sessions", program("sessions", lab.directory),
            str(lab.authority.certificate), str(identity.certificate), str(identity.private_key),
            GATEWAY_IPV6, str(count), str(size), str(record),
        )  # fmt: skip
        self._program.wait_for("joined", JOINING)

    def toggle(self) -> None:
        """Begin to send, or cease."""
        os.kill(self._program.pid, signal.SIGUSR1)

    def counted(self) -> Counted:
        """Ask for the counts."""
        mark = self._program.mark()
        os.kill(self._program.pid, signal.SIGUSR2)
        wait_until(lambda: self._program.text[mark:].endswith("\n"), "the counts of the sessions")
        return Counted.parsed(self._program.text[mark:])

    def end(self) -> None:
        """End all of them."""
        self._program.kill()


def drop(tunnel: Tunnel) -> None:
    """Have the gateway drop what the sessions send."""
    tunnel.lab.gateway.ip(f"route add blackhole {NOWHERE}")


def taken(control: Path) -> int:
    """Return how many packets the server has given to its device, by its control socket."""
    return int(ask(control, "GET", "/status")["counters"]["device"]["packets_out"])
