"""The rate of the PyPI package sstp-server without PPP: a TLS connection to its protocol, whose pty end is /dev/null.

    python sstp_framing.py up|down SECONDS CERTIFICATE KEY

prints Mbit/s. Run by its path with the Python in which sstp-server is installed. The connection begins with the call
connected; a process at its other end sends packets of 1400 bytes as fast as they are taken, or reads them. Towards the
client, pppd's stream is repeated from memory, in pieces of 16 kB.
"""

import asyncio
import os
import socket
import ssl
import struct
import sys
import time

from sstpd.codec import escape
from sstpd.ppp import PPPDProtocol
from sstpd.sstp import SSTPProtocol, State

PACKET = 1400
PIECE = 1 << 14
FRAME = b"\xff\x03\x00\x57" + os.urandom(PACKET)
SSTP = struct.pack("!BBH", 0x10, 0, 4 + len(FRAME)) + FRAME


class Sink:
    """A transport whose data goes to /dev/null."""

    def __init__(self) -> None:
        """Open it."""
        self._descriptor = os.open(os.devnull, os.O_WRONLY)
        self.taken = 0

    def write(self, data: bytes) -> None:
        """Write the bytes, and count the packet."""
        os.write(self._descriptor, data)
        self.taken += PACKET


class Connected(asyncio.Protocol):
    """A connection with the package's protocol, from the connected call on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin where packets pass."""
        session, self.pty, self.writable = SSTPProtocol(), PPPDProtocol(-1, -1), asyncio.Event()
        session.state, session.transport, session.pppd = State.SERVER_CALL_CONNECTED, transport, self.pty
        self.pty.sstp, self.pty.write_transport = session, SINK
        self.session = session
        self.writable.set()
        CONNECTIONS.append(self)

    def data_received(self, data: bytes) -> None:
        """Hand it to the package."""
        self.session.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the stream end."""
        self.writable.set()

    def pause_writing(self) -> None:
        """Stop pppd's stream."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Go on with it."""
        self.writable.set()


SINK = Sink()
CONNECTIONS: list[Connected] = []


def peer(port: int, direction: str) -> None:
    """Send packets without end, or read them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as stream:
        packets = SSTP * 64
        while direction == "up":
            stream.sendall(packets)
        while stream.recv(1 << 18):
            pass


async def main(direction: str, seconds: float, certificate: str, key: str) -> None:
    """Serve one connection for so many seconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connected, "127.0.0.1", 0, ssl=context)
    child = os.fork()
    if not child:
        try:
            peer(server.sockets[0].getsockname()[1], direction)
        finally:
            os._exit(0)
    while not CONNECTIONS:
        await asyncio.sleep(0.01)
    begin, sent = time.perf_counter(), 0
    if direction == "up":
        await asyncio.sleep(seconds)
        sent = SINK.taken
    else:
        (connection,) = CONNECTIONS
        stream = escape(FRAME) * PIECE  # a whole number of packets and of pieces
        count = 0
        while time.perf_counter() - begin < seconds:
            await connection.writable.wait()
            start = count * PIECE % len(stream)
            connection.pty.out_received(stream[start : start + PIECE])
            count += 1
        sent = count * PIECE * PACKET // len(escape(FRAME))
    print(sent * 8 / (time.perf_counter() - begin) / 1e6)
    sys.stdout.flush()
    os.kill(child, 9)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:]))
