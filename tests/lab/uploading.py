"""Sessions that upload as fast as they are read: TLS records full of packets of 1280 bytes, to an address that drops.

`python uploading.py AUTHORITY CERTIFICATE KEY ADDRESS DESTINATION COUNT` opens COUNT sessions one after the other,
prints `going`, and sends on all of them until it is ended.
"""

import resource
import select
import socket
import ssl
import struct
import sys
from ipaddress import IPv6Address

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gateway.example\r\n\r\n"
PREFIX = IPv6Address("2001:db8:2::").packed[:8]
PACKET = 1280
UDP = 17
UNSENT = 256 * 1024


class Session:
    """One session: TLS in memory, so that what is encrypted once can be sent in pieces."""

    def __init__(self, context: ssl.SSLContext, address: str, destination: str, number: int) -> None:
        """Open it."""
        self.wire = socket.create_connection((address, 443), 30)
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="gateway.example")
        self._ready = self._asked = False
        while not self._opened():
            self.wire.sendall(self._outgoing.read())
            self._incoming.write(self.wire.recv(65536))
        self.wire.setblocking(False)
        length = PACKET - 40
        addresses = PREFIX + b"\x02\0\0\1" + struct.pack("!I", number) + IPv6Address(destination).packed
        self._stream = (struct.pack("!IHBB", 6 << 28, length, UDP, 64) + addresses + bytes(length)) * 52
        self._waiting = b""

    def _opened(self) -> bool:
        try:
            if not self._ready:
                self._tls.do_handshake()
                self._ready = True
            if not self._asked:
                self._tls.write(REQUEST)
                self._asked = True
            return self._tls.read(65536).startswith(b"HTTP/1.1 200")
        except ssl.SSLWantReadError:
            return False

    def send(self) -> None:
        """Send what the socket takes."""
        if not self._waiting:
            self._tls.write(self._stream)
            self._waiting = self._outgoing.read()
        self._waiting = self._waiting[self.wire.send(self._waiting) :]


def main() -> None:
    """Open the sessions, then send on whichever takes something."""
    authority, certificate, key, address, destination, count = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    poller = select.epoll()
    sessions: dict[int, Session] = {}
    for number in range(1, int(count) + 1):
        session = Session(context, address, destination, number)
        sessions[session.wire.fileno()] = session
    print("going", flush=True)
    for descriptor in sessions:
        poller.register(descriptor, select.EPOLLOUT)
    while True:
        for descriptor, _ in poller.poll():
            sessions[descriptor].send()


if __name__ == "__main__":
    main()
