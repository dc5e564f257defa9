"""A crowd at the door: TLS handshakes at a rate, each from a new connection that then goes away.

`python crowd.py AUTHORITY CERTIFICATE KEY ADDRESS RATE SECONDS` prints how many handshakes came about, and how many
connections were turned away.
"""

import os
import socket
import ssl
import sys
import time

PROCESSES = 8


def main() -> None:
    """Fork, and add up what the children did."""
    authority, certificate, key, address, rate, seconds = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    begin = time.monotonic() + 0.2
    ends = []
    for number in range(PROCESSES):
        end, theirs = os.pipe()
        if not os.fork():
            done = knock(context, address, begin, float(seconds), float(rate), number)
            os.write(theirs, f"{done[0]} {done[1]}".encode())
            os._exit(0)
        os.close(theirs)
        ends.append(end)
    print("going", flush=True)
    results = [tuple(map(int, os.read(end, 100).split())) for end in ends]
    print(
        f"{sum(done for done, _ in results)} handshakes, {sum(refused for _, refused in results)} rejected", flush=True
    )


def knock(
    context: ssl.SSLContext, address: str, begin: float, seconds: float, rate: float, number: int
) -> tuple[int, int]:
    """Do every so-manieth handshake, at its time or as soon after it as can be."""
    done = refused = 0
    for turn in range(number, int(rate * seconds), PROCESSES):
        now = time.monotonic()
        if now >= begin + seconds:
            break
        time.sleep(max(0.0, begin + turn / rate - now))
        try:
            with (
                socket.create_connection((address, 443), 5) as bare,
                context.wrap_socket(bare, server_hostname="gateway.example"),
            ):
                done += 1
        except OSError:
            refused += 1
    return done, refused


if __name__ == "__main__":
    main()
