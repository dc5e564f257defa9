"""A crowd of SSTP clients that do nothing: calls with a user, which answer the server's echo requests and send no more.

    python idle_sstp_clients.py HOST AUTHORITY USER PREFIX COUNT

opens COUNT calls one after the other, prints `joined`, and then once a second how many calls are open, and how many
echo requests they have answered in all. The first line of its input is the password. Each client has an IPv4 address,
and has sent from its link-local address and one in PREFIX.
"""

import os
import resource
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from iphttps.core.errors import ProtocolError
from iphttps.core.ip import icmpv6, ipv6
from iphttps.core.ip.batch import Batch
from iphttps.core.sstp.client_call import ClientCall, Command, Drop, LinkUp
from iphttps.core.sstp.client_request import CORRELATION_LENGTH, ClientHandshake
from iphttps.core.sstp.codec import ControlPacket, SSTPCodec
from iphttps.core.sstp.ppp.login import Login
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from iphttps.pki.des import encrypt

ROUTER_SOLICITATION, ECHO_REQUEST = 133, 128
PATIENCE = 30.0  # seconds that the server may be silent while a call is set up
CHUNK = 1 << 14


@dataclass(frozen=True, slots=True)
class Target:
    """The server, and what the crowd needs for it."""

    host: str
    context: ssl.SSLContext
    login: Login
    prefix: IPv6Network


class Call:
    """One call."""

    def __init__(self, target: Target) -> None:
        """Open it, and have the server learn its addresses; raises OSError or ProtocolError."""
        self.echoes = 0
        self._link: LinkUp | None = None
        self._codec = SSTPCodec()
        connection = socket.create_connection((target.host, 443), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = target.context.wrap_socket(connection, server_hostname=target.host)
        certificate = self._stream.getpeercert(binary_form=True) or b""
        self._call = ClientCall(os.urandom, target.login, certificate, encrypt)
        self._open(target.host)
        self._introduce(target.prefix)
        self._stream.setblocking(False)

    def fileno(self) -> int:
        """Return the connection's file descriptor."""
        return self._stream.fileno()

    def read(self) -> bool:
        """Read what is there and answer echo requests; tell whether the call is still open."""
        try:
            while data := self._stream.recv(CHUNK):
                self._take(data)
        except ssl.SSLWantReadError:
            return True
        except OSError as error:
            print(f"ended: {error}", flush=True)
        return False

    def close(self) -> None:
        """Close the connection, without a word."""
        self._stream.close()

    def _open(self, host: str) -> None:
        handshake = ClientHandshake(host, os.urandom(CORRELATION_LENGTH))
        self._stream.sendall(handshake.request())
        while (opened := handshake.feed(self._stream.recv(CHUNK))) is None:
            pass
        self._perform(self._call.start(time.monotonic()))
        self._take(opened.rest)
        while not self._link:
            self._take(self._received())
        self.echoes = 0

    def _received(self) -> bytes:
        data = self._stream.recv(CHUNK)
        if not data:
            raise ConnectionError("the server has closed the connection")
        return data

    def _take(self, data: bytes) -> None:
        codec = self._codec
        codec.feed(data)
        while True:
            items, codec.control = codec.control, []
            for item in items:
                self.echoes += isinstance(item, ControlPacket)
                self._perform(self._call.receive(item, time.monotonic()))
            if not codec.pending:
                break
            codec.feed(b"")
        if codec.end:
            raise ConnectionError(codec.end)

    def _perform(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case bytes():
                    self._stream.sendall(command)
                case LinkUp():
                    self._link = command
                    agreed = self._call.negotiated
                    self._codec.compress(address_and_control=agreed.acfc, protocol=agreed.pfc)
                case Drop(reason):
                    raise ConnectionError(reason.sentence)
        self._codec.data_passes = self._call.data_passes

    def _introduce(self, prefix: IPv6Network) -> None:
        assert self._link
        if not self._link.ipv6:
            raise ConnectionError("the server has given no IPv6")
        identifier = self._link.ipv6.identifier
        link_local = IPv6Address("fe80::").packed[:8] + identifier
        address = prefix.network_address.packed[:8] + identifier
        packets = (
            icmpv6.message(ROUTER_SOLICITATION, 0, bytes(4), link_local, ipv6.ALL_ROUTERS),
            icmpv6.message(ECHO_REQUEST, 0, bytes(4), address, prefix[1].packed),
        )
        self._stream.sendall(self._codec.encode(Batch.of(packets)))


def main() -> None:
    """Open the calls and keep them."""
    host, authority, user, prefix, count = sys.argv[1:]
    password = sys.stdin.readline().rstrip("\n")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    login = Login(user.encode(), nt_password_hash(password))
    target = Target(host, ssl.create_default_context(cafile=authority), login, IPv6Network(prefix))
    calls: dict[int, Call] = {}
    poller = select.epoll()
    echoes = 0
    for number in range(int(count)):
        try:
            call = Call(target)
        except (OSError, ProtocolError) as error:
            sys.exit(f"call {number + 1} was not opened: {error}")
        calls[call.fileno()] = call
        poller.register(call, select.EPOLLIN)
    print("joined", flush=True)
    due = time.monotonic()
    while True:
        for descriptor, _ in poller.poll(max(0.0, due - time.monotonic())):
            if not calls[descriptor].read():
                poller.unregister(descriptor)
                gone = calls.pop(descriptor)
                echoes += gone.echoes
                gone.close()
        if time.monotonic() >= due:
            due = time.monotonic() + 1
            answered = echoes + sum(call.echoes for call in calls.values())
            print(f"{len(calls)} open, {answered} echoes", flush=True)


if __name__ == "__main__":
    main()
