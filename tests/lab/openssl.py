"""The system's own OpenSSL as a peer: `openssl s_client` and ClientHellos written by hand."""

import socket
import struct
import subprocess
from pathlib import Path

from iphttps.lab.authority import Identity
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import GATEWAY_IPV4
from tests.lab.raw import RawClient, connect, inside

SERVER = f"{GATEWAY_IPV4}:443"

# Alerts (RFC 8446 section 6).
HANDSHAKE_FAILURE = 40
PROTOCOL_VERSION = 70


def flags(authority: Path, identity: Identity | None) -> list[str]:
    """Return what tells s_client whom to connect to, whom to trust and what to show."""
    command = ["openssl", "s_client", "-connect", SERVER, "-CAfile", str(authority), "-verify_return_error"]
    if identity:
        command += ["-cert", str(identity.certificate), "-key", str(identity.private_key)]
    return command


class SClient(RawClient):
    """A client whose TLS is that of `openssl s_client`; what is sent and received here is in the clear."""

    def __init__(self, namespace: Namespace, *command: str) -> None:
        """Start it in a namespace."""
        wire, theirs = socket.socketpair()
        with inside(namespace), theirs:
            self._process = subprocess.Popen(
                [*command, "-quiet"], stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL
            )
        super().__init__(wire)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        super().close()


def handshake(namespace: Namespace, *command: str) -> str:
    """Shake hands and hang up; return all that s_client says about it."""
    done = namespace.run(*command, check=False)
    return done.stdout + done.stderr


def client_hello(version: int, suites: tuple[int, ...]) -> bytes:
    """Write a ClientHello without extensions (RFC 5246 section 7.4.1.2)."""
    listed = b"".join(struct.pack("!H", suite) for suite in suites)
    body = struct.pack("!H", version) + bytes(32) + b"\0" + struct.pack("!H", len(listed)) + listed + b"\x01\0"
    message = b"\x01" + struct.pack("!I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def alert(namespace: Namespace, hello: bytes) -> int | None:
    """Return the alert with which the server answers a ClientHello, or None if it does not do so."""
    with connect(namespace, GATEWAY_IPV4, 443) as wire:
        wire.sendall(hello)
        answer = wire.recv(7)
    return answer[6] if answer[:1] == b"\x15" else None
