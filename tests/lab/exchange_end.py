"""One end of a TCP connection on which both ends send at once, a separate program on a host or in a guest.

    exchange_end.py listen ADDRESS SIZE          prints its port, then accepts one connection
    exchange_end.py connect ADDRESS PORT SIZE

Each end sends SIZE random bytes, receives up to the other's end of data, and prints one line of JSON: how many bytes
and which SHA-256 it has sent and received, and the seconds. The file is run by its path, and needs only Python.
"""

import hashlib
import json
import os
import socket
import sys
import threading
import time

BLOCK = 1 << 16
TIMEOUT = 60.0


def listen(address: str, size: int) -> None:
    """Exchange data with the first who connects."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        listener.settimeout(TIMEOUT)
        print(f"port {listener.getsockname()[1]}", flush=True)
        connection, _ = listener.accept()
    exchange(connection, size)


def connect(address: str, port: int, size: int) -> None:
    """Exchange data with who listens."""
    exchange(socket.create_connection((address, port), TIMEOUT), size)


def exchange(connection: socket.socket, size: int) -> None:
    """Send and receive at once, and report."""
    connection.settimeout(TIMEOUT)
    begin = time.monotonic()
    sent, received = hashlib.sha256(), hashlib.sha256()

    def send() -> None:
        block = os.urandom(BLOCK)
        for offset in range(0, size, BLOCK):
            # Random once, each block differs by its offset: guests are slow.
            piece = (offset.to_bytes(8) + block[8:])[: size - offset]
            sent.update(piece)
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    count = 0
    while block := connection.recv(BLOCK):
        received.update(block)
        count += len(block)
    sending.join()
    connection.close()
    seconds = time.monotonic() - begin
    report = {"sent": size, "sent_sha256": sent.hexdigest(), "received": count}
    print(json.dumps({**report, "received_sha256": received.hexdigest(), "seconds": seconds}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["listen", address, size]:
            listen(address, int(size))
        case ["connect", address, port, size]:
            connect(address, int(port), int(size))
        case _:
            sys.exit(__doc__)
