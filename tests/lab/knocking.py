"""A flood of bare TCP connections, from any addresses of a /48 that leads here, on which nothing is ever sent.

`python knocking.py ADDRESS PORT PREFIX RATE` prints `going`, and goes on until it is ended. PREFIX is such as
2001:db8:f00d.
"""

import itertools
import socket
import sys
import time
from collections import deque

IPV6_FREEBIND = 78  # linux/in6.h

HELD = 3000
"""Connections kept open at a time."""


def main() -> None:
    """Connect at the rate; each connection comes from a /64 of its own."""
    address, port, prefix, rate = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    held: deque[socket.socket] = deque()
    begin = time.monotonic()
    for number in itertools.count():
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        wire = socket.socket(socket.AF_INET6)
        wire.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        wire.bind((f"{prefix}:{number % 4096:x}::1", 0))
        wire.setblocking(False)
        wire.connect_ex((address, port))
        held.append(wire)
        if len(held) > HELD:
            held.popleft().close()
        if number == HELD // 3:
            print("going", flush=True)


if __name__ == "__main__":
    main()
