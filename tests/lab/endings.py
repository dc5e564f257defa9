"""The ways in which a server's connection can end: by TCP, by TLS, and abruptly."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable

from tests.lab.raw import RawClient
from tests.lab.raw_server import OK


def reset(peer: RawClient) -> None:
    """End a connection by RST."""
    peer.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def half_close(peer: RawClient) -> None:
    """End a connection by FIN, without a word of TLS."""
    peer.wire.shutdown(socket.SHUT_WR)


def close_notify(peer: RawClient) -> None:
    """End TLS as it should be ended."""
    with contextlib.suppress(OSError):
        peer.wire.unwrap()  # type: ignore[attr-defined]  # an SSLSocket
    peer.close()


def fatal_alert(bare: socket.socket, context: ssl.SSLContext) -> None:
    """Open a session, and end it by a fatal alert, which OpenSSL makes if it is shown a record that makes no sense."""
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(received, to_send, server_side=True)

    def until_done(step: Callable[[], object]) -> object:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                bare.sendall(to_send.read())
                received.write(bare.recv(65536))

    until_done(tls.do_handshake)
    until_done(lambda: tls.read(65536))
    tls.write(OK)
    bare.sendall(to_send.read())
    with contextlib.suppress(ssl.SSLError):
        received.write(b"\x17\x03\x03\0\x20" + bytes(32))
        while True:
            tls.read(65536)
    bare.sendall(to_send.read())
