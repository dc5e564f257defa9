"""A server's name with two addresses, of which the first takes TCP and is of no use."""

import contextlib
import socket
import ssl
import threading
import time

from iphttps.lab.laboratory import CLIENT_URI, LINK_UP, LISTENING
from iphttps.lab.network import GATEWAY_IPV4, GATEWAY_IPV6, PRIVATE_HOST
from iphttps.lab.poll import DEADLINE
from iphttps.lab.traffic import wait_reachable
from tests.lab.case import LabCase
from tests.lab.raw import listen
from tests.lab.raw_server import Behaviour, server_context

REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SAID = "trying another address or proxy"


class AddressesTests(LabCase):
    """IPv6 leads to what is broken, and IPv4 to the server."""

    reconnect = ()  # half a minute, in which no test may pass for the wrong reason

    def setUp(self) -> None:
        """Listen at both addresses."""
        super().setUp()
        self.lab.server(uri=f"https://{GATEWAY_IPV4}:443/IPHTTPS").wait_for(LISTENING)
        self.listening = listen(self.lab.gateway, GATEWAY_IPV6, 443)
        self.addCleanup(self.listening.close)
        self.wrong = self.lab.authority.server("elsewhere.example")

    def assert_reaches(self, behave: Behaviour, within: float) -> None:
        """Start a client while the IPv6 address behaves so; its link must be up soon."""

        def serve() -> None:
            with contextlib.suppress(OSError), self.listening.accept()[0] as wire:
                wire.settimeout(DEADLINE)
                behave(wire)

        server = threading.Thread(target=serve)
        server.start()
        began = time.monotonic()
        client = self.lab.client(1, *self.reconnect, uri=CLIENT_URI)
        client.wait_for(LINK_UP)
        self.assertLess(time.monotonic() - began, within)
        self.assertEqual(1, client.text.count(SAID), client.text)
        self.assertNotIn("next attempt in", client.text)
        wait_reachable(self.lab.clients[0], PRIVATE_HOST)
        client.stop()
        server.join(20)
        self.assertFalse(server.is_alive())

    def test_broken(self) -> None:
        """Broken TLS, the certificate of another, 503 and silence: the link is up by the other address (3.1.2.1)."""

        def garbage(wire: socket.socket) -> None:
            wire.recv(65536)
            wire.sendall(b"220 mail.example ESMTP\r\n")
            drain(wire)

        def other(wire: socket.socket) -> None:
            with server_context(self.wrong).wrap_socket(wire, server_side=True) as secured:
                drain(secured)

        def busy(wire: socket.socket) -> None:
            with server_context(self.lab.server_identity).wrap_socket(wire, server_side=True) as secured:
                secured.recv(65536)
                secured.sendall(REFUSAL)
                drain(secured)

        for behave, within in ((garbage, 10.0), (other, 10.0), (busy, 10.0), (drain, 15.0)):
            self.assert_reaches(behave, within)


def drain(wire: socket.socket | ssl.SSLSocket) -> None:
    """Say nothing, until the client hangs up."""
    while wire.recv(65536):
        pass
