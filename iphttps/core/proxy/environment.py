"""The web proxy for a server by the environment variables https_proxy, no_proxy and so on, with curl's semantics.

A lower-case variable takes precedence over the same one in upper case, and an empty one counts as unset. HTTP_PROXY is
never read: a web server passes the request header `Proxy:` to CGI programs under that name. If the variable for the
scheme is unset, all_proxy applies.

no_proxy lists the servers that are connected to directly, separated by commas or spaces:

    *                                all servers
    example.org  .example.org        this name and all its subdomains
    *.example.org                    the same
    192.0.2.1  2001:db8::1           a server given by this address; names are not resolved for this
    192.0.2.0/24  2001:db8::/32      the addresses of this network
    example.org:8443  [::1]:8443     the same for this port only

Any other entry matches nothing and is no error, because other programs read the same variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ..errors import ConfigError
from .url import Proxy

_SECURE = ("https_proxy", "HTTPS_PROXY")
_PLAIN = ("http_proxy",)
_ALL = ("all_proxy", "ALL_PROXY")
_EXCEPT = ("no_proxy", "NO_PROXY")

_WITH_PORT = re.compile(r"(?P<bracketed>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


def proxy_of(environment: Mapping[str, str], secure: bool, host: str, port: int) -> Proxy | None:
    """Return the proxy for a server, or None for a direct connection; `secure` selects https instead of http.

    Raises:
        ConfigError: The variable is not the URL of a proxy. The error names the variable and quotes no password.
    """
    name = _first(environment, *(_SECURE if secure else _PLAIN), *_ALL)
    if name is None:
        return None
    exceptions = _first(environment, *_EXCEPT)
    if exceptions and is_exempt(environment[exceptions], host, port):
        return None
    try:
        return Proxy.parse(environment[name].strip())
    except ConfigError as error:
        raise ConfigError(f"the environment variable {name} cannot be used: {error}") from error


def is_exempt(exceptions: str, host: str, port: int) -> bool:
    """Tell whether a server matches an entry of no_proxy; `exceptions` is its value."""
    host = host.rstrip(".").lower()
    address = _address(host)
    entries = exceptions.lower().replace(",", " ").split()
    return any(entry == "*" or _matches(entry, host, address, port) for entry in entries)


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((name for name in names if environment.get(name, "").strip()), None)


def _matches(entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int) -> bool:
    if (bare := _address(entry)) is None:
        if "/" in entry:
            return address is not None and _in_network(address, entry)
        # Only now: up to here a colon may belong to an IPv6 address.
        parts = _WITH_PORT.fullmatch(entry)
        if parts is None or (parts["port"] and int(parts["port"]) != port):
            return False
        entry = parts["bracketed"]
        bare = _address(entry.strip("[]"))
    if address is not None:
        return bare == address
    name = entry.removeprefix("*").removeprefix(".").rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _in_network(address: IPv4Address | IPv6Address, text: str) -> bool:
    try:
        # Host bits are allowed: 192.0.2.1/24 is the network of that host.
        network = ip_network(text, strict=False)
    except ValueError:
        return False
    return address in network
