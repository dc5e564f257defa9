"""Finds the web proxies through which a server can be reached, in the order in which they are to be tried.

The answer for a server is kept until `forget` is called, which is to be done when the network has changed: a laptop
that is carried from the office into a café has left its proxy behind. What was not found is looked for each time.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint

from ...core.errors import DiscoveryError
from ...core.proxy.choice import PACLocation, ProxyChoice, ProxySource
from ...core.proxy.environment import proxy_of
from ...core.proxy.pac_result import PACResult
from ...core.proxy.url import Proxy
from ...core.proxy.wpad import search_domains, wpad_urls
from ..log import logger
from ..tls.contexts import ClientTLS
from . import pac_process
from .download import Connect, download
from .endpoints import URI, client_endpoint
from .pac_file import read_pac
from .pac_process import IReactorPrograms
from .pac_text import text_of
from .public_suffix import public_suffixes

WPAD_TIME_LIMIT = 10.0
"""Seconds for all the places where WPAD looks, together."""

WPAD_PLACE_LIMIT = 4.0
"""Seconds for each of them."""

Proxies = tuple[Proxy | None, ...]
"""What is to be tried, in this order; None is a direct connection. Never empty."""

DIRECT: Proxies = (None,)

Evaluate = Callable[[str, URI], Deferred[str]]
"""How to have a file's text evaluated for a server."""


@dataclass(slots=True)
class _Known:
    """What was found out since the network last changed."""

    pac: tuple[str, str] | None = None
    """Where the file was found, and its text."""
    answers: dict[tuple[bool, str, int], Proxies] = field(default_factory=dict)


class ProxyFinder:
    """Finds proxies as the operator chose; `pac` is where the file is, instead of where WPAD would look.

    The other arguments are what it needs of its surroundings.
    """

    log = logger()

    def __init__(
        self,
        reactor: IReactorPrograms,
        choice: ProxyChoice,
        pac: PACLocation | None = None,
        *,
        environment: Mapping[str, str] = os.environ,
        evaluate: Evaluate | None = None,
        connect: Connect | None = None,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        hostname: Callable[[], str] = socket.gethostname,
    ) -> None:
        self._clock = reactor
        self._choice = choice
        self._pac = pac
        # Read now, while Python's files can be; it takes 80 ms and is of use to WPAD alone.
        by_wpad = choice.source is ProxySource.AUTO and pac is None
        self._is_public = public_suffixes() if by_wpad else lambda _: True
        self._environment = environment
        self._evaluate = evaluate or partial(pac_process.evaluate, reactor)
        self._connect = connect or partial(_endpoint, reactor)
        self._resolv_conf = resolv_conf
        self._hostname = hostname
        self._known = _Known()
        self._said = ""
        self._without: set[str] = set()
        """The servers of which it was said that the environment names no proxy for them."""

    def find(self, uri: URI) -> Deferred[Proxies]:
        """Return what is to be tried for a server, at least one; it can be cancelled.

        Fails with ConfigError if the environment holds what is no proxy, and with DiscoveryError if the file that the
        operator named cannot be had, or gives no answer. Without such a name that is a direct connection.
        """
        return Deferred.fromCoroutine(self._find(uri))

    def forget(self) -> None:
        """Find everything out anew from now on; what is under way is still answered, but not kept."""
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
                        "the environment names no proxy for {server}: the way is direct",
                        event="no-proxy",
                        server=uri.authority,
                    )
                return (proxy,)
            case ProxySource.AUTO:
                return await self._find_by_pac(uri)

    async def _find_by_pac(self, uri: URI) -> Proxies:
        known = self._known  # `forget` lays another one there, and this one is then nobody's
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
                known.pac = None  # it may be mended until the next time
                raise DiscoveryError(f"the file that --pac names, {self._pac}, cannot be used: {error}") from error
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
                "{where} also says what is left out: {skipped}",
                event="proxy-skipped",
                where=where,
                skipped=", ".join(result.skipped),
            )
        return result.proxies

    async def _from(self, location: PACLocation) -> tuple[str, str]:
        return str(location), await read_pac(self._clock, self._connect, location)

    async def _by_wpad(self) -> tuple[str, str]:
        """Return where the file was found, and its text, of the first place that has one."""
        urls = wpad_urls(search_domains(self._resolver_words(), self._hostname()), self._is_public)
        failed = []
        end = self._clock.seconds() + WPAD_TIME_LIMIT
        for url in urls:
            left = end - self._clock.seconds()
            if left <= 0:
                failed.append("and there was no time for more")
                break
            try:
                found = await download(self._clock, self._connect, url, min(left, WPAD_PLACE_LIMIT), rooted=True)
                return url, text_of(*found)
            except DiscoveryError as error:
                failed.append(f"{url}: {error}")
        raise DiscoveryError("; ".join(failed) or "this host has no domain in which to look for it")

    def _resolver_words(self) -> str:
        try:
            return self._resolv_conf.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def _say(self, known: _Known, error: DiscoveryError) -> None:
        """Say why the connection is a direct one, but not at each of many attempts, which `forget` may separate."""
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


def _endpoint(reactor: IReactorPrograms, uri: URI) -> IStreamClientEndpoint:
    return client_endpoint(reactor, uri, ClientTLS(uri.host, None, None) if uri.secure else None)
