"""The SSTP client in memory, with one server on plain HTTP; time stands still."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import cast

from twisted.internet.interfaces import IReactorFDSet, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport

from iphttps.core.client import ClientEvent, ClientMachine, ClientState
from iphttps.core.errors import ConfigError
from iphttps.core.failure import FailureReason
from iphttps.core.reconnect import ReconnectTimer
from iphttps.core.sstp.client_call import ClientCall, LinkUp
from iphttps.core.sstp.client_request import ClientHandshake
from iphttps.core.sstp.ppp.login import Login
from iphttps.core.sstp.ppp.mschapv2 import nt_password_hash
from iphttps.host.device.memory import MemoryDevice
from iphttps.net.client import Client
from iphttps.net.client_session import ClientSession, Owner
from iphttps.net.connect.remote_server import RemoteServer
from iphttps.net.device_reader import DeviceReader
from iphttps.net.sstp.client import Setup, SSTPClientSession
from iphttps.net.sstp.echo import Echo
from iphttps.pki import des
from tests.net.sstp import support
from tests.net.sstp.support import SSTPCase
from tests.net.support import OUTER, Connection, Endpoint

LINK_LOCAL = bytes.fromhex("fe80000000000000")


class Account:
    """A login that a test can change, and the servers' answers to it."""

    def __init__(self) -> None:
        self.user, self.password = "alice", "secret"
        self.withheld = ""
        self.said: list[str] = []

    def login(self, now: float) -> Login:
        """Return the login."""
        if self.withheld:
            raise ConfigError(self.withheld)
        return Login(self.user.encode(), nt_password_hash(self.password))

    def rejected(self, now: float) -> None:
        """Note that it was rejected."""
        self.said.append("rejected")

    def accepted(self) -> None:
        """Note that it was accepted."""
        self.said.append("accepted")


class ClientCase(SSTPCase):
    """The client with one server, on plain HTTP."""

    keepalive = 0.0

    def setUp(self) -> None:
        """Make both ends; without TLS a client has seen no certificate, and its hash is of zeros."""
        self.patch(support, "CERTIFICATE_HASH", bytes(32))
        super().setUp()
        self.account = Account()
        self.link: list[str] = []
        self.ups: list[LinkUp] = []
        self.endpoint = Endpoint()
        self.tun = MemoryDevice("sstp0", ipv4=True)
        self.addCleanup(self.tun.close)
        self.echo = Echo(self.clock, lambda: None, keepalive=self.keepalive)
        self._random = self._bytes()
        self.client = Client(
            self.clock,
            ClientMachine(ReconnectTimer()),
            [
                RemoteServer(f"http://{name}", cast(IStreamClientEndpoint, endpoint), self._session)
                for name, endpoint in self.servers().items()
            ],
            self.tun,
            lambda deliver: DeviceReader(cast(IReactorFDSet, self.clock), self.tun, deliver, self.fail),
            bring_up=self._up,
            take_down=lambda: self.link.append("down"),
            liveness=self._liveness,
        )
        self.client.handle(ClientEvent.ENABLE)
        self.client.handle(ClientEvent.PRECONDITION)

    def servers(self) -> dict[str, Endpoint]:
        """Return the servers, by name."""
        return {"vpn.example.org": self.endpoint}

    def _bytes(self) -> Iterator[bytes]:
        return (bytes((number % 256,)) for number in count(7))

    def _liveness(self, silent: object) -> Echo:
        self.echo.silent = lambda: self.client.silent()
        return self.echo

    def _session(self, client: Owner, deadline: float) -> SSTPClientSession:
        handshake = ClientHandshake("vpn.example.org", bytes(16))
        return SSTPClientSession(client, deadline, Setup(handshake, self.account, self._call, self.echo))

    def _call(self, login: Login, certificate: bytes) -> ClientCall:
        return ClientCall(lambda length: next(self._random) * length, login, certificate, des.encrypt)

    def _up(self, session: ClientSession) -> None:
        self.link.append("up")
        assert isinstance(session, SSTPClientSession) and session.link
        self.ups.append(session.link)

    @property
    def session(self) -> SSTPClientSession:
        """The present session."""
        assert isinstance(self.client.tunnel, SSTPClientSession)
        return self.client.tunnel

    @property
    def failure(self) -> FailureReason:
        """The last failure."""
        assert self.client.last_failure
        return self.client.last_failure[0]

    def join(self, cut: int = 1 << 20) -> Connection:
        """Connect the latest attempt to the server, and carry bytes until both ends are idle."""
        factory, attempt = self.endpoint.attempts[-1]
        protocol = cast(Protocol, factory.buildProtocol(OUTER))
        connection = Connection(self.clock, cast(Protocol, self.listener.buildProtocol(OUTER)), protocol, cut)
        attempt.callback(protocol)
        connection.settle()
        return connection

    def up(self) -> Connection:
        """Have the link come up."""
        connection = self.join()
        self.assertIs(self.client.state, ClientState.LINK_UP, self.client.last_failure)
        return connection

    def raw(self) -> StringTransport:
        """Let the latest attempt reach a server that is a test's own."""
        transport = StringTransport()
        self.endpoint.accept(transport)
        return transport
