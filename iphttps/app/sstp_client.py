"""A small SSTP client with a TUN device, for the demo and for measurements: it connects once, and has no options.

    python -m iphttps.app.sstp_client HOST CA USER INTERFACE

The password is the first line of standard input. When the link is up it prints a line, and forwards packets until the
server ends the call, or a signal. It is a blocking program on core's call and codec.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from ..core.errors import ConfigError, ProtocolError
from ..core.ip import icmpv6, ipv6
from ..core.ip.batch import Batch
from ..core.sstp.client_call import ClientCall, Command, Drop, LinkUp
from ..core.sstp.client_request import CORRELATION_LENGTH, ClientHandshake
from ..core.sstp.codec import SSTPCodec
from ..core.sstp.ppp.login import Login
from ..core.sstp.ppp.mschapv2 import nt_password_hash
from ..host.device.offload import open_tun
from ..host.device.tun import KernelDevice
from ..host.kernel.ipv4 import IPv4Config
from ..host.kernel.network import LinuxNetwork, NetworkConfig
from ..net.interfaces import PacketDevice
from ..pki.des import encrypt
from .config.interface_settings import CLIENT

PATIENCE = 15.0
"""Seconds that the negotiation may take."""

EXPIRY = 0.5
"""Maximum seconds between looks at the clock."""

CHUNK = 1 << 18
MOST_READS = 8
MOST_RECORDS = 16


class Client:
    """A call, from the TLS connection on."""

    def __init__(self, host: str, ca: str, user: str, password: str) -> None:
        """Connect to a host, or to one with `:port`; raises OSError."""
        name, _, port = host.partition(":")
        context = ssl.create_default_context(cafile=ca)
        connection = socket.create_connection((name, int(port or 443)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = context.wrap_socket(connection, server_hostname=name)
        self.codec = SSTPCodec()
        login = Login(user.encode(), nt_password_hash(password))
        self.call = ClientCall(os.urandom, login, self.stream.getpeercert(binary_form=True) or b"", encrypt)
        self.link: LinkUp | None = None
        self._host = name

    def connect(self) -> LinkUp:
        """Do everything until packets pass; raises ConfigError or ProtocolError where the server does not want it."""
        end = time.monotonic() + PATIENCE
        self.stream.settimeout(PATIENCE)
        handshake = ClientHandshake(self._host, os.urandom(CORRELATION_LENGTH))
        self.stream.sendall(handshake.request())
        while (opened := handshake.feed(self._received())) is None:
            pass
        self._perform(self.call.start(time.monotonic()))
        self.codec.feed(opened.rest)
        self.control()
        while not self.link:
            if time.monotonic() > end:
                raise ConfigError("the negotiation takes too long")
            due = self.expire()
            wait = EXPIRY if due is None else min(due, EXPIRY)
            if self.stream.pending() or select.select([self.stream], [], [], wait)[0]:
                self.codec.feed(self._received())
                self.control()
        return self.link

    def _received(self) -> bytes:
        data = self.stream.recv(CHUNK)
        if not data:
            raise ConfigError(self.call.reason.sentence if self.call.reason else "the server has closed the connection")
        return data

    def _waiting(self) -> bytes:
        """Return what has come, several TLS records at once: the kernel takes the packets of a flow as one."""
        pieces = [self._received()]
        for _ in range(MOST_RECORDS):
            if not self.stream.pending() and not select.select([self.stream], [], [], 0)[0]:
                break
            pieces.append(self._received())
        return b"".join(pieces)

    def control(self) -> None:
        """Process what the codec has found that is no IP packet; raises ConfigError when the call ends."""
        items, self.codec.control = self.codec.control, []
        for item in items:
            self._perform(self.call.receive(item, time.monotonic()))
        if self.codec.end:
            self._perform(self.call.lost_step(time.monotonic()))

    def expire(self) -> float | None:
        """Process the timers that are due; return the seconds until the next one. Raises ConfigError at the end."""
        now = time.monotonic()
        if self.call.deadline is not None and self.call.deadline <= now:
            self._perform(self.call.expired(now))
        return None if self.call.deadline is None else max(self.call.deadline - now, 0.0)

    def _perform(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self.stream.sendall(command)
                case LinkUp():
                    self.link = command
                    agreed = self.call.negotiated
                    self.codec.compress(address_and_control=agreed.acfc, protocol=agreed.pfc)
                case Drop(reason):
                    raise ConfigError(reason.sentence)
        self.codec.data_passes = self.call.data_passes

    def configure(self, interface: str, link: LinkUp) -> KernelDevice:
        """Return a device with the addresses that were negotiated; raises ConfigError."""
        device = open_tun(interface, ipv4=True, mtu=link.mtu)
        ipv4 = None
        if link.ipv4:
            peer = IPv4Address(link.ipv4.peer) if link.ipv4.peer else None
            ipv4 = IPv4Config(IPv4Interface(link.ipv4.address), peer)
        identifier = link.ipv6.identifier if link.ipv6 else b"\2" + os.urandom(7)
        own = IPv6Address(b"\xfe\x80" + bytes(6) + identifier)
        # The link-local address is the one of IPV6CP, and the kernel makes the others from it.
        settings = {**CLIENT, "addr_gen_mode": 1, "accept_ra_defrtr": 0}
        addresses = (IPv6Interface(f"{own}/64"),)
        LinuxNetwork().apply(NetworkConfig(interface, True, link.mtu, addresses, settings, ipv4=ipv4))
        if link.ipv6:
            solicitation = icmpv6.message(133, 0, bytes(4), own.packed, ipv6.ALL_ROUTERS)  # RFC 4861 section 4.1
            self.stream.sendall(self.codec.encode(Batch.of([solicitation])))
        return device

    def forward(self, device: PacketDevice) -> None:
        """Forward packets until the server ends the call; raises ConfigError then."""
        stream, codec = self.stream, self.codec
        while True:
            ends = (stream.fileno(), device.fileno())
            wait = self.expire()
            ready = [stream.fileno()] if stream.pending() else select.select(ends, [], [], wait)[0]
            if device.fileno() in ready:
                pieces: list[bytes] = []
                while len(pieces) < MOST_READS and (batch := device.read()):
                    pieces.append(codec.encode(batch))
                if pieces:
                    stream.sendall(b"".join(pieces))
            if stream.fileno() in ready:
                batch = codec.feed(self._waiting())
                while True:
                    if batch:
                        self.call.heard(time.monotonic())
                        device.write(batch)
                    self.control()
                    if not codec.pending:
                        break
                    batch = codec.feed(b"")


def main(host: str, ca: str, user: str, interface: str) -> int:
    """Connect and forward; return the exit status."""
    client = Client(host, ca, user, sys.stdin.readline().rstrip("\n"))
    try:
        link = client.connect()
        device = client.configure(interface, link)
        print(f"connected: {IPv4Address(link.ipv4.address) if link.ipv4 else 'IPv6 only'}", flush=True)
        client.forward(device)
    except (ConfigError, ProtocolError, OSError) as error:
        print(f"ended: {error}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
