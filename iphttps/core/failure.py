"""How far an attempt to get a link has come, and what went wrong at which stage of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """The stages of an attempt, in their order; the value is the word that status shows."""

    RESOLVE = "resolve"  # the server's name becomes an address
    CONNECT = "connect"  # TCP
    PROXY = "proxy"  # the way through a web proxy: 3.1.5.1
    TLS = "tls"  # versions, suites, and that it is TLS at all
    CERTIFICATE = "certificate"  # the server's or the client's: 4.2.3
    HTTP = "http"  # the request, its answer, and the session that this opens: 3.1.5.2
    ROUTER = "router"  # a router advertises itself on the link
    ADDRESS = "address"  # the kernel has formed an address that nobody else has


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why an attempt or a session ended.

    `sentence` is for a person, and fit to follow a colon. `code` is what Windows shows for the same thing, such as
    0x274D, if that is known. `retry_after` is how many seconds the server has asked to be left alone.
    """

    stage: Stage
    sentence: str
    code: str | None = None
    retry_after: float | None = None
