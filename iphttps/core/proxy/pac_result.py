"""The result of a proxy auto-configuration file: a string such as "PROXY a:8080; HTTPS b:443; DIRECT"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ConfigError, DiscoveryError
from .url import Proxy

MAXIMUM_LENGTH = 4096
"""Maximum characters of a result; a longer one is rejected whole, because its end may matter."""

MAXIMUM_PROXIES = 10
"""Maximum number of entries that are tried; each may take the full connection timeout."""

SHOWN = 60
"""Maximum characters shown of an entry that cannot be used."""

_SCHEMES = {"PROXY": "http", "HTTP": "http", "HTTPS": "https"}

_PLACE = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
"""A host and a port, without a URL's other parts such as user or path."""


@dataclass(frozen=True, slots=True)
class PACResult:
    """The proxies in the order in which to try them; None stands for a direct connection."""

    proxies: tuple[Proxy | None, ...]
    skipped: tuple[str, ...] = ()
    """The entries left out, each with its reason, printable."""

    @classmethod
    def parse(cls, text: str) -> PACResult:
        """Parse the result; an empty one means a direct connection, as in browsers.

        SOCKS proxies, which do not speak HTTP, and malformed entries are left out.

        Raises:
            DiscoveryError: No entry is left, or the result is too long.
        """
        if len(text) > MAXIMUM_LENGTH:
            raise DiscoveryError(f"it answers with {len(text)} characters, more than {MAXIMUM_LENGTH}")
        proxies: dict[Proxy | None, None] = {}  # in order, each once
        skipped: list[str] = []
        for entry in filter(None, map(str.strip, text.split(";"))):
            reason = _take(entry, proxies)
            if reason and len(skipped) < MAXIMUM_PROXIES:
                skipped.append(f"{_shown(entry)} ({reason})")
        if not proxies and skipped:
            raise DiscoveryError(f"it names no usable proxy: {', '.join(skipped)}")
        return cls(tuple(proxies) or (None,), tuple(skipped))


def _take(entry: str, proxies: dict[Proxy | None, None]) -> str | None:
    """Add an entry, or return the reason to leave it out."""
    keyword, *places = entry.split()
    keyword = keyword.upper()
    if keyword.startswith("SOCKS"):
        return "SOCKS is not supported"
    proxy = None
    if keyword in _SCHEMES and len(places) == 1:
        if not _PLACE.fullmatch(places[0]):
            return "not a host and a port"
        try:
            proxy = Proxy.parse(f"{_SCHEMES[keyword]}://{places[0]}")
        except ConfigError:
            return "not a host and a port"
    elif keyword != "DIRECT" or places:
        return "not an entry"
    if len(proxies) == MAXIMUM_PROXIES:
        return "too many entries"
    proxies[proxy] = None
    return None


def _shown(entry: str) -> str:
    shown = ascii(entry)[1:-1]
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
