"""Sessions that pour small packets into the tunnel as fast as they are taken, and read what comes back.

`python pouring.py AUTHORITY CERTIFICATE KEY ADDRESS PACKET...` opens a session for each packet, given in hexadecimal,
sends that packet all the time, prints `going` when all are open, and goes on until it is ended.
"""

import os
import socket
import ssl
import sys
import threading

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gateway.example\r\n\r\n"


def main() -> None:
    """Open the sessions, one after the other, then send on all of them, each from a process of its own."""
    authority, certificate, key, address, *packets = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    wires = []
    for packet in packets:
        bare = socket.create_connection((address, 443))
        wire = context.wrap_socket(bare, server_hostname="gateway.example")
        wire.sendall(REQUEST)
        wire.recv(1 << 16)
        wires.append((wire, bytes.fromhex(packet)))
    print("going", flush=True)
    for wire, content in wires[1:]:
        if not os.fork():
            pour(wire, content)
    pour(*wires[0])


def pour(wire: ssl.SSLSocket, packet: bytes) -> None:
    """Send a packet repeatedly, as fast as it is taken."""
    threading.Thread(target=drain, args=(wire,), daemon=True).start()
    piece = packet * 300
    while True:
        wire.sendall(piece)


def drain(wire: ssl.SSLSocket) -> None:
    """Read whatever comes."""
    while wire.recv(1 << 16):
        pass


if __name__ == "__main__":
    main()
