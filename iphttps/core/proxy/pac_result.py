"""What a proxy auto-configuration file answers: a string such as "PROXY a:8080; HTTPS b:443; DIRECT"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ConfigError, DiscoveryError
from .url import Proxy

MAXIMUM_LENGTH = 4096
"""Characters of an answer; a longer one is refused whole, for its end may be what matters."""

MAXIMUM_PROXIES = 10
"""Entries that are tried; each may cost a whole connection's time limit."""

SHOWN = 60
"""Characters of an entry that are shown where it cannot be used."""

_SCHEMES = {"PROXY": "http", "HTTP": "http", "HTTPS": "https"}

_PLACE = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
"""A host and a port, and nothing else that a URL may have: no user, no path."""


@dataclass(frozen=True, slots=True)
class PACResult:
    """The entries in the order in which they are to be tried, None for a direct connection."""

    proxies: tuple[Proxy | None, ...]
    skipped: tuple[str, ...] = ()
    """What was left out, each in a few words fit to be shown."""

    @classmethod
    def parse(cls, text: str) -> PACResult:
        """Read the answer; an empty one is a direct connection, as in browsers.

        Left out are SOCKS proxies, which speak no HTTP, and whatever is no entry.

        Raises:
            DiscoveryError: If nothing is left, or the answer is too long.
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
            raise DiscoveryError(f"it names nothing that can be used: {', '.join(skipped)}")
        return cls(tuple(proxies) or (None,), tuple(skipped))


def _take(entry: str, proxies: dict[Proxy | None, None]) -> str | None:
    """Add an entry, or return why not."""
    keyword, *places = entry.split()
    keyword = keyword.upper()
    if keyword.startswith("SOCKS"):
        return "SOCKS is not spoken here"
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
        return "one too many"
    proxies[proxy] = None
    return None


def _shown(entry: str) -> str:
    shown = ascii(entry)[1:-1]
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
