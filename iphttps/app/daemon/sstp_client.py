"""`twistd sstp-client`: what the client has of SSTP: the login, the addresses of both families, the routes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from ...core.failure import FailureReason, Stage
from ...core.ip.rdnss import Names
from ...core.sstp.client_call import DISCONNECTED, ClientCall, LinkUp
from ...core.sstp.client_request import CORRELATION_LENGTH, ClientHandshake
from ...core.sstp.ppp.client import interface_identifier
from ...core.sstp.ppp.login import Login
from ...core.sstp.request import PATH
from ...host.device.offload import open_tun
from ...host.device.tun import TunDevice
from ...host.kernel.addresses import addresses, usable
from ...host.kernel.network import NetworkConfig
from ...host.kernel.routes import ipv4_routes
from ...net.client import SessionMaker
from ...net.client_session import ClientSession, Owner
from ...net.connect.endpoints import URI
from ...net.interfaces import IReactor, PacketDevice
from ...net.sstp.client import Setup, SSTPClientSession
from ...net.sstp.echo import Echo
from ...pki import des
from ..config.secrets.password_login import PasswordLogin, UserPassword
from ..config.sstp_client_config import SSTPClientConfig
from ..config.sstp_client_options import Options
from ..control.sstp_status import negotiated
from ..control.status import Value
from .client_servers import Servers
from .running_client import Host, RunningClient, TunnelDaemon, run
from .sstp_network import LINK_LOCAL, check, harmless_peer, network_config

__all__ = ["Options", "makeService"]

VERSION_HEADER = (b"SSTPVERSION", b"1.0")
"""The header of CONNECT, by which the administrator of a proxy recognizes SSTP ([MS-SSTP] 4.5)."""

_UNKNOWN = bytes(4)

IDENTIFIER_LENGTH = 8
"""Bytes of an interface identifier (RFC 5072 section 4.1)."""


class ServerAccount:
    """The user's login for one server."""

    def __init__(self, logins: PasswordLogin, server: str, *, show_password: bool) -> None:
        self._logins = logins
        self._server = server
        self._show_password = show_password
        self._latest: UserPassword | None = None

    def login(self, now: float) -> Login:
        """Return the login for an attempt.

        Raises:
            ConfigError: It is not to be sent now, or cannot be read.
        """
        self._latest = found = self._logins.login(self._server, now)
        password = found.password.encode() if self._show_password else b""
        return Login(found.user.encode(), found.nt_hash, password)

    def rejected(self, now: float) -> None:
        """Note that the server has rejected the login."""
        if self._latest:
            self._logins.rejected(self._server, self._latest, now)

    def accepted(self) -> None:
        """Note that the server has accepted the login."""
        self._logins.accepted(self._server)


@dataclass(slots=True)
class Requested:
    """The addresses to request: those of the previous session, so that connections survive a new one.

    `identifier` is the interface identifier, 8 bytes; `address` the IPv4 address, 4 bytes, b"" at first.
    """

    identifier: bytes
    address: bytes = b""


def session(
    config: SSTPClientConfig, logins: PasswordLogin, echo: Echo, requested: Requested, uri: URI
) -> SessionMaker:
    """Return the maker of sessions with a server."""
    account = ServerAccount(logins, str(uri), show_password=config.allow_pap)

    def call(login: Login, certificate: bytes) -> ClientCall:
        return ClientCall(
            os.urandom,
            login,
            certificate,
            des.encrypt,
            hashes=config.binding,
            allow_pap=config.allow_pap,
            identifier=requested.identifier,
            address=requested.address,
        )

    def make(client: Owner, deadline: float) -> SSTPClientSession:
        handshake = ClientHandshake(uri.authority, os.urandom(CORRELATION_LENGTH), uri.path or PATH)
        return SSTPClientSession(client, deadline, Setup(handshake, account, call, echo))

    return make


