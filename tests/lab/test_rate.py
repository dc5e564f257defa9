"""The maximum rate of an identity, measured by the kernel's counters of the client's interface."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from iphttps.app.users import editing
from iphttps.core.queues.rate import MaxRate
from iphttps.lab.laboratory import INTERFACE, LINK_UP, SSTP_INTERFACE
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import iperf3, wait_reachable
from tests.lab.case import LabCase
from tests.lab.test_sstp import POOL, SERVER

RATE = 20_000_000
"""Bits per second."""

SECONDS = 5.0
EXACT = 0.05
"""The share of the rate by which it may be missed in this time."""

BESIDE = 50_000_000
"""The rate of the flow of the other identity, which has no limit."""


def _goodput(flow: "Future[Any]") -> float:
    """Return the rate at which the receiver of a flow has got its data, in bits per second."""
    return float(flow.result()["end"]["sum_received"]["bits_per_second"])


class RateCase(LabCase):
    """A client whose identity is limited, and one whose identity is not."""

    clients = 2

    def setUp(self) -> None:
        """Put other programs of the machine second: a rate is exact if the processor is there when it is wanted."""
        super().setUp()
        self.prefer()

    client_device = "plain"  # an interface that counts packets, not superpackets with one header each

    def measure(self, host: Namespace, device: str, peer: Namespace, address: str) -> None:
        """Check the rate from and to a client of the limited identity, with a flow of the other client beside it."""
        other = self.lab.clients[1]
        for counter, flags in (("tx_bytes", ()), ("rx_bytes", ("-R",))):
            with ThreadPoolExecutor() as threads:
                size = str(int(1.6 * SECONDS * RATE / 8))
                flow = threads.submit(iperf3, host, peer, address, "-n", size, *flags)
                limited = "-n", str(int(SECONDS * BESIDE / 8)), "-b", str(BESIDE)
                beside = threads.submit(iperf3, other, peer, address, *limited, *flags, port=5202)
                rate = self._rate(host, f"/sys/class/net/{device}/statistics/{counter}")
            said = (
                f"{counter}: {rate / 1e6:.2f} Mbit/s, {_goodput(flow) / 1e6:.2f}, {_goodput(beside) / 1e6:.2f} beside"
            )
            self.assertApproximates(1.0, rate / RATE, EXACT, said)
            self.assertGreater(_goodput(beside), 0.9 * BESIDE, said)

    def _rate(self, host: Namespace, path: str) -> float:
        """Return the rate at which a counter of a host grows, in bits per second, over SECONDS of the right rate."""

        def count() -> int:
            return int(host.run("cat", path).stdout)

        def reached(number: int) -> tuple[float, int] | None:
            found = count()
            return (time.monotonic(), found) if found >= number else None

        first = count() + int(RATE / 8 / 2)
        begin, since = wait_until(lambda: reached(first), f"{first} bytes at {path}", 30)
        last = since + int(SECONDS * RATE / 8)
        end, until = wait_until(lambda: reached(last), f"{last} bytes at {path}", 60)
        return 8 * (until - since) / (end - begin)


class IPHTTPSTests(RateCase):
    """A limit for a name in a certificate."""

    def test_both_directions(self) -> None:
        """The rate is exact to 5 % over five seconds in both directions; another identity is not affected."""
        known = self.lab.directory / "identities.toml"
        known.write_text(f'"CN={self.lab.clients[0].label}" = {{ max-rate = "20M" }}\n')
        self.server("--identity-addresses", str(known))
        for number in (1, 2):
            self.client(number)
            wait_reachable(self.lab.clients[number - 1], PRIVATE_HOST)
        self.measure(self.lab.clients[0], INTERFACE, self.lab.private, PRIVATE_HOST)


class SSTPTests(RateCase):
    """A limit for a user."""

    def test_both_directions(self) -> None:
        """The rate is exact to 5 % over five seconds in both directions; another user is not affected."""
        users: Path = self.lab.directory / "users.toml"
        editing.add(users, "alice", "secret", max_rate=MaxRate(RATE, RATE))
        editing.add(users, "bob", "secret")
        self.server("--sstp-pool", POOL, "--sstp-users", str(users))
        for number, user in ((1, "alice"), (2, "bob")):
            self.lab.sstp_client(number, user, "secret", "--offload", "off", *self.reconnect).wait_for(LINK_UP)
            wait_reachable(self.lab.clients[number - 1], SERVER)
        self.measure(self.lab.clients[0], SSTP_INTERFACE, self.lab.gateway, SERVER)
