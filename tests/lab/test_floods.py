"""Floods from strangers and from clients, and what becomes of everybody else meanwhile."""

import json
import shutil
import ssl
import sys
import time
from pathlib import Path

from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV6
from tests.lab import knocking
from tests.lab.raw import REQUEST, RawCase, RawClient, client_context, connect

FLOODED = "2001:db8:f00d"
RATE = 2000
ROUND_TRIP = 0.15
"""Seconds; netem is not in every kernel, so the client itself waits before it answers."""


class KnockingTests(RawCase):
    """Connections on which nothing comes, thousands a second, from a whole /48."""

    clients = 2

    def test_slow_client(self) -> None:
        """A client with a round trip of 150 ms gets its session all the same, each time."""
        self.server()
        attacker, slow = self.lab.clients
        attacker.ip(f"route add local {FLOODED}::/48 dev lo")
        self.lab.gateway.ip(f"route add {FLOODED}::/48 via 2001:db8:ffff:1::2")
        flood = self.lab.program(
            attacker,
            "knocking",
            *("prlimit", f"--nofile={2 * knocking.HELD}"),
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
        self.assertIn("--max-clients 1000 needs more than the 80 descriptors", server.text)
        alice = self.lab.authority.client("alice")
        raw = RawClient.tls(self.lab.clients[0], GATEWAY_IPV6, client_context(self.lab.authority.certificate, alice))
        self.addCleanup(raw.close)
        raw.post()
        for _ in range(150):
            wire = connect(self.lab.clients[0], GATEWAY_IPV6, 443)
            self.addCleanup(wire.close)
            wire.sendall(b"\x16")
        server.wait_for("new connections have to wait: of 80 descriptors")
        mark = server.mark()
        self.lab.authority.revoke(alice)
        server.wait_for("disconnected: its certificate is revoked")
        asked = self.lab.gateway.run("curl", "-s", "--unix-socket", str(control), "http://local/status")
        self.assertEqual("LISTEN", json.loads(asked.stdout)["state"])
        self.assertLess(server.text[mark:].count("\n"), 10)
