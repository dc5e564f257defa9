"""The stages of a connection attempt, and the reason for a failure at one of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """The stages of an attempt, in order; the value is the word in status."""

    RESOLVE = "resolve"  # the server's name becomes an address
    CONNECT = "connect"  # TCP
    PROXY = "proxy"  # the connection through a web proxy: 3.1.5.1
    TLS = "tls"  # versions, cipher suites; or the peer does not use TLS
    CERTIFICATE = "certificate"  # the server's or the client's: 4.2.3
    HTTP = "http"  # the request, the response, and the session after it: 3.1.5.2
    SSTP = "sstp"  # the call, and the session after it: [MS-SSTP] 3.2
    PPP = "ppp"  # LCP
    LOGIN = "login"  # MS-CHAPv2 or PAP
    BINDING = "binding"  # the crypto binding: [MS-SSTP] 3.2.5.2
    ADDRESSES = "addresses"  # IPCP and IPV6CP
    ROUTER = "router"  # a router advertises itself on the link
    ADDRESS = "address"  # the kernel has formed an address that is unique on the link


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why an attempt or a session ended.

    `sentence` is for a person and can follow a colon. `code` is the error code that Windows shows for the same failure,
    such as 0x274D, if known. `retry_after` is the number of seconds that the server has asked the client to wait.
    """

    stage: Stage
    sentence: str
    code: str | None = None
    retry_after: float | None = None
