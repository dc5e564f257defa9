"""`twistd iphttps-client`: builds the client's objects and joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from twisted.internet.defer import Deferred

from ..core.client import ClientEvent, ClientMachine
from ..core.client_handshake import ClientHandshake
from ..core.errors import ConfigError
from ..core.handshake import DEFAULT_PATH
from ..core.reconnect import ReconnectTimer
from ..host.addresses import addresses
from ..host.network import NetworkConfig
from ..net.certificates import Credentials, load_certificates
from ..net.client import Client
from ..net.endpoints import client_endpoint
from ..net.interfaces import IReactor, PacketDevice
from ..net.reader import DeviceReader
from ..net.revocation import RevocationLists, now_of
from ..net.tls import ClientTLS
from .client_actions import ClientActions
from .client_options import Options
from .control import Route
from .daemon import Daemon, HostNetwork

SETTINGS = {
    "accept_ra": 2,  # also where this host forwards
    "accept_ra_rt_info_max_plen": 128,  # routes come as route information, which Linux ignores by default
    "accept_redirects": 0,  # there is one router on the link
}


class ClientDaemon(Daemon):
    """The client as a service."""

    def __init__(
        self,
        options: Options,
        reactor: IReactor,
        network: HostNetwork | None = None,
        open_device: Callable[[str], PacketDevice] | None = None,
    ) -> None:
        super().__init__(options, reactor, network, open_device)
        self._options = options
        self._client: Client | None = None

    def prepare(self) -> None:
        """Load the certificates and create the device, which stays down until the link is up."""
        options, uri = self._options, self._options.uri
        tls = self._tls() if uri.secure else None
        self.device = device = self.open_device(options["interface"])
        self._configure(up=False)
        timer = ReconnectTimer(options.number("reconnect-initial", 0.1), options.number("reconnect-maximum", 0.1))
        self._client = Client(
            self.reactor,
            ClientMachine(timer),
            client_endpoint(self.reactor, uri, tls),
            str(uri),
            partial(ClientHandshake, uri.authority, uri.path or DEFAULT_PATH, options.request_length),
            device,
            lambda deliver: DeviceReader(self.reactor, device, deliver, self.device_lost),
            bring_up=self._bring_up,
            take_down=self._take_down,
        )
        if not uri.secure:
            self.log.warn("plain HTTP: nothing protects the packets on their way")

    def _tls(self) -> ClientTLS:
        options = self._options
        ca, certificate, key = options.path("ca"), options.path("certificate"), options.path("private-key")
        crl, now = options.path("crl"), self.reactor.seconds
        authorities = load_certificates(ca) if ca else None
        return ClientTLS(
            options.uri.host,
            authorities,
            Credentials.load(certificate, key) if certificate and key else None,
            revocation=RevocationLists.load(crl, authorities, now_of(now())) if crl and authorities else None,
            pins=options.pins,
            renegotiation=options["allow-renegotiation"],
            now=now,
        )

    def startService(self) -> None:
        """Enable the client; that it runs at all is the administrator's policy to have the link (3.1.3)."""
        super().startService()
        assert self._client is not None
        self._client.handle(ClientEvent.ENABLE)
        self._client.handle(ClientEvent.PRECONDITION)

    def routes(self) -> Iterable[Route]:
        """Return what the control socket offers."""
        assert self._client is not None
        assert self.device is not None
        interface = self._options["interface"]
        settings = {"uri": str(self._options.uri), "interface": interface}
        return ClientActions(self._client, self.device, settings, lambda: map(str, addresses(interface))).routes()

    def _bring_up(self) -> None:
        # Not before the link is up: the kernel solicits routers at once, and only for a while.
        self._switch(up=True)

    def _take_down(self) -> None:
        # The kernel forgets the addresses and routes of the session with the link.
        self._switch(up=False)

    def _switch(self, *, up: bool) -> None:
        try:
            self._configure(up=up)
        except ConfigError as error:
            self.fatal(str(error))

    def _configure(self, *, up: bool) -> None:
        self.network.apply(NetworkConfig(self._options["interface"], up=up, settings=SETTINGS))

    def quit(self) -> Deferred[Any]:
        """Take the link down and close the connection."""
        assert self._client is not None
        self._client.handle(ClientEvent.DISABLE)
        return self._client.gone()


def makeService(options: Options) -> ClientDaemon:
    """Make the service for `twistd`."""
    from twisted.internet import reactor  # installed by twistd only just now

    return ClientDaemon(options, cast(IReactor, reactor))
