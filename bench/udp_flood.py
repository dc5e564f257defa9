"""UDP for somebody who does not read it.

    python udp_flood.py ADDRESS COUNT RATE

sends COUNT datagrams of 1200 bytes as fast as 40,000 a second, prints `poured`, and goes on at RATE a second until it
is ended. Run by its path as a program of its own, it needs nothing but Python.
"""

import socket
import sys
import time

DISCARD = 9
AT_FIRST = 40_000.0


def main() -> None:
    """Pour."""
    address, count, rate = sys.argv[1:]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as wire:
        begin = time.monotonic()
        for number in range(int(count)):
            _send(wire, address, begin + number / AT_FIRST)
        print("poured", flush=True)
        begin, number = time.monotonic(), 0
        while True:
            number += 1
            _send(wire, address, begin + number / float(rate))


def _send(wire: socket.socket, address: str, due: float) -> None:
    if (early := due - time.monotonic()) > 0.001:
        time.sleep(early)
    wire.sendto(bytes(1200), (address, DISCARD))


if __name__ == "__main__":
    main()
