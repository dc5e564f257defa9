"""A client's servers as configured: how to reach each, in which order, and on which condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import time

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from ...core.proxy.connect import Header
from ...core.proxy.url import Proxy
from ...net.client import Server, SessionMaker
from ...net.connect.addresses import Addresses
from ...net.connect.condition import Condition, FirewallCondition, always
from ...net.connect.endpoints import URI, client_endpoint
from ...net.connect.fallback import FallbackEndpoint
from ...net.connect.finder import ProxyFinder
from ...net.connect.pac_process import evaluate
from ...net.connect.proxy import ProxySettings
from ...net.connect.race import Fastest
from ...net.connect.remote_server import Choice, RemoteServer, as_listed
from ...net.interfaces import IReactor
from ...net.log import logger
from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import ClientTLS
from ...pki.authorities import SERVER_AUTH
from ...pki.certificates import Credentials
from ...pki.revocation import RevocationLists, now_of
from ..config.clients.tunnel_config import TunnelConfig
from ..config.proxy_options import ProxyAccess
from ..control.status import crl_not_taken
from .process.child import RunningProgram
from .watch.path_watch import PathWatch

PROBE_TIMEOUT = 5.0
"""Seconds in which the host of --probe must be reached."""


class Servers:
    """The configured servers; the constructor loads the certificates and raises ConfigError.

    `all` lists the servers as configured, `choose` orders them, and `needed` determines whether to connect (3.1.3).
    `paths` are those to the servers or the proxies.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactor,
        config: TunnelConfig,
        session: Callable[[URI], SessionMaker],
        *,
        credentials: Credentials | None = None,
        renegotiation: bool = False,
        headers: Sequence[Header] = (),
    ) -> None:
        """`session` returns what makes the sessions with a server.

        `credentials` is the client's certificate; with `renegotiation` it is shown after the TLS handshake, too.
        `headers` are sent to proxies, besides those of the configuration, which come before them.
        """
        self._reactor = reactor
        self._config = config
        self._access = ProxyAccess(config)
        self._finder = ProxyFinder(
            reactor, config.proxy, config.pac, evaluate=partial(evaluate, partial(RunningProgram, reactor))
        )
        self._session = session
        self._credentials = credentials
        self._renegotiation = renegotiation
        self._headers = tuple(headers)
        self.paths = PathWatch(config.interface)
        self._checked: list[ClientTLS] = []
        self.all = [self._server(uri) for uri in config.uri]
        fastest = config.select == "fastest" and len(self.all) > 1
        self.choose: Choice[SessionMaker] = Fastest(reactor) if fastest else as_listed
        self.needed = self._condition()

    def _server(self, uri: URI) -> Server:
        if not uri.secure:
            self.log.warn("{uri} is plain HTTP: packets are not encrypted", event="plain-http", uri=str(uri))
        tls = self._tls(uri) if uri.secure else None

        addresses = Addresses()

        def through(way: Proxy | None) -> IStreamClientEndpoint:
            proxy = self._through(way) if way else None
            return client_endpoint(self._reactor, uri, tls, proxy, addresses, self.paths.resolved)

        ways = FallbackEndpoint(partial(self._finder.find, uri), through, self._finder.forget, addresses)
        return RemoteServer(str(uri), ways, self._session(uri), lambda: str(ways.latest) if ways.latest else None)

    def _through(self, proxy: Proxy) -> ProxySettings:
        settings = self._access.settings(proxy)
        given = {name.lower() for name, _ in self._access.headers}
        own = (header for header in self._headers if header[0].lower() not in given)
        return replace(settings, headers=(*settings.headers, *own))

    def _tls(self, uri: URI) -> ClientTLS:
        config = self._config
        ca, crl = config.file("ca"), config.file("crl")
        now = time  # wall-clock time, which the validity of lists refers to
        authorities = load_authorities(ca, SERVER_AUTH) if ca else None
        tls = ClientTLS(
            uri.host,
            authorities,
            self._credentials,
            revocation=RevocationLists.load(crl, authorities, now_of(now()), allow_older=config.allow_older_crl)
            if crl and authorities
            else None,
            pins=frozenset(config.pin),
            renegotiation=self._renegotiation,
            now=now,
            ca_option="--ca",
        )
        self._checked.append(tls)
        return tls

    def not_taken(self) -> list[str]:
        """Return a sentence for each changed file that cannot be used."""
        problems = dict.fromkeys(tls.problem for tls in self._checked if tls.problem)
        return [crl_not_taken(problem) for problem in problems]

    @property
    def unmet(self) -> str:
        """The reason why the client does not connect, while its condition is not met."""
        return {
            "proxy": "no web proxy between this host and a server: no tunnel is needed",
            "blocked": f"{self._probe} is reachable directly: no tunnel is needed",
        }.get(self._config.when, "waiting for `iphttps enable`")

    def _condition(self) -> Condition | None:
        """Return the condition for connecting (3.1.3), or None to wait for `iphttps enable`."""
        match self._config.when, self._config.probe:
            case "always", _:
                return always
            case "blocked", (host, port):
                endpoint = HostnameEndpoint(self._reactor, host, port, timeout=PROBE_TIMEOUT)
                return FirewallCondition(endpoint, self._probe)
            case "proxy", _:
                return lambda: Deferred.fromCoroutine(self._behind_proxy())
            case _:
                return None

    @property
    def _probe(self) -> str:
        """The host and port of --probe, as configured."""
        host, port = self._config.probe or ("", "")
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _behind_proxy(self) -> bool:
        """Return whether the first route to any of the servers uses a proxy."""
        for uri in self._config.uri:
            first, *_ = await self._finder.find(uri)
            if first is not None:
                return True
        self.log.info("no web proxy between this host and the server: no tunnel is needed", event="not-needed")
        return False

    def network_changed(self) -> None:
        """Forget the discovered proxies and the paths, as the network has changed."""
        self._finder.forget()
        self.paths.forget()
