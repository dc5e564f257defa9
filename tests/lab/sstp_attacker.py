"""A client of SSTP for attacks: what it sends is up to the test."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import ssl
import time
from collections.abc import Callable

from scapy.layers.inet import ICMP, IP

from iphttps.app.users import editing
from iphttps.lab.errors import DeadlinePassed
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4, PRIVATE_HOST
from iphttps.lab.poll import DEADLINE
from iphttps.lab.traffic import wait_reachable
from tests.lab.raw import client_context, connect
from tests.lab.test_sstp import SERVER, SSTPCase
from tests.sstp_client import (
    CALL_ABORT,
    CALL_CONNECT_REQUEST,
    REQUEST_HEAD,
    SSTPClient,
    message,
    packet,
)

LOST = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Attacker(SSTPClient):
    """A client with a connection of its own, on a host; it answers as it should where a test does not interfere."""

    def __init__(self, host: Namespace, context: ssl.SSLContext, user: str = "alice", password: str = "secret") -> None:
        super().__init__(user, password)
        self.wire = context.wrap_socket(
            connect(host, GATEWAY_IPV4, 443), server_hostname="gateway.example", suppress_ragged_eofs=True
        )
        certificate = self.wire.getpeercert(binary_form=True)
        assert certificate
        self.certificate_hash = hashlib.sha256(certificate).digest()
        self.ended = False
        self._pings = 0
        self.wire.sendall(REQUEST_HEAD)
        found = b""
        while b"\r\n\r\n" not in found:
            found += self.wire.recv(65536)
        self.receive(found.partition(b"\r\n\r\n")[2])

    def say(self, *stream: bytes) -> None:
        """Send these bytes."""
        self.wire.sendall(b"".join(stream))

    def until(self, condition: Callable[[], object], deadline: float = DEADLINE) -> None:
        """Read and answer until the condition holds or the connection ends.

        Raises:
            DeadlinePassed: It takes too long.
        """
        end = time.monotonic() + deadline
        while not condition() and not self.ended:
            if (left := end - time.monotonic()) <= 0:
                raise DeadlinePassed(f"messages {self.kinds}, protocols {self.up}, frames {self.frames[-3:]}")
            self.wire.settimeout(left)
            try:
                found = self.wire.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                found = b""
            self.ended = not found
            if answer := self.receive(found):
                self.wire.settimeout(DEADLINE)
                self.wire.sendall(answer)

    def hear(self, number: int = 0, kind: int | None = None) -> None:
        """Read until so many control packets have come, and one of a kind."""
        self.until(lambda: len(self.kinds) >= number and (kind is None or kind in self.kinds))

    def to_end(self, deadline: float = DEADLINE) -> None:
        """Read until the server closes the connection."""
        self.until(lambda: False, deadline)

    def call(self) -> None:
        """Call, and do all that this client does by itself."""
        self.say(CALL_CONNECT_REQUEST)
        self.until(lambda: self.ready)

    def unbound(self) -> None:
        """Call, log in and negotiate everything, but send no Call Connected."""
        self.bind = lambda: b""
        self.call()

    def echo_request(self, source: str = "") -> bytes:
        """Build a ping of the server, in SSTP; the source is the client's own unless given."""
        self._pings += 1
        own = ".".join(map(str, self.ipcp.address))
        return packet(bytes(IP(src=source or own, dst=SERVER) / ICMP(id=0x4D4B, seq=self._pings)))

    def ping(self) -> list[int]:
        """Ping the server behind all that was sent before; return which pings were answered since the last time."""
        request = self.echo_request()
        self.packets.clear()
        self.say(request)
        self.until(lambda: self._pings in self._answered())
        if self.ended:
            raise EOFError
        return self._answered()

    def _answered(self) -> list[int]:
        replies = [IP(each) for each in self.packets if each[0] >> 4 == 4]
        return [each[ICMP].seq for each in replies if ICMP in each and each[ICMP].type == 0]

    def close(self) -> None:
        """Close the connection without a word."""
        self.wire.close()


class HostileCase(SSTPCase):
    """A server, an IP-HTTPS client whose ping runs all the time, and attackers at the other host."""

    def setUp(self) -> None:
        """Start them."""
        super().setUp()
        editing.add(self.lab.directory / "users.toml", "bob", "secret")
        self.control = self.lab.directory / "control.sock"
        self.program = self.sstp_server("--control", str(self.control), *self.flags)
        self.client(2)
        wait_reachable(self.lab.clients[1], PRIVATE_HOST)
        self.bystander = self.lab.program(self.lab.clients[1], "ping", "ping", "-n", "-i", "0.05", PRIVATE_HOST)
        self.over: list[Attacker] = []
        self.context = client_context(self.lab.authority.certificate, None)

    flags: tuple[str, ...] = ()

    def attacker(self, number: int = 1, **login: str) -> Attacker:
        """Connect an attacker from a host."""
        attacker = Attacker(self.lab.clients[number - 1], self.context, **login)
        self.addCleanup(attacker.close)
        return attacker

    def unharmed(self) -> None:
        """Assert that the bystander has lost no ping, and that the server is what it was."""
        os.kill(self.bystander.pid, signal.SIGINT)
        self.bystander.wait_ended()
        found = LOST.search(self.bystander.text)
        assert found
        sent, received = map(int, found.groups())
        self.assertGreater(sent, 3)
        self.assertLessEqual(sent - received, 1)  # the last one may be under way
        self.assertTrue(self.program.running)

    def aborted(self, attacker: Attacker, status: int) -> None:
        """Assert that the call is aborted with this status; `all_over` sees the connections end."""
        attacker.hear(kind=CALL_ABORT)
        self.assertEqual((attacker.kinds[-1:], attacker.status), ([CALL_ABORT], status))
        attacker.say(message(CALL_ABORT))
        self.over.append(attacker)

    def all_over(self) -> None:
        """Assert that the connections of all aborted calls end within a second or so, and nothing has passed."""
        for attacker in self.over:
            attacker.to_end(3.0)
            self.assertEqual(attacker.packets, [])
        self.over.clear()
