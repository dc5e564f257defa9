"""One end of a bulk TCP transfer, a separate program inside a namespace.

    stream.py receive ADDRESS             prints its port, then receives one connection
    stream.py send ADDRESS PORT SIZE      sends random data

Each end computes the SHA-256 of the data and prints one line of JSON. The file is run by its path, and needs only
Python.
"""

import hashlib
import json
import os
import socket
import sys
import time

BLOCK = 1 << 20
TIMEOUT = 60.0


def receive(address: str) -> None:
    """Receive one connection and report size, digest, and the seconds from the first byte to the last."""
    digest = hashlib.sha256()
    size = 0
    begin = end = 0.0
    with socket.create_server((address, 0), family=_family(address)) as listener:
        listener.settimeout(TIMEOUT)
        print(f"port {listener.getsockname()[1]}", flush=True)
        connection, _ = listener.accept()
    with connection:
        connection.settimeout(TIMEOUT)
        buffer = memoryview(bytearray(BLOCK))
        while count := connection.recv_into(buffer):
            begin = begin or time.monotonic()
            digest.update(buffer[:count])
            size += count
            end = time.monotonic()
    _report(size, digest.hexdigest(), end - begin)


def send(address: str, port: int, size: int) -> None:
    """Send random data; a number in each block makes every block different."""
    digest = hashlib.sha256()
    block = bytearray(os.urandom(BLOCK))
    begin = time.monotonic()
    with socket.create_connection((address, port), TIMEOUT) as connection:
        for offset in range(0, size, BLOCK):
            block[:8] = offset.to_bytes(8)
            piece = memoryview(block)[: size - offset]
            digest.update(piece)
            connection.sendall(piece)
    _report(size, digest.hexdigest(), time.monotonic() - begin)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _report(size: int, digest: str, seconds: float) -> None:
    print(json.dumps({"size": size, "sha256": digest, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["receive", address]:
            receive(address)
        case ["send", address, port, size]:
            send(address, int(port), int(size))
        case _:
            sys.exit(__doc__)
