"""A client on a slow line, which downloads or uploads as fast as it can, and wants to do something else meanwhile."""

from statistics import median

from iphttps.app.users import editing
from iphttps.lab.laboratory import LINK_UP, TUNNEL_SERVER
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.traffic import wait_reachable
from tests.lab import slow_line
from tests.lab.case import LabCase
from tests.lab.slow_line import Flow, RunningFlow, counted, counters, round_trips, wait_for_bytes
from tests.lab.test_sstp import POOL, PREFIX, SERVER

RATE = "2mbit"
PINGS = 200
SETTLED = 700_000
"""Bytes of a flow after which pings begin: almost three seconds of the line."""

SECONDS = 18
"""Duration of a flow, longer than that of the pings."""

LONGEST = 60.0
"""Milliseconds that a ping may take at the median."""

USED = 1.0
"""Mbit/s of a flow at least; it is 1.7 if nothing else keeps the processor busy."""

PRIVATE_IPV4 = "10.98.0.2"


class SlowLineCase(LabCase):
    """A line of 2 Mbit/s."""

    def setUp(self) -> None:
        """Insert the line's router, whose queue holds 400 ms."""
        super().setUp()
        self.socket = str(self.lab.directory / "server.sock")
        router = Namespace("line", self.lab.etc)
        self.addCleanup(router.remove)
        router.create()
        slow_line.insert(self.lab, router, RATE, self.latency)

    latency = "400ms"

    def connect(self) -> None:
        """Put the tunnel up."""
        self.server("--control", self.socket)
        self.client()
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)

    def measured(self, counter: str, *flags: str) -> tuple[float, Flow]:
        """Return the median of pings to the server beside a flow, and the flow."""
        self.connect()
        flow = RunningFlow(self.lab, PRIVATE_HOST, SECONDS, *flags)
        wait_for_bytes(self.lab, self.socket, counter, SETTLED)
        times = round_trips(self.lab.clients[0], TUNNEL_SERVER, PINGS)
        self.assertGreater(len(times), PINGS * 0.8)
        return median(times), flow.end(40.0)


class PingTests(SlowLineCase):
    """Queues that are short although the line's own are long."""

    def test_download(self) -> None:
        """A ping during the client's own download takes 60 ms at most, and the line is used (RFC 8289)."""
        delay, flow = self.measured("bytes_out", "--reverse")
        self.assertLessEqual(delay, LONGEST, flow)
        self.assertGreater(flow.mbit, USED)
        self.assertGreater(counters(self.lab, self.socket)["drops"]["aqm"], 10)

    def test_upload(self) -> None:
        """The same during the client's own upload: its session is the same."""
        delay, flow = self.measured("bytes_in")
        self.assertLessEqual(delay, LONGEST, flow)
        self.assertGreater(flow.mbit, USED)


class ShortQueueTests(SlowLineCase):
    """A line whose own queue is shorter, so that it drops packets of the connection itself."""

    latency = "50ms"

    def test_download(self) -> None:
        """A ping during the client's own download takes 60 ms at most, and the line is used."""
        delay, flow = self.measured("bytes_out", "--reverse")
        self.assertLessEqual(delay, LONGEST, flow)
        self.assertGreater(flow.mbit, USED)


class ECNTests(SlowLineCase):
    """Flows whose ends negotiate ECN (RFC 3168 section 6.1.1)."""

    def connect(self) -> None:
        """Have both ends ask for ECN."""
        for host in (self.lab.private, self.lab.clients[0]):
            host.setting("ipv4.tcp_ecn", "1")
        super().connect()

    def marked(self, target: str, counter: str) -> None:
        """Have a download marked, which the client's kernel sees, in the place of being dropped."""
        client = self.lab.clients[0]
        flow = RunningFlow(self.lab, target, 10, "--reverse")
        wait_for_bytes(self.lab, self.socket, "bytes_out", SETTLED)
        before, seen = counters(self.lab, self.socket), counted(client, counter)
        wait_for_bytes(self.lab, self.socket, "bytes_out", SETTLED)
        after, seen_after = counters(self.lab, self.socket), counted(client, counter)
        flow.end(30.0)
        marks = after["marked"] - before["marked"]
        self.assertGreater(marks, 0)
        self.assertGreater(seen_after, seen)
        # What TCP sends again is not ECN-capable (RFC 3168 section 6.1.5), and can be dropped.
        self.assertLess(after["drops"].get("aqm", 0) - before["drops"].get("aqm", 0), marks)

    def test_ipv6(self) -> None:
        """Packets of IPv6 are marked, in IP-HTTPS."""
        self.connect()
        self.marked(PRIVATE_HOST, "Ip6InCEPkts")

    def test_ipv4(self) -> None:
        """Packets of IPv4 are marked, in SSTP, with a valid checksum: the kernel would drop others."""
        users = self.lab.directory / "users.toml"
        editing.add(users, "alice", "secret")
        for host in (self.lab.private, self.lab.clients[0]):
            host.setting("ipv4.tcp_ecn", "1")
        self.server("--control", self.socket, "--sstp-pool", POOL, "--sstp-prefix", PREFIX, "--sstp-users", str(users))
        client = self.lab.sstp_client(1, "alice", "secret", "--route", "10.98.0.0/24")
        client.wait_for(LINK_UP)
        self.lab.gateway.ip("address add 10.98.0.1/24 dev private")
        self.lab.private.ip(f"address add {PRIVATE_IPV4}/24 dev private", "route add default via 10.98.0.1")
        wait_reachable(self.lab.clients[0], SERVER)
        self.marked(PRIVATE_IPV4, "IpExtInCEPkts")
