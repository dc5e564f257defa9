"""Clients that come, do a full TLS handshake with their certificate, get the answer to their request, and go.

    python handshake_load.py AUTHORITY CERTIFICATE KEY ADDRESS PORT SECONDS REQUEST

prints `going`, and at the end how many per second came that far, over all processes, and how many did not. REQUEST is
the name of one in this file. Run by its path as a program of its own, it needs nothing but Python.
"""

import os
import socket
import ssl
import sys
import time

PROCESSES = 4

REQUESTS = {
    "iphttps": b"POST /IPHTTPS HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gateway.example\r\n\r\n",
    "file": b"GET /answer HTTP/1.0\r\n\r\n",
}


def main() -> None:
    """Fork, and add up what the children did."""
    authority, certificate, key, address, port, seconds, request = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    end = time.monotonic() + float(seconds)
    pipes = []
    for _ in range(PROCESSES):
        ours, theirs = os.pipe()
        if not os.fork():
            os.write(theirs, b"%d %d" % knock(context, (address, int(port)), end, REQUESTS[request]))
            os._exit(0)
        os.close(theirs)
        pipes.append(ours)
    print("going", flush=True)
    results = [tuple(map(int, os.read(pipe, 100).split())) for pipe in pipes]
    done, failed = (sum(column) for column in zip(*results, strict=True))
    print(f"{done / float(seconds):.1f} per second, {failed} failed", flush=True)


def knock(context: ssl.SSLContext, address: tuple[str, int], end: float, request: bytes) -> tuple[int, int]:
    """Come again and again; return how often it went well, and how often not."""
    done = failed = 0
    while time.monotonic() < end:
        try:
            with (
                socket.create_connection(address, 5) as bare,
                # No session of an earlier connection is taken up: each handshake is a full one.
                context.wrap_socket(bare, server_hostname="gateway.example") as wire,
            ):
                wire.sendall(request)
                answer = b""
                while b"\r\n\r\n" not in answer:
                    data = wire.recv(4096)
                    if not data:
                        raise ConnectionError
                    answer += data
                if b" 200 " not in answer.partition(b"\r\n")[0]:
                    raise ConnectionError
                done += 1
        except OSError:
            failed += 1
    return done, failed


if __name__ == "__main__":
    main()
