"""Discovery of the web proxies for a server, in the order in which to try them.

The result for a server is cached until `forget` is called, as after a change of network: a laptop carried from the
office into a café has left its proxy behind. A failed search is not cached.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from ...core.errors import DiscoveryError
from ...core.proxy.choice import PACLocation, ProxyChoice, ProxySource
from ...core.proxy.environment import proxy_of
from ...core.proxy.pac_result import PACResult
from ...core.proxy.url import Proxy
from ...core.proxy.wpad import search_domains, wpad_urls
from ..log import logger
from ..tls.contexts import ClientTLS
from .download import Connect, download
from .endpoints import URI, client_endpoint
from .pac_file import read_pac
from .pac_text import text_of
from .public_suffix import public_suffixes

WPAD_TIME_LIMIT = 10.0
"""Seconds for all WPAD URLs together."""

WPAD_PLACE_LIMIT = 4.0
"""Seconds for each WPAD URL."""

Proxies = tuple[Proxy | None, ...]
"""The proxies to try, in order; None is a direct connection. Never empty."""

DIRECT: Proxies = (None,)

Evaluate = Callable[[str, URI], Deferred[str]]
"""A function that evaluates a PAC file's text for a server and returns FindProxyForURL's result."""


@dataclass(slots=True)
class _Known:
    """The results since the last change of network."""

    pac: tuple[str, str] | None = None
    """The location of the PAC file, and its text."""
    answers: dict[tuple[bool, str, int], Proxies] = field(default_factory=dict)


class ProxyFinder:
    """Finds proxies as the operator's `choice` says; `pac` is the location of the PAC file, None for WPAD.

    The keyword arguments are the environment, network and files to use; tests replace them.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactorTime,
        choice: ProxyChoice,
        pac: PACLocation | None = None,
        *,
        evaluate: Evaluate,
        environment: Mapping[str, str] = os.environ,
        connect: Connect | None = None,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        hostname: Callable[[], str] = socket.gethostname,
    ) -> None:
        self._clock = reactor
        self._choice = choice
        self._pac = pac
        # Read now, before privileges are dropped; it takes 80 ms, so only if WPAD is used.
        by_wpad = choice.source is ProxySource.AUTO and pac is None
        self._is_public = public_suffixes() if by_wpad else lambda _: True
        self._environment = environment
        self._evaluate = evaluate
        self._connect = connect or partial(_endpoint, reactor)
        self._resolv_conf = resolv_conf
        self._hostname = hostname
        self._known = _Known()
        self._said = ""
        self._without: set[str] = set()
        """The servers for which the log already says that the environment names no proxy."""

    def find(self, uri: URI) -> Deferred[Proxies]:
        """Return the proxies to try for a server; the Deferred can be cancelled.

        Fails with ConfigError if an environment variable is not a proxy's URL, and with DiscoveryError if the PAC file
        given by the operator cannot be read or evaluated. If WPAD finds no usable file, the result is a direct
        connection.
        """
        return Deferred.fromCoroutine(self._find(uri))

    def forget(self) -> None:
        """Discard all cached results; a search in progress still completes, but its result is not cached."""
        self._known = _Known()

    async def _find(self, uri: URI) -> Proxies:
        match self._choice.source:
            case ProxySource.NONE:
                return DIRECT
            case ProxySource.FIXED:
                return (self._choice.proxy,)
            case ProxySource.ENVIRONMENT:
                proxy = proxy_of(self._environment, uri.secure, uri.host, uri.port)
                if proxy is None and uri.authority not in self._without:
                    self._without.add(uri.authority)
                    self.log.info(
                        "the environment names no proxy for {server}: connecting directly",
                        event="no-proxy",
                        server=uri.authority,
                    )
                return (proxy,)
            case ProxySource.AUTO:
                return await self._find_by_pac(uri)

    async def _find_by_pac(self, uri: URI) -> Proxies:
        known = self._known  # `forget` replaces it; results of this search then go to the discarded object
        key = uri.secure, uri.host, uri.port
        if answer := known.answers.get(key):
            return answer
        try:
            if known.pac is None:
                known.pac = await (self._from(self._pac) if self._pac else self._by_wpad())
            where, text = known.pac
            result = PACResult.parse(await self._evaluate(text, uri))
        except DiscoveryError as error:
            if self._pac:
                known.pac = None  # it may be repaired by the next attempt
                raise DiscoveryError(f"cannot use the PAC file {self._pac} given by --pac: {error}") from error
            self._say(known, error)
            known.pac = None
            return DIRECT
        known.answers[key] = result.proxies
        self._said = ""
        self.log.info(
            "{where} says how to connect to {server}: {way}",
            event="proxy-found",
            where=where,
            server=uri.authority,
            way=", then ".join(str(proxy or "directly") for proxy in result.proxies),
        )
        if result.skipped:
            self.log.warn(
                "ignored entries in the result of {where}: {skipped}",
                event="proxy-skipped",
                where=where,
                skipped=", ".join(result.skipped),
            )
        return result.proxies

    async def _from(self, location: PACLocation) -> tuple[str, str]:
        return str(location), await read_pac(self._clock, self._connect, location)

    async def _by_wpad(self) -> tuple[str, str]:
        """Return the URL and the text of the first PAC file that WPAD finds."""
        urls = wpad_urls(search_domains(self._resolver_words(), self._hostname()), self._is_public)
        failed = []
        end = self._clock.seconds() + WPAD_TIME_LIMIT
        for url in urls:
            left = end - self._clock.seconds()
            if left <= 0:
                failed.append("no time was left for more")
                break
            try:
                found = await download(self._clock, self._connect, url, min(left, WPAD_PLACE_LIMIT), rooted=True)
                return url, text_of(*found)
            except DiscoveryError as error:
                failed.append(f"{url}: {error}")
        raise DiscoveryError("; ".join(failed) or "this host has no domain to search")

    def _resolver_words(self) -> str:
        try:
            return self._resolv_conf.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _say(self, known: _Known, error: DiscoveryError) -> None:
        """Log why the connection is direct, once for the same reason, even if `forget` was called in between."""
        if str(error) != self._said:
            self._said = str(error)
            if known.pac:
                self.log.warn(
                    "{where} cannot be used: {error}; connecting directly",
                    event="pac-unusable",
                    where=known.pac[0],
                    error=str(error),
                )
            else:
                self.log.info(
                    "no proxy was found ({error}); connecting directly", event="no-proxy-found", error=str(error)
                )


def _endpoint(reactor: IReactorTime, uri: URI) -> IStreamClientEndpoint:
    return client_endpoint(reactor, uri, ClientTLS(uri.host, None, None) if uri.secure else None)
