"""Peers that speak IP-HTTPS by hand, with the standard library's TLS and scapy: nothing of what they test."""

import ctypes
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

from iphttps.lab.authority import Identity
from iphttps.lab.errors import DeadlinePassed
from iphttps.lab.laboratory import TUNNEL_SERVER
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV6
from iphttps.lab.poll import DEADLINE
from tests.lab.case import LabCase

CLONE_NEWNET = 0x40000000  # linux/sched.h

MARKER = 0x4D4B
"""The Identifier of the echo requests that serve as markers."""

REQUEST = "POST {path} HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gateway.example\r\n\r\n"

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(namespace: Namespace) -> Iterator[None]:
    """Have this thread in a namespace for a while; a socket made there stays there."""
    with open("/proc/thread-self/ns/net") as home, open(Path("/run/netns", namespace.name)) as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def connect(namespace: Namespace, address: str, port: int, receive_buffer: int | None = None) -> socket.socket:
    """Connect from a namespace by TCP."""
    with inside(namespace):
        wire = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if receive_buffer:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    wire.settimeout(DEADLINE)
    wire.connect((address, port))
    return wire


def client_context(authority: Path, identity: Identity | None) -> ssl.SSLContext:
    """Return the TLS settings of a client that trusts the authority and shows the identity."""
    context = ssl.create_default_context(cafile=str(authority))
    if identity:
        context.load_cert_chain(identity.certificate, identity.private_key)
    return context


class RawClient:
    """A client that sends just what it is told, and reads packets off the answer."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.head = b""
        self._stream = b""
        self._unread: list[Any] = []
        self._pings = 0

    @classmethod
    def tls(
        cls,
        namespace: Namespace,
        address: str,
        context: ssl.SSLContext,
        name: str = "gateway.example",
        **options: Any,
    ) -> Self:
        """Connect by TLS, to port 443."""
        bare = connect(namespace, address, 443, **options)
        return cls(context.wrap_socket(bare, server_hostname=name, suppress_ragged_eofs=False))

    def post(self, path: str = "/IPHTTPS", behind: bytes = b"") -> bytes:
        """Send the request, perhaps with packets right behind it, and return the head of the answer."""
        self.wire.sendall(REQUEST.format(path=path).encode() + behind)
        return self.read_head()

    def read_head(self) -> bytes:
        """Return the next head that comes."""
        while b"\r\n\r\n" not in self._stream:
            if not self._read():
                break
        self.head, _, self._stream = self._stream.partition(b"\r\n\r\n")
        return self.head

    def send(self, packet: Any) -> None:
        """Send a packet, or any bytes."""
        self.wire.sendall(bytes(packet))

    def packets(self, deadline: float = DEADLINE) -> Iterator[Any]:
        """Yield the packets that arrive, as scapy reads them; fail once so many seconds have passed."""
        end = time.monotonic() + deadline
        while True:
            while self._unread:
                yield self._unread.pop(0)
            while packet := self._cut():
                yield IPv6(packet)
            if (left := end - time.monotonic()) <= 0:
                raise DeadlinePassed(f"the packet looked for: not seen within {deadline:g} s")
            self.wire.settimeout(left)
            try:
                if not self._read():
                    raise EOFError("the server closed the connection")
            except TimeoutError:
                continue

    def expect(self, layer: Any, deadline: float = DEADLINE) -> Any:
        """Return the first packet to come that has a layer."""
        return next(packet for packet in self.packets(deadline) if layer in packet)

    def ping(self, source: str, destination: str = TUNNEL_SERVER, deadline: float = DEADLINE) -> list[Any]:
        """Send an echo request behind all packets sent before, and return what arrives before its reply.

        The reply is a marker: the peer has handled everything sent on this connection before the request, and
        everything that the peer had put on this connection until then has arrived. Fails if no reply comes.
        """
        self._pings += 1
        self.send(IPv6(src=source, dst=destination) / ICMPv6EchoRequest(id=MARKER, seq=self._pings))
        found = []
        for packet in self.packets(deadline):
            if ICMPv6EchoReply in packet and (MARKER, self._pings) == (packet.payload.id, packet.payload.seq):
                break
            found.append(packet)
        return found

    def unread(self, packets: list[Any]) -> None:
        """Put packets back, to be read first."""
        self._unread = packets + self._unread

    def read_to_end(self, deadline: float = DEADLINE) -> bool:
        """Read until the connection ends; tell whether TLS said good-bye, by close_notify."""
        self.wire.settimeout(deadline)
        try:
            while self._read():
                pass
        except (ssl.SSLEOFError, ConnectionError):
            return False
        return True

    def close(self) -> None:
        """Close the connection without a word."""
        self.wire.close()

    def _read(self) -> bool:
        data = self.wire.recv(65536)
        self._stream += data
        return bool(data)

    def _cut(self) -> bytes:
        if len(self._stream) < 40:
            return b""
        length = 40 + struct.unpack_from("!H", self._stream, 4)[0]
        if len(self._stream) < length:
            return b""
        packet, self._stream = self._stream[:length], self._stream[length:]
        return packet


class RawCase(LabCase):
    """A test with raw clients on the first client's host."""

    def raw(self, address: str = GATEWAY_IPV6, name: str = "raw", **options: Any) -> RawClient:
        """Connect a raw client, with a certificate for its name."""
        context = client_context(self.lab.authority.certificate, self.lab.authority.client(name))
        raw = RawClient.tls(self.lab.clients[0], address, context, **options)
        self.addCleanup(raw.close)
        return raw

    def session(self, **options: Any) -> RawClient:
        """Connect a raw client and open its session."""
        raw = self.raw(**options)
        raw.post()
        return raw


def listen(namespace: Namespace, address: str, port: int) -> socket.socket:
    """Listen in a namespace, for a client's TCP connections."""
    with inside(namespace):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family)
    listening.settimeout(DEADLINE)
    return listening


def descriptors(process: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{process}/fd"))


def resident(process: int) -> int:
    """Return how much memory a process has resident, in bytes."""
    fields = Path(f"/proc/{process}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
