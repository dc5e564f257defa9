"""Reading of a proxy auto-configuration (PAC) file from a path or a URL."""

from __future__ import annotations

import os
import stat

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from ...core.errors import DiscoveryError
from ...core.http.content_coding import decode
from ...core.proxy.choice import PACLocation
from .download import MAXIMUM_SIZE, Connect, download
from .pac_text import text_of

TIME_LIMIT = 10.0
"""Seconds for the download of the file."""


def read_pac(clock: IReactorTime, connect: Connect, location: PACLocation) -> Deferred[str]:
    """Return the text of the file; fails with DiscoveryError if it cannot be read."""
    if location.url:
        return download(clock, connect, location.url, TIME_LIMIT).addCallback(lambda found: text_of(*found))
    try:
        return succeed(text_of(decode(_read(location.path), "", MAXIMUM_SIZE)))
    except DiscoveryError as error:
        return fail(error)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DiscoveryError("it is not a regular file")
            content = file.read(MAXIMUM_SIZE + 1)
    except OSError as error:
        raise DiscoveryError(f"it cannot be read: {error.strerror}") from error
    if len(content) > MAXIMUM_SIZE:
        raise DiscoveryError(f"the file is larger than {MAXIMUM_SIZE} bytes")
    return content


def _without_waiting(path: str, flags: int) -> int:
    """Open a file without blocking, in case it is a pipe without a writer."""
    return os.open(path, flags | os.O_NONBLOCK)
