"""A slow line between a client and the gateway: a router whose queues hold more than anybody wants to wait for."""

import json
import re
from dataclasses import dataclass
from typing import Any

from iphttps.lab.laboratory import Laboratory
from iphttps.lab.namespaces import Namespace, join
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_IPV6
from iphttps.lab.poll import wait_until
from iphttps.lab.programs import Program

_TIME = re.compile(r"time=([\d.]+)")
_COUNT = re.compile(r"^(\w+)\s+(\d+)", re.MULTILINE)


def insert(lab: Laboratory, router: Namespace, rate: str, latency: str) -> None:
    """Put a router between the first client and the gateway, with this rate and longest delay in each direction.

    Their kernels use a congestion control that fills its queue.
    """
    client, gateway = lab.clients[0], lab.gateway
    client.ip("link delete outer")
    join(client, "outer", router, "inner")
    join(gateway, "line", router, "outer")
    client.ip(
        "address add 192.0.2.2/30 dev outer",
        "address add 2001:db8:ffff:1::2/64 dev outer nodad",
        f"route add {GATEWAY_IPV4} via 192.0.2.1",
        f"route add {GATEWAY_IPV6} via 2001:db8:ffff:1::1",
    )
    router.ip(
        "address add 192.0.2.1/30 dev inner",
        "address add 2001:db8:ffff:1::1/64 dev inner nodad",
        "address add 203.0.113.1/30 dev outer",
        "address add 2001:db8:ffff:100::1/64 dev outer nodad",
        f"route add {GATEWAY_IPV4} via 203.0.113.2",
        f"route add {GATEWAY_IPV6} via 2001:db8:ffff:100::2",
    )
    gateway.ip(
        "address add 203.0.113.2/30 dev line",
        "address add 2001:db8:ffff:100::2/64 dev line nodad",
        "route add 192.0.2.0/30 via 203.0.113.1",
        "route add 2001:db8:ffff:1::/64 via 2001:db8:ffff:100::1",
    )
    for host in (client, gateway, lab.private):
        host.setting("ipv4.tcp_congestion_control", "reno")  # in every kernel, and allowed in every namespace
    router.setting("ipv4.ip_forward", "1")
    router.setting("ipv6.conf.all.forwarding", "1")
    for device in ("inner", "outer"):
        router.run(*f"tc qdisc add dev {device} root tbf rate {rate} burst 4kb latency {latency}".split())


@dataclass(frozen=True, slots=True)
class Flow:
    """A TCP flow that has run: its rate, and the segments that its sender has sent again."""

    mbit: float
    resent: int


class RunningFlow:
    """A TCP flow by iperf3 between the first client and the private host."""

    def __init__(self, lab: Laboratory, target: str, seconds: int, *flags: str) -> None:
        client = lab.clients[0]
        self._server = lab.program(lab.private, "iperf3", "iperf3", "-s", "-1", "-B", target, "--forceflush")
        self._server.wait_for("Server listening")
        self._output = lab.directory / "iperf3.json"
        command = ("iperf3", "-c", target, "--json", "--time", str(seconds), *flags)
        self._client = Program(client, "iperf3", *command, output=self._output)

    def end(self, deadline: float) -> Flow:
        """Wait for its end."""
        self._client.wait_ended(deadline)
        report: dict[str, Any] = json.loads(self._client.text)["end"]
        return Flow(report["sum_received"]["bits_per_second"] / 1e6, report["sum_sent"]["retransmits"])


def round_trips(host: Namespace, address: str, count: int, interval: float = 0.05) -> list[float]:
    """Return the round-trip times of answered pings, in milliseconds."""
    command = ("ping", "-n", "-c", str(count), "-i", str(interval), "-W", "2", address)
    done = host.run(*command, check=False, deadline=20 + count * interval)
    return [float(found) for found in _TIME.findall(done.stdout)]


def counted(host: Namespace, name: str) -> int:
    """Return a counter of a host's network, as nstat(8) names it."""
    shown = dict(_COUNT.findall(host.run("nstat", "-a", "-s", "-z", name).stdout))
    return int(shown[name])


def counters(lab: Laboratory, socket: str) -> dict[str, Any]:
    """Return the counters of the only client, as the server tells by its control socket."""
    shown = lab.gateway.run("curl", "-s", "--unix-socket", socket, "http://localhost/clients").stdout
    (entry,) = json.loads(shown)["clients"]
    found: dict[str, Any] = entry["counters"]
    return found


def wait_for_bytes(lab: Laboratory, socket: str, name: str, size: int, deadline: float = 30.0) -> None:
    """Wait until the client's counter of this name has grown by `size`."""
    before = counters(lab, socket)[name]
    wait_until(lambda: counters(lab, socket)[name] > before + size, f"{size} more {name}", deadline)
