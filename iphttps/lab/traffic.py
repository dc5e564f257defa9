"""Measured traffic between two hosts of the lab: ping, a bulk transfer, iperf3."""

import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iphttps.lab import stream
from iphttps.lab.errors import LabError
from iphttps.lab.namespaces import Namespace
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

_PING_COUNTS = re.compile(r"(\d+) packets transmitted, (\d+) received")
_PING_TIMES = re.compile(r"= [\d.]+/([\d.]+)/")


@dataclass(frozen=True, slots=True)
class Pings:
    """The result of a ping."""

    sent: int
    received: int
    average_ms: float | None

    @property
    def lost(self) -> int:
        """The number of unanswered requests."""
        return self.sent - self.received


@dataclass(frozen=True, slots=True)
class Transfer:
    """A bulk transfer as seen by each end."""

    sent: int
    received: int
    sent_sha256: str
    received_sha256: str
    seconds: float

    @property
    def intact(self) -> bool:
        """True if the data arrived unchanged."""
        return (self.sent, self.sent_sha256) == (self.received, self.received_sha256)

    @property
    def mbit_per_second(self) -> float:
        """The rate between the first and the last byte received."""
        return self.received * 8 / 1e6 / self.seconds


def ping(
    host: Namespace, address: str, count: int = 5, interval: float = 0.05, size: int = 56, patience: float = 1.0
) -> Pings:
    """Ping an address and return the result, waiting `patience` seconds for the last answer.

    An unreachable address loses all.
    """
    done = host.run(
        "ping", "-n", "-q", "-c", str(count), "-i", str(interval), "-s", str(size), "-W", str(patience), address,
        check=False, deadline=10 + count * interval,
    )  # fmt: skip
    counts = _PING_COUNTS.search(done.stdout)
    if counts is None:  # there is no route
        return Pings(count, 0, None)
    times = _PING_TIMES.search(done.stdout)
    return Pings(int(counts[1]), int(counts[2]), float(times[1]) if times else None)


def wait_reachable(host: Namespace, address: str, deadline: float = 40.0) -> None:
    """Wait until a host's ping to an address is answered."""
    # An early ping is lost: do not wait long for it.
    awaited = f"an answer from {address} to {host.label}"
    wait_until(lambda: ping(host, address, 1, patience=0.5).received, awaited, deadline)


def transfer(sender: Namespace, receiver: Namespace, address: str, size: int, deadline: float = 120.0) -> Transfer:
    """Send `size` bytes over TCP to the receiver's address and return what both ends report."""
    with tempfile.TemporaryDirectory(prefix="iphttps-transfer-") as directory:
        ends = Path(directory)
        sink = _stream(receiver, ends / "receive", "receive", address)
        port = sink.wait_for("port ").split()[1]
        source = _stream(sender, ends / "send", "send", address, port, str(size))
        sent = _outcome(source, deadline)
        received = _outcome(sink, deadline)
    return Transfer(sent["size"], received["size"], sent["sha256"], received["sha256"], max(received["seconds"], 1e-6))


def iperf3(
    sender: Namespace, receiver: Namespace, address: str, *flags: str, deadline: float = 120.0, port: int = 5201
) -> Any:
    """Run iperf3 between two hosts, with flags for the sending side, and return its JSON report."""
    with tempfile.TemporaryDirectory(prefix="iphttps-iperf3-") as directory:
        output = Path(directory) / "server"
        server = Program(
            receiver, "iperf3", "iperf3", "-s", "-1", "-p", str(port), "-B", address, "--forceflush", output=output
        )
        server.wait_for("Server listening")
        done = sender.run("iperf3", "-c", address, "-p", str(port), "--json", *flags, deadline=deadline, check=False)
        report = json.loads(done.stdout or json.dumps({"error": done.stderr.strip()}))
        if "error" in report:
            raise LabError(f"iperf3 from {sender.label} to {address}: {report['error']}")
        server.wait_ended()
    return report


def _stream(host: Namespace, output: Path, *arguments: str) -> Program:
    role = f"the end of the transfer on {host.label}"
    return Program(host, role, sys.executable, str(stream.__file__), *arguments, output=output)


def _outcome(end: Program, deadline: float) -> Any:
    if (status := end.wait_ended(deadline)) != 0:
        raise LabError(f"{end.name} failed with status {status}\n{end.tail()}")
    return json.loads(end.text.splitlines()[-1])