class RunningSSTPClient(RunningClient):
    """An SSTP client that is ready to connect: PPP gives its addresses, and SSTP's echo probes the server."""

    carries_ipv4 = True

    def __init__(
        self, reactor: IReactor, options: Options, servers: Servers, host: Host, echo: Echo, requested: Requested
    ) -> None:
        self.config: SSTPClientConfig = options.config
        self._requested = requested
        self._echo = echo
        self._negotiated: LinkUp | None = None
        self._peer: IPv4Address | None = None
        super().__init__(reactor, options, servers, host)

    def _take_down(self) -> None:
        failure = self.client.last_failure
        if failure and failure[0].code == DISCONNECTED:
            # Another client of this user may have asked for the address: two of them would end each other for ever.
            self._requested.address = b""
        super()._take_down()

    def _network(self, *, up: bool) -> NetworkConfig:
        return network_config(self.config, self._negotiated if up else None, self._peer)

    def _liveness(self, silent: Callable[[], None]) -> Echo:
        self._echo.silent = silent
        return self._echo

    def _usable(self) -> Iterable[IPv4Interface | IPv6Interface]:
        given = self._negotiated.ipv4 if self._negotiated else None
        return [*([IPv4Interface(given.address)] if given else []), *usable(self.config.interface)]

    def _check(self, tunnel: ClientSession, peer: str) -> Names:
        assert isinstance(tunnel, SSTPClientSession)
        link = tunnel.link
        assert link
        check(self.config, link, peer)
        self._negotiated, self._peer = link, harmless_peer(self.config, link, peer)
        if link.ipv4:
            self._requested.address = link.ipv4.address
        dns = link.ipv4.dns if link.ipv4 else ()
        # "~.": all names are looked up there where all packets go there (resolvectl(1)).
        domains = ("~.",) if dns and self.config.default_route else ()
        return Names(tuple(IPv4Address(each) for each in dns), domains)

    def _refuse(self, sentence: str) -> None:
        tunnel = self.client.tunnel
        if isinstance(tunnel, SSTPClientSession):
            self._reactor.callLater(0, tunnel.reject, FailureReason(Stage.ADDRESSES, sentence))

    def _came_up(self) -> None:
        link = self._negotiated
        if link and link.ipv4:
            self._echo.router = link.ipv4.peer or _UNKNOWN
        elif link and link.ipv6:
            self._echo.router = LINK_LOCAL + (link.ipv6.peer or bytes(8))
        self._link.addressed()

    def _goes_down(self) -> None:
        self._echo.router = None

    def _host_side(self) -> Value:
        interface = self.config.interface
        given = self._negotiated.ipv4 if self._negotiated and self._link.used else None
        through = [str(network) for network, name, _ in sorted(ipv4_routes()) if name == interface]
        side = super()._host_side()
        side["addresses"] = [*([str(IPv4Interface(given.address))] if given else []), *side["addresses"]]
        side["routes"] = [*through, *side["routes"]]
        return side

    def _protocol(self) -> Value | None:
        tunnel = self.client.tunnel
        if not isinstance(tunnel, SSTPClientSession) or not tunnel.call:
            return None
        return negotiated(self.config.user, tunnel.call, tunnel.link)


class SSTPClientDaemon(TunnelDaemon):
    """The SSTP client as a service."""

    _options: Options

    def prepare(self) -> RunningSSTPClient:
        """Read the password, load the certificates and create the device; the interface stays down until LINK_UP."""
        config = self._options.config
        logins = PasswordLogin.configured(config)
        echo = Echo(
            self.reactor, partial(_own, config.interface), lambda: bool(usable(config.interface)), config.keepalive
        )
        secret = self._secret(config.interface) or os.urandom(16)
        requested = Requested(interface_identifier(secret[:IDENTIFIER_LENGTH]))
        sessions = partial(session, config, logins, echo, requested)
        servers = Servers(self.reactor, config, sessions, headers=(VERSION_HEADER,))
        host = self._host(network_config(config))
        return RunningSSTPClient(self.reactor, self._options, servers, host, echo, requested)


def _own(interface: str) -> bytes | None:
    """Return the link-local address of the interface."""
    found = addresses(interface)
    return next((address.packed for address in found if address.ip.is_link_local), None)


def _open(config: SSTPClientConfig) -> Callable[[str], PacketDevice]:
    """Return what opens the device, which carries both families, with room for the longest packet."""
    return partial(open_tun if config.offload else TunDevice, ipv4=True, mtu=config.mtu)


def makeService(options: Options) -> TunnelDaemon:
    """Make the service for `twistd`."""
    return run(lambda reactor: SSTPClientDaemon(options, reactor, open_device=_open(options.config)))
