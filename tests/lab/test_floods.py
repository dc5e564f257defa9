"""Floods from strangers and from clients, and what becomes of everybody else meanwhile."""

import json
import re
import shutil
import ssl
import sys
import time
from pathlib import Path
from statistics import median

from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from iphttps.lab.laboratory import INTERFACE, TUNNEL_SERVER
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV6, PRIVATE_HOST
from iphttps.lab.poll import wait_until
from iphttps.lab.traffic import ping, wait_reachable
from tests.lab import knocking, pouring, uploading
from tests.lab.raw import REQUEST, RawCase, RawClient, client_context, connect

FLOODED = "2001:db8:f00d"
RATE = 2000
ROUND_TRIP = 0.15
"""Seconds; netem is not in every kernel, so the client itself waits before it answers."""

UPLOADS = 400
NOWHERE = "2001:db8:1::dead"
MOST_MS = 100.0
"""Median ping, with room for a busy machine: some ms on two cores of our own, 230 ms without a bound on a turn."""

TIME = re.compile(r"time=([\d.]+)")


class KnockingTests(RawCase):
    """Connections on which nothing comes, thousands a second, from a whole /48."""

    clients = 2

    def test_slow_client(self) -> None:
        """A client with a round trip of 150 ms gets its session all the same, each time."""
        self.prefer()  # the flood takes what the processor has left, not other programs what the server needs
        self.server()
        attacker, slow = self.lab.clients
        attacker.ip(f"route add local {FLOODED}::/48 dev lo")
        self.lab.gateway.ip(f"route add {FLOODED}::/48 via 2001:db8:ffff:1::2")
        flood = self.lab.program(
            attacker,
            "knocking",
            *("nice", "-n", "10", "prlimit", f"--nofile={2 * knocking.HELD}"),
            *(sys.executable, str(Path(knocking.__file__)), GATEWAY_IPV6, "443", FLOODED, str(RATE)),
        )
        flood.wait_for("going")
        context = client_context(self.lab.authority.certificate, self.lab.authority.client("slow"))
        for _ in range(5):
            self.assertEqual(b"HTTP/1.1 200", self.slow_session(slow, context)[:12])
        self.assertTrue(flood.running)

    def slow_session(self, host: Namespace, context: ssl.SSLContext) -> bytes:
        """Open a session with each flight a round trip after the server's; return what the answer begins with."""
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(received, sent, server_hostname="gateway.example")
        wire = connect(host, GATEWAY_IPV6, 443)
        self.addCleanup(wire.close)
        asked = False
        while True:
            try:
                if not asked:
                    tls.do_handshake()
                    asked = bool(tls.write(REQUEST.format(path="/IPHTTPS").encode()))
                return tls.read(100)
            except ssl.SSLWantReadError:
                time.sleep(ROUND_TRIP)
                wire.sendall(sent.read())
                if not (data := wire.recv(65536)):
                    return b"the server closed the connection"
                received.write(data)


class DescriptorTests(RawCase):
    """A server that may have few descriptors, and a crowd that wants them all."""

    def test_exhausted(self) -> None:
        """The log stays short, the control socket answers, and who is revoked has to go."""
        prlimit = shutil.which("prlimit")
        assert prlimit
        self.lab.twistd = [prlimit, "--nofile=32:80", *self.lab.twistd]
        crl, control = self.lab.authority.revoke(), self.lab.directory / "control.sock"
        flags = ("--client-crl", str(crl), "--control", str(control), "--max-handshakes-per-source", "1000")
        server = self.server(*flags)
        self.assertIn("--max-clients 1000 needs more than the limit of 80 file descriptors", server.text)
        alice = self.lab.authority.client("alice")
        raw = RawClient.tls(self.lab.clients[0], GATEWAY_IPV6, client_context(self.lab.authority.certificate, alice))
        self.addCleanup(raw.close)
        raw.post()
        for _ in range(150):
            wire = connect(self.lab.clients[0], GATEWAY_IPV6, 443)
            self.addCleanup(wire.close)
            wire.sendall(b"\x16")
        server.wait_for("new connections must wait: none of 80 descriptors")
        mark = server.mark()
        self.lab.authority.revoke(alice)
        server.wait_for("disconnected: its certificate is revoked")
        asked = self.lab.gateway.run("curl", "-s", "--unix-socket", str(control), "http://local/status")
        self.assertEqual("LISTEN", json.loads(asked.stdout)["state"])
        self.assertLess(server.text[mark:].count("\n"), 10)


