"""A crowd of clients that do nothing: sessions with two addresses each, which read what comes and send no more.

    python idle_clients.py AUTHORITY CERTIFICATE KEY ADDRESS FIRST COUNT

opens COUNT sessions one after the other, with interface identifiers from FIRST on, prints `joined`, and then once a
second how many sessions are open, and how many Router Advertisements each has heard at least. Run by its path as a
program of its own, it needs nothing but Python.
"""

import resource
import select
import socket
import ssl
import struct
import sys
import time
from ipaddress import IPv6Address

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gateway.example\r\n\r\n"
SERVER_LINK_LOCAL = IPv6Address("fe80::1").packed
SERVER = IPv6Address("2001:db8:2::1").packed
ICMPV6 = 58
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, ECHO_REQUEST = 133, 134, 128


class Session:
    """One session."""

    def __init__(self, context: ssl.SSLContext, address: str, number: int) -> None:
        """Open it, and have the server learn its addresses."""
        self.heard = 0
        self._rest = b""
        bare = socket.create_connection((address, 443), 30)
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = context.wrap_socket(bare, server_hostname="gateway.example")
        self.wire.sendall(REQUEST)
        stream = b""
        while b"\r\n\r\n" not in stream:
            data = self.wire.recv(4096)
            if not data:
                raise ConnectionError(f"closed after {stream[:60]!r}")
            stream += data
        self._rest = stream.partition(b"\r\n\r\n")[2]
        # To the server alone: it would pass a multicast on to all the others.
        identifier = b"\x02\0\0\1" + struct.pack("!I", number)
        link_local = IPv6Address("fe80::").packed[:8] + identifier
        self.wire.sendall(icmpv6(link_local, SERVER_LINK_LOCAL, bytes([ROUTER_SOLICITATION]) + bytes(7)))
        self.wire.sendall(icmpv6(SERVER[:8] + identifier, SERVER, bytes([ECHO_REQUEST]) + bytes(7)))
        self.wire.setblocking(False)

    def read(self) -> bool:
        """Read what is there, and tell whether the session is still open."""
        try:
            while data := self.wire.recv(65536):
                self._rest += data
        except ssl.SSLWantReadError:
            self._count()
            return True
        except OSError:
            pass
        return False

    def _count(self) -> None:
        while len(self._rest) >= 40:
            end = 40 + int.from_bytes(self._rest[4:6])
            if len(self._rest) < end:
                return
            if self._rest[6] == ICMPV6 and self._rest[40] == ROUTER_ADVERTISEMENT:
                self.heard += 1
            self._rest = self._rest[end:]


def icmpv6(source: bytes, destination: bytes, message: bytes) -> bytes:
    """Return a packet with an ICMPv6 message, whose checksum (the bytes at 2) is still zero."""
    pseudo = source + destination + struct.pack("!II", len(message), ICMPV6) + message
    total = sum(struct.unpack(f"!{len(pseudo) // 2}H", pseudo))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    return struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, 255) + source + destination + message


def main() -> None:
    """Open the sessions and keep them."""
    authority, certificate, key, address, first, count = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    sessions: dict[int, Session] = {}
    poller = select.epoll()
    for number in range(int(first), int(first) + int(count)):
        session = Session(context, address, number)
        sessions[session.wire.fileno()] = session
        poller.register(session.wire, select.EPOLLIN)
    print("joined", flush=True)
    due = time.monotonic()
    while True:
        for descriptor, _ in poller.poll(max(0.0, due - time.monotonic())):
            if not sessions[descriptor].read():
                poller.unregister(descriptor)
                sessions.pop(descriptor).wire.close()
        if time.monotonic() >= due:
            due = time.monotonic() + 1
            heard = min((session.heard for session in sessions.values()), default=0)
            print(f"{len(sessions)} open, {heard} heard", flush=True)


if __name__ == "__main__":
    main()
