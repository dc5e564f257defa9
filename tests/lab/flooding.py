"""Downloads that no congestion control slows down: superpackets of UDP to clients in turn, and those clients.

`python flooding.py send PREFIX COUNT TIMES` sends to the clients 1 to COUNT as fast as it goes, to the first TIMES as
often as to the others, and
`python flooding.py receive AUTHORITY CERTIFICATE KEY ADDRESS PREFIX COUNT` opens a session for each, prints `joined`,
and reads what comes without looking at it.
"""

import select
import socket
import ssl
import struct
import sys
import time
from ipaddress import IPv6Address

REQUEST = b"POST /IPHTTPS HTTP/1.1\r\nContent-Length: 18446744073709551615\r\nHost: gateway.example\r\n\r\n"
UDP_SEGMENT = 103  # linux/udp.h
SIZE, SEGMENTS = 1200, 48
DISCARD = 9


def main() -> None:
    """Be the one or the other."""
    way, *arguments = sys.argv[1:]
    (send if way == "send" else receive)(*arguments)


def address(prefix: str, number: int) -> IPv6Address:
    """Return the address of a client."""
    return IPv6Address(f"{prefix}f00d:{number:x}")


def send(prefix: str, count: str, times: str) -> None:
    """Send to all in turn, until it is ended."""
    targets = [(str(address(prefix, number)), DISCARD) for number in range(1, int(count) + 1)]
    targets += targets[:1] * (int(times) - 1)
    content = bytes(SIZE * SEGMENTS)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        while True:
            for target in targets:
                wire.sendto(content, target)


def receive(authority: str, certificate: str, key: str, gateway: str, prefix: str, count: str) -> None:
    """Open the sessions, and discard what comes, until it is ended."""
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    poller = select.epoll()
    wires: dict[int, tuple[ssl.SSLSocket, bytes]] = {}
    for number in range(1, int(count) + 1):
        wire = context.wrap_socket(socket.create_connection((gateway, 443)), server_hostname="gateway.example")
        wire.sendall(REQUEST)
        wire.recv(1 << 16)
        source, server = address(prefix, number).packed, IPv6Address(f"{prefix}1").packed
        udp = struct.pack("!HHHH", DISCARD, DISCARD, 8, 0)
        packet = struct.pack("!IHBB", 6 << 28, len(udp), socket.IPPROTO_UDP, 64) + source + server + udp
        wire.sendall(packet)
        wires[wire.fileno()] = wire, packet
        poller.register(wire, select.EPOLLIN)
    print("joined", flush=True)
    due = 0.0
    while True:
        if time.monotonic() > due:  # the server probes for addresses from which nothing comes
            due = time.monotonic() + 1.0
            for wire, packet in wires.values():
                wire.sendall(packet)
        for descriptor, _ in poller.poll():
            socket.socket.recv(wires[descriptor][0], 1 << 20, socket.MSG_TRUNC)


if __name__ == "__main__":
    main()
