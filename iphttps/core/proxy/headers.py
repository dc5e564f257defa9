"""The headers that the operator has the client send to web proxies, as they stand in the option `--proxy-header`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import ConfigError
from .connect import Header

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"host", "proxy-authorization", "content-length", "transfer-encoding", "connection", "upgrade"}
"""What says where a request leads and where it ends, and whose it is."""


def read_headers(texts: Iterable[str]) -> tuple[Header, ...]:
    """Read lines such as "User-Agent: Mozilla/5.0".

    Raises:
        ConfigError: The text quotes no value.
    """
    found = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise ConfigError('--proxy-header takes a name and a value, such as "User-Agent: Mozilla/5.0"')
        if name.lower() in _OURS:
            raise ConfigError(f"--proxy-header cannot set {name}, which the client sets as the request needs it")
        value = value.strip(" ")
        if not value.isprintable():
            raise ConfigError(f"--proxy-header {name} has a value that holds characters that cannot be shown")
        found.append((name.encode("ascii"), value.encode()))
    return tuple(found)


def harmless(headers: Iterable[Header]) -> tuple[Header, ...]:
    """Return the headers that any proxy may see; others may hold what lets a client in."""
    return tuple(header for header in headers if header[0].lower() == b"user-agent")
