"""The framing rate of the PyPI package sstp-server: its own objects, without TLS, a connection, or PPP.

    python sstp_framing.py up|down SECONDS

prints Mbit/s. Run by its path with the Python in which sstp-server is installed. All that it writes, towards pppd and
towards the client, goes to /dev/null. Received data comes in pieces of 16 kB, the size of a TLS record.
"""

import asyncio
import os
import struct
import sys
import time

from sstpd.codec import escape
from sstpd.ppp import PPPDProtocol
from sstpd.sstp import SSTPProtocol, State

PACKET = 1400
PIECE = 1 << 14


class Sink:
    """A transport whose data goes to /dev/null."""

    def __init__(self) -> None:
        """Open it."""
        self._descriptor = os.open(os.devnull, os.O_WRONLY)

    def write(self, data: bytes) -> None:
        """Write the bytes."""
        os.write(self._descriptor, data)


async def main(direction: str, seconds: float) -> None:
    """Give the session one piece after the other, for so many seconds."""
    session, pty = SSTPProtocol(), PPPDProtocol(-1, -1)
    session.state, session.transport, session.pppd = State.SERVER_CALL_CONNECTED, Sink(), pty
    pty.sstp, pty.write_transport = session, Sink()
    frame = b"\xff\x03\x00\x57" + os.urandom(PACKET)
    up = direction == "up"
    one = struct.pack("!BBH", 0x10, 0, 4 + len(frame)) + frame if up else escape(frame)
    count = 0
    stream = one * PIECE  # a whole number of packets and of pieces
    take = session.data_received if up else pty.out_received
    begin = time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        start = count * PIECE % len(stream)
        take(stream[start : start + PIECE])
        count += 1
    print(count * PIECE / len(one) * PACKET * 8 / passed / 1e6)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