class SmallPacketTests(RawCase):
    """One identity that has the host answer as many small packets as go through its sessions."""

    clients = 2

    def test_bystander(self) -> None:
        """Somebody else's packets get through, in both directions."""
        server = self.server()
        attacker, bystander = self.lab.clients
        self.client(2)
        wait_reachable(bystander, PRIVATE_HOST)
        mallory = self.lab.authority.client("mallory")
        packets = [
            bytes(IPv6(src=f"2001:db8:2::bad:{number}", dst=TUNNEL_SERVER) / ICMPv6EchoRequest(id=number)).hex()
            for number in range(4)
        ]
        files = (self.lab.authority.certificate, mallory.certificate, mallory.private_key)
        command = (sys.executable, str(Path(pouring.__file__)), *map(str, files), GATEWAY_IPV6, *packets)
        flood = self.lab.program(attacker, "pouring", *command)
        flood.wait_for("going")
        before = echoes(self.lab.gateway)
        wait_until(lambda: echoes(self.lab.gateway) > before + 10_000, "the flood")
        pings = ping(bystander, PRIVATE_HOST, 50, 0.05, patience=3.0)
        self.assertLessEqual(pings.lost, 2)
        self.assertTrue(flood.running)
        self.assertNotIn("disconnected", server.text)


class UploadTests(RawCase):
    """Sessions that all upload as fast as they are read."""

    clients = 2

    def test_bystander(self) -> None:
        """Somebody else's pings do not wait for hundreds of them: a turn of the reactor is bounded as a whole."""
        flags = ("--max-sessions-per-identity", "0", "--max-handshakes-per-source", "512")
        server = self.server(*flags)
        uploader, bystander = self.lab.clients
        self.client(2)
        wait_reachable(bystander, PRIVATE_HOST)
        self.lab.gateway.ip(f"route add blackhole {NOWHERE}")
        identity = self.lab.authority.client("uploader")
        files = (self.lab.authority.certificate, identity.certificate, identity.private_key)
        arguments = (*map(str, files), GATEWAY_IPV6, NOWHERE, str(UPLOADS))
        flood = self.lab.program(uploader, "uploading", sys.executable, str(Path(uploading.__file__)), *arguments)
        flood.wait_for("going", 120)
        before = received(self.lab.gateway)
        # By then each session has been read, so that none is new.
        wait_until(lambda: received(self.lab.gateway) > before + UPLOADS * 100_000, "the uploads", 60)
        pinging = ("ping", "-n", "-c", "60", "-i", "0.05", "-W", "5", TUNNEL_SERVER)
        shown = bystander.run(*pinging, check=False, deadline=60)
        times = [float(time) for time in TIME.findall(shown.stdout)]
        self.assertGreaterEqual(len(times), 58, shown.stdout)
        self.assertLess(median(times), MOST_MS)
        self.assertTrue(flood.running)
        self.assertNotIn("disconnected", server.text)


def received(host: Namespace) -> int:
    """Return how many bytes the kernel of the gateway has received from the tunnel."""
    (line,) = (line for line in host.run("cat", "/proc/net/dev").stdout.splitlines() if f"{INTERFACE}:" in line)
    return int(line.partition(":")[2].split()[0])


def echoes(host: Namespace) -> int:
    """Return how many echo requests the kernel of a host has received."""
    lines = host.run("cat", "/proc/net/snmp6").stdout.splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Icmp6InEchos ")))
