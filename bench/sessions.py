"""A crowd of raw sessions, which one process holds: `sessions.c`."""

import os
import signal
import sys
from dataclasses import dataclass
from typing import Self

from bench.compiled import program
from bench.peers.tunnel import Tunnel
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

FULL, SINGLE = 1 << 14, 100
"""Bytes of a TLS record: full ones, and ones with a single packet of this size."""

JOINING = 120.0  # seconds, at most

DISCARD = 9
SINK = f"""\
import signal, socket
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sink:
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sink.bind(("{PRIVATE_HOST}", {DISCARD}))
    print("bound", flush=True)
    signal.pause()
"""
"""Nobody reads what comes there, and no error message answers it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What has passed up to now."""

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


def sink(tunnel: Tunnel) -> Program:
    """Have the private host take what the sessions send."""
    bound = tunnel.lab.program(tunnel.private, "sink", sys.executable, "-c", SINK)
    bound.wait_for("bound")
    return bound


def arrived(tunnel: Tunnel) -> int:
    """Return how many UDP packets have arrived at the private host, taken or not."""
    lines = (line.split() for line in tunnel.private.run("cat", "/proc/net/snmp6").stdout.splitlines())
    counters = {name: int(value) for name, value in lines}
    return counters["Udp6InDatagrams"] + counters["Udp6InErrors"]
