"""The client's servers as the options describe them: how each is reached, in which order, and when at all."""

from __future__ import annotations

from functools import partial
from time import time

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint

from ...core.iphttps.client_handshake import ClientHandshake
from ...core.iphttps.request import DEFAULT_PATH
from ...core.proxy.url import Proxy
from ...net.connect.addresses import Addresses
from ...net.connect.condition import Condition, FirewallCondition, always
from ...net.connect.endpoints import URI, client_endpoint
from ...net.connect.fallback import FallbackEndpoint
from ...net.connect.finder import ProxyFinder
from ...net.connect.pac_process import evaluate
from ...net.connect.race import Fastest
from ...net.connect.remote_server import Choice, RemoteServer, as_listed
from ...net.interfaces import IReactor
from ...net.log import logger
from ...net.tls.authorities import load_authorities
from ...net.tls.contexts import ClientTLS
from ...pki.authorities import SERVER_AUTH
from ...pki.certificates import Credentials
from ...pki.revocation import RevocationLists, now_of
from ..config.client_config import ClientConfig
from ..config.proxy_options import ProxyAccess
from ..control.status import crl_not_taken
from .process.child import RunningProgram

PROBE_TIMEOUT = 5.0
"""Seconds in which the host of --probe must be reached."""


class Servers:
    """What the client needs to know of its servers; making it reads the certificates, and raises ConfigError.

    `all` are the servers as listed, `choose` orders them, and `needed` finds out whether to connect (3.1.3).
    """

    log = logger()

    def __init__(self, reactor: IReactor, config: ClientConfig) -> None:
        self._reactor = reactor
        self._config = config
        self._access = ProxyAccess(config)
        self._finder = ProxyFinder(
            reactor, config.proxy, config.pac, evaluate=partial(evaluate, partial(RunningProgram, reactor))
        )
        self._checked: list[ClientTLS] = []
        self.all = [self._server(uri) for uri in config.uri]
        fastest = config.select == "fastest" and len(self.all) > 1
        self.choose: Choice[ClientHandshake] = Fastest(reactor) if fastest else as_listed
        self.needed = self._condition()

    def _server(self, uri: URI) -> RemoteServer[ClientHandshake]:
        if not uri.secure:
            self.log.warn(
                "{uri} is plain HTTP: nothing protects the packets on their way", event="plain-http", uri=str(uri)
            )
        handshake = partial(ClientHandshake, uri.authority, uri.path or DEFAULT_PATH, self._config.request_length)
        tls = self._tls(uri) if uri.secure else None

        addresses = Addresses()

        def through(way: Proxy | None) -> IStreamClientEndpoint:
            return client_endpoint(self._reactor, uri, tls, self._access.settings(way) if way else None, addresses)

        ways = FallbackEndpoint(partial(self._finder.find, uri), through, self._finder.forget, addresses)
        return RemoteServer(str(uri), ways, handshake, lambda: str(ways.latest) if ways.latest else None)

    def _tls(self, uri: URI) -> ClientTLS:
        config = self._config
        ca, certificate, key = config.file("ca"), config.file("certificate"), config.file("private-key")
        crl, now = config.file("crl"), time  # the time of day: lists are valid by it
        authorities = load_authorities(ca, SERVER_AUTH) if ca else None
        tls = ClientTLS(
            uri.host,
            authorities,
            Credentials.load(certificate, key) if certificate and key else None,
            revocation=RevocationLists.load(crl, authorities, now_of(now()), allow_older=config.allow_older_crl)
            if crl and authorities
            else None,
            pins=frozenset(config.pin),
            renegotiation=config.allow_renegotiation,
            now=now,
            ca_option="--ca",
        )
        self._checked.append(tls)
        return tls

    def not_taken(self) -> list[str]:
        """Return a sentence for each file that has been found changed and cannot be used."""
        problems = dict.fromkeys(tls.problem for tls in self._checked if tls.problem)
        return [crl_not_taken(problem) for problem in problems]

    @property
    def unmet(self) -> str:
        """What the client waits for until the condition is met."""
        return {
            "proxy": "no web proxy stands between this host and a server, so no tunnel is needed",
            "blocked": f"{self._probe} is reached directly, so no tunnel is needed",
        }.get(self._config.when, "it is to be asked for, by `iphttps enable`")

    def _condition(self) -> Condition | None:
        """Return when the client is to connect; that it runs at all is an administrator's policy by default."""
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
        """The host and the port of --probe as they are given there."""
        host, port = self._config.probe or ("", "")
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _behind_proxy(self) -> bool:
        """Find out whether a proxy comes first on the way to any of the servers."""
        for uri in self._config.uri:
            first, *_ = await self._finder.find(uri)
            if first is not None:
                return True
        self.log.info("no web proxy between this host and the server: no tunnel is needed", event="not-needed")
        return False

    def network_changed(self) -> None:
        """The network has changed: where the proxies were may not hold any more."""
        self._finder.forget()
