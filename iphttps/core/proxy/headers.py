"""Additional headers for web proxies, from the option `--proxy-header`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import ConfigError
from .connect import Header

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"host", "proxy-authorization", "content-length", "transfer-encoding", "connection", "upgrade"}
"""Headers that give the target, the length or the credentials of a request."""


def read_headers(texts: Iterable[str]) -> tuple[Header, ...]:
    """Parse lines such as "User-Agent: Mozilla/5.0".

    Raises:
        ConfigError: A line is not a header, or not one that may be set. The error quotes no value.
    """
    found = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise ConfigError('--proxy-header takes a name and a value, such as "User-Agent: Mozilla/5.0"')
        if name.lower() in _OURS:
            raise ConfigError(f"--proxy-header cannot set {name}, which the client sets itself")
        value = value.strip(" ")
        if not value.isprintable():
            raise ConfigError(f"--proxy-header {name}: the value contains unprintable characters")
        found.append((name.encode("ascii"), value.encode()))
    return tuple(found)


def harmless(headers: Iterable[Header]) -> tuple[Header, ...]:
    """Return the headers that any proxy may see; others may contain credentials."""
    return tuple(header for header in headers if header[0].lower() == b"user-agent")
