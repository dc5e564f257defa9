"""TCP through a tunnel by iperf3: its rate, what it costs in processor time, and what it does to pings meanwhile."""

import json
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

from bench import cpu
from bench.peers.tunnel import Tunnel
from iphttps.lab.errors import LabError
from iphttps.lab.namespaces import Namespace
from iphttps.lab.programs import Program
from iphttps.lab.traffic import ping

SECONDS = 2
PORT = 5201
BETWEEN_PINGS = 0.02

UP: tuple[str, ...] = ()
DOWN = ("--reverse",)
BOTH = ("--bidir",)

_serial = count()


@dataclass(frozen=True, slots=True)
class Flow:
    """The measurements of one flow."""

    mbit: float
    """Mbit/s that arrived."""
    gigabytes: float
    resent: int
    """Segments that TCP inside the tunnel sent once more."""
    cpu: float
    """Seconds of processor time, of the tunnel's programs at both ends together."""
    delay: float | None
    """Milliseconds to the gateway and back, on average; None if that was not measured."""


class Transfer:
    """A run of iperf3 between a host and the private host: made ready, begun, and waited for."""

    def __init__(self, tunnel: Tunnel, *flags: str, host: Namespace | None = None, port: int = PORT) -> None:
        """Have the private host listen; the flags are for the side of the client."""
        self._output = tunnel.lab.directory / f"iperf3-{next(_serial)}"
        self._host = host or tunnel.client
        self._command = ("iperf3", "-c", tunnel.target, "-p", str(port), "--json", *flags)
        self._server = Program(
            tunnel.private, "iperf3", "iperf3", "-s", "-1", "-B", tunnel.host, "-p", str(port), "--forceflush",
            output=self._output.with_suffix(".server"),
        )  # fmt: skip

    def begin(self) -> Self:
        """Begin, and return at once."""
        self._server.wait_for("Server listening")
        self._client = Program(self._host, "iperf3", *self._command, output=self._output.with_suffix(".client"))
        return self

    def abandon(self) -> None:
        """End it without a report."""
        self._client.kill()
        self._server.kill()

    def end(self, deadline: float = 30.0) -> Any:
        """Return the end of iperf3's report once it is there."""
        self._client.wait_ended(deadline)
        try:
            report = json.loads(self._client.text)
        except ValueError as error:
            raise LabError(f"iperf3 reports no JSON\n{self._client.tail()}") from error
        if "error" in report:
            raise LabError(f"iperf3 from {self._client.namespace.label}: {report['error']}")
        self._server.wait_ended(deadline)
        return report["end"]


def one_flow(tunnel: Tunnel, direction: tuple[str, ...], *, pings: bool = False) -> Flow:
    """Let one flow run in one direction, with pings beside it if so wanted."""
    before = cpu.seconds(tunnel.daemons)
    transfer = Transfer(tunnel, "--time", str(SECONDS), *direction).begin()
    delay = None
    if pings and tunnel.gateway:
        # The first fifth of the time belongs to iperf3's and TCP's start.
        delay = ping(tunnel.client, tunnel.gateway, int(SECONDS * 0.8 / BETWEEN_PINGS), BETWEEN_PINGS).average_ms
    end = transfer.end()
    used = cpu.seconds(tunnel.daemons) - before
    received, resent = end["sum_received"], end["sum_sent"].get("retransmits", 0)
    return Flow(received["bits_per_second"] / 1e6, received["bytes"] / 1e9, resent, used, delay)


def rate(tunnel: Tunnel, direction: tuple[str, ...]) -> float:
    """Return the rate of one flow in Mbit/s."""
    return one_flow(tunnel, direction).mbit


def idle_delay(tunnel: Tunnel) -> float | None:
    """Return the milliseconds to the gateway and back while nothing else goes on, on average."""
    return ping(tunnel.client, tunnel.gateway, 40, BETWEEN_PINGS).average_ms if tunnel.gateway else None
