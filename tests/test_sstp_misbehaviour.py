"""The servers that misbehave, with the small client: each ends it with a sentence, and with nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app import sstp_client
from iphttps.core.errors import ConfigError, ProtocolError
from iphttps.core.sstp.packet import MessageType
from iphttps.host.device.memory import MemoryDevice
from iphttps.lab.authority import Authority
from tests.sstp_misbehaviour import ROWS
from tests.sstp_raw_server import PASSWORD, USER, Peer, RawServer

NAME = "localhost"


class SmallClientTests(SynchronousTestCase):
    """A server on the loopback, and the client in this process."""

    def setUp(self) -> None:
        """Listen."""
        authority = Authority(Path(self.mktemp()))
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        self.server = RawServer(listening, authority.server(NAME))
        self.ca = str(authority.certificate)

    def meet(self, act: Callable[[Peer], None], password: str = PASSWORD) -> tuple[bool, str]:
        """Let the client meet a server; return whether its link was up, and how it ended."""
        thread = self.server.start(act)
        up = False
        port = self.server.listening.getsockname()[1]
        try:
            client = sstp_client.Client(f"{NAME}:{port}", self.ca, USER, password)
            try:
                client.connect()
                up = True
                client.forward(MemoryDevice("sstp0", ipv4=True))
            finally:
                client.stream.close()
            raise AssertionError("the client ends without a sentence")
        except (ConfigError, ProtocolError, OSError) as error:
            return up, str(error)
        finally:
            thread.join(10)
            self.assertFalse(thread.is_alive())

    def test_honest(self) -> None:
        """A server that does everything right sees the whole call: request, login, binding, addresses, packets."""
        peers = []

        def act(peer: Peer) -> None:
            peers.append(peer)
            peer.up()
            peer.disconnect()

        self.assertEqual((True, "the server disconnected"), self.meet(act))
        (peer,) = peers
        self.assertTrue(peer.head.startswith(b"SSTP_DUPLEX_POST /sra_{"))
        kinds = [each.kind for each in peer.messages]
        self.assertEqual([MessageType.CALL_CONNECT_REQUEST, MessageType.CALL_CONNECTED], kinds[:2])
        up, sentence = self.meet(Peer.up, "wrong")
        self.assertFalse(up)
        self.assertIn("does not prove that it knows the password", sentence)

    def test_rows(self) -> None:
        """Each ends in one sentence, and the link comes up only where it should."""
        self.assertEqual(len(ROWS), len({row.name for row in ROWS}))
        for row in ROWS:
            # The others it may as well leave early.
            self.patch(sstp_client, "PATIENCE", 15.0 if row.up else 0.5)
            self.patch(sstp_client, "EXPIRY", 0.1)
            up, sentence = self.meet(row.act)
            self.assertTrue(sentence.isprintable() and sentence, row.name)
            self.assertEqual(row.up, up, row.name)
