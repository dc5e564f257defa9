"""URIs, and the listening ports and client endpoints for them (1.5, 2.1)."""

from __future__ import annotations

import encodings.idna  # noqa: F401  # see below
import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import cast
from urllib.parse import urlsplit

from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorSocket,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import ServerFactory

from ...core.errors import ConfigError
from ..listen.descriptor_reserve import keep_reserve
from ..tls.immediate import ImmediateTLSFactory, TLSEndpoint
from .addresses import Addresses, Resolved, name_endpoint, nobody
from .proxy import ProxyEndpoint, ProxySettings

__all__ = ["ANY", "BACKLOG", "CONNECT_TIMEOUT", "DEFER_ACCEPT", "URI", "bind", "client_endpoint", "listen"]

# The resolver's first look-up imports encodings.idna. After `twistd --uid` Python's own files may be unreadable; the
# import then fails and Twisted waits forever. Hence the import above.

CONNECT_TIMEOUT = 30.0
"""Seconds to wait for a TCP connection."""

BACKLOG = 1024
"""Length of the accept queue."""

DEFER_ACCEPT = 1
"""Seconds that the kernel defers accepting a connection without data: clients and load balancers always send first."""

ANY = "*"


@dataclass(frozen=True, slots=True)
class URI:
    """The URI of the server (3.1.1, 3.2.1); if `path` is empty, `default_path` applies.

    `path` has the query too, in the URI of an SSTP server.
    """

    secure: bool
    host: str
    port: int
    path: str
    socket: str = ""
    """The path of a UNIX socket, instead of host and port."""
    default_path: str = field(default="", compare=False, repr=False)

    @classmethod
    def listening(cls, text: str, default_path: str = "") -> URI:
        """Parse the URI of a server, which may have unix:PATH instead of host and port, as in nginx.

        Raises:
            ConfigError: The text is not such a URI.
        """
        scheme, unix, rest = text.partition("://unix:")
        if not unix or not rest.startswith("/"):
            return cls.parse(text, default_path)
        path, _, target = rest.partition(":")
        if "\0" in path or not path.strip("/"):
            raise ConfigError(f"{text!r} has no socket path: it must look like http://unix:/run/x.sock:/IPHTTPS")
        return replace(cls.parse(f"{scheme}://localhost{target}", default_path), socket=path)

    @classmethod
    def parse(
        cls,
        text: str,
        default_path: str = "",
        *,
        protocol: str = "IP-HTTPS",
        example: str = "https://vpn.example.org/IPHTTPS",
        query: bool = False,
    ) -> URI:
        """Parse a URI such as https://vpn.example.org/IPHTTPS.

        `protocol` and `example` are for error messages. With `query`, the URI may have a query, and `path` is the whole
        target of a request: path, slash at its end and query as given (RFC 3986 sections 3.3 and 3.4).

        Raises:
            ConfigError: The text is not an http or https URI, or has a user, a fragment, or a query without `query`.
        """
        like = f"it must look like {example}"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{text!r} is not a URI ({error}): {like}") from error
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ConfigError(f"{text!r} is not a URI for {protocol}: {like}")
        if parts.username is not None:  # not quoted: it may contain a password
            raise ConfigError(f"the URI for {parts.hostname} has a user before the host: {like}")
        if parts.fragment or (parts.query and not query):
            raise ConfigError(
                f"{text!r} has more than scheme, host, port{', path and query' if query else ' and path'}: {like}"
            )
        try:
            host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            target.encode("ascii")
        except UnicodeError as error:
            raise ConfigError(f"{text!r} has characters that are not allowed in a URI: {like}") from error
        if " " in target or not target.isprintable():
            raise ConfigError(f"{text!r} has characters that are not allowed in a URI: {like}")
        secure = parts.scheme == "https"
        port = port if port is not None else (443 if secure else 80)
        return cls(secure, host, port, target if query else target.rstrip("/"), default_path=default_path)

    @property
    def authority(self) -> str:
        """The value of the Host header: the host, and the port unless it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.socket:
            return f"{'https' if self.secure else 'http'}://unix:{self.socket}:{self.path or self.default_path}"
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path or self.default_path}"


def client_endpoint(
    reactor: object,
    uri: URI,
    tls: IOpenSSLClientConnectionCreator | None,
    proxy: ProxySettings | None = None,
    addresses: Addresses | None = None,
    resolved: Resolved = nobody,
) -> IStreamClientEndpoint:
    """Return the endpoint of a server, over IPv4 or IPv6, whichever connects first (1.5), or through a proxy.

    `addresses` tracks the addresses of the server's name; a proxy resolves the name itself. The proxy's own addresses
    are tried one after the other. `resolved` is told the addresses of the name that is connected to.
    """
    endpoint: IStreamClientEndpoint
    if proxy:
        address = proxy.proxy
        proxy_addresses = Addresses()
        endpoint = name_endpoint(reactor, address.host, address.port, CONNECT_TIMEOUT, proxy_addresses, resolved)
        endpoint = TLSEndpoint(proxy.tls, endpoint) if proxy.tls else endpoint
        endpoint = ProxyEndpoint(cast(IReactorTime, reactor), endpoint, proxy, uri.host, uri.port, proxy_addresses)
    else:
        endpoint = name_endpoint(reactor, uri.host, uri.port, CONNECT_TIMEOUT, addresses, resolved)
    return TLSEndpoint(tls, endpoint) if tls else endpoint


def listen(
    reactor: IReactorSocket,
    uri: URI,
    factory: IProtocolFactory,
    tls: IOpenSSLServerConnectionCreator | None,
    before: Callable[[IProtocolFactory], IProtocolFactory] | None = None,
) -> IListeningPort:
    """Listen on the URI's host and port, with TLS if `tls` is given (2.1).

    The host `*` means all IPv4 and IPv6 addresses (1.5). `before` wraps the factory outside TLS.

    Raises:
        ConfigError: The socket cannot be bound.
    """
    if tls:
        factory = ImmediateTLSFactory(tls, False, factory)
    if before:
        factory = before(factory)
    with bind(uri) as bound:  # the reactor takes a duplicate
        bound.setblocking(False)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT)
        port = reactor.adoptStreamPort(bound.fileno(), bound.family, cast(ServerFactory, factory))
    keep_reserve(port)
    return port


def bind(uri: URI) -> socket.socket:
    """Return a listening socket for the URI's host and port.

    Raises:
        ConfigError: The host is not an address of this host, or the port cannot be bound.
    """
    try:
        if uri.host != ANY:
            family = socket.AF_INET6 if ip_address(uri.host).version == 6 else socket.AF_INET
            return socket.create_server((uri.host, uri.port), family=family, backlog=BACKLOG)
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", uri.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
        return socket.create_server(("", uri.port), backlog=BACKLOG)
    except ValueError as error:
        raise ConfigError(f"--uri has the host {uri.host!r}: give an address of this host, or *") from error
    except OSError as error:
        where = f"cannot listen on port {uri.port} of {uri.host}"
        raise ConfigError(f"{where}: {_BIND_ERRORS.get(error.errno or 0, error.strerror)}") from error


_BIND_ERRORS = {
    errno.EADDRINUSE: "another program uses it; `ss -ltnp` names it",
    errno.EACCES: "this requires root or CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "this host has no such address",
}
