"""A server on the gateway that does just what a test tells it, and the client's real daemon, which comes to it."""

import contextlib
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any

from iphttps.lab.authority import Identity
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_NAME_IPV4
from iphttps.lab.poll import DEADLINE
from iphttps.lab.programs import Program
from tests.lab.case import LabCase
from tests.lab.raw import RawClient, listen

URI = f"https://{GATEWAY_NAME_IPV4}/IPHTTPS"
OK = b"HTTP/1.1 200 OK\r\n\r\n"

Behaviour = Callable[[socket.socket], None]


def say(*pieces: bytes, drain: bool = True) -> Behaviour:
    """Return a server that answers every request with these bytes, and then waits for the client to hang up."""

    def behave(wire: socket.socket) -> None:
        for piece in pieces:
            wire.sendall(piece)
        if drain:
            with contextlib.suppress(OSError):
                while wire.recv(65536):
                    pass

    return behave


def server_context(identity: Identity) -> ssl.SSLContext:
    """Return the TLS settings of a server that shows an identity and asks for none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.private_key)
    return context


class RawServerCase(LabCase):
    """A raw server on the gateway, and the client's daemon, which comes back soon."""

    reconnect = ("--reconnect-initial", "0.2", "--reconnect-maximum", "0.2")

    def setUp(self) -> None:
        """Listen where the server should."""
        super().setUp()
        self.context = server_context(self.lab.server_identity)
        self.listening = listen(self.lab.gateway, GATEWAY_IPV4, 443)
        self.addCleanup(self.listening.close)
        self.control = self.lab.directory / "client.sock"

    def start(self, *flags: str) -> Program:
        """Start the client, which connects by IPv4."""
        return self.lab.client(1, *self.reconnect, "--control", str(self.control), *flags, uri=URI)

    def accept(self) -> socket.socket:
        """Accept the client's next attempt, by TCP."""
        bare, _ = self.listening.accept()
        bare.settimeout(DEADLINE)
        self.addCleanup(bare.close)
        return bare

    def meet(self, bare: socket.socket | None = None) -> RawClient:
        """Shake hands with the client's next attempt, or the one given, and read its request, which is `head`."""
        peer = RawClient(self.context.wrap_socket(bare or self.accept(), server_side=True))
        self.addCleanup(peer.close)
        peer.read_head()
        return peer

    def session(self) -> RawClient:
        """Meet the client's next attempt, and open its session."""
        peer = self.meet()
        peer.send(OK)
        return peer

    def serve(self, behave: Behaviour, *, tls: bool = True) -> None:
        """Let the client's next attempt meet a server that does this, after it has read the request."""
        bare = self.accept()
        with bare if not tls else self.meet(bare).wire as wire:
            behave(wire)

    def ask(self, path: str, *flags: str) -> dict[str, Any]:
        """Return what the client's control socket says."""
        asked = self.lab.clients[0].run(
            "curl", "--silent", *flags, "--unix-socket", str(self.control), f"http://x/{path}"
        )
        found = json.loads(asked.stdout)
        assert isinstance(found, dict)
        return found

    def status(self) -> dict[str, Any]:
        """Return the client's status."""
        return self.ask("status")

    def failure(self) -> tuple[str, str | None]:
        """Return the stage and the code of what went wrong last."""
        failure = self.status()["last_failure"]
        return failure["stage"], failure["code"]
