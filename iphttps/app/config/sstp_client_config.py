"""The table of options of the SSTP client, and their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from ...core.errors import ConfigError
from ...core.sstp.crypto_binding import HashProtocol
from ...core.sstp.request import PATH, is_path
from ...net.connect.endpoints import URI
from .addresses.prefixes import any_network
from .clients.tunnel_config import TunnelConfig, server_uri
from .daemon_config import words
from .kinds import File, Flag, Many, Maybe, Parsed, Text, Whole, Word
from .option import option

EXAMPLE = "https://vpn.example.org"

SMALLEST_MTU, LARGEST_MTU = 1280, 4091
"""The minimum MTU of an IPv6 link (RFC 8200 section 5), and the longest packet that fits into an SSTP data packet."""

DEFAULT_MTU = 1400
"""The longest packet that fits into a 1500-byte packet with the headers of TCP, TLS, SSTP and PPP."""

BINDING: dict[str, Sequence[HashProtocol]] = {
    "sha1,sha256": (HashProtocol.SHA256, HashProtocol.SHA1),
    "sha256": (HashProtocol.SHA256,),
}


def parse_server(text: str) -> URI:
    """Return the URI of an SSTP server: https://, sstp:// for the same, or http://.

    An empty path means that of SSTP. The query is kept, such as tenantid=7 for a front ([MS-SSTP] 3.2.4.1).

    Raises:
        ConfigError: The text is not such a URI.
    """
    scheme, separator, rest = text.partition("://")
    uri = URI.parse(
        f"https://{rest}" if separator and scheme.lower() == "sstp" else text,
        "/",
        protocol="SSTP",
        example=EXAMPLE,
        query=True,
    )
    path, mark, query = uri.path.partition("?")
    if path not in ("", "/") and not is_path(path) and not is_path(f"{path}/"):
        return uri
    return replace(uri, path=f"{PATH}?{query}" if mark else "")


def _route(name: str, text: str) -> IPv4Network | IPv6Network:
    network = any_network(name, text)
    if network.prefixlen == 0:
        raise ConfigError(
            f"--{name} {text} is a default route: use --default-route yes, which keeps the path to the server outside"
        )
    return network


@dataclass(frozen=True, slots=True, kw_only=True)
class SSTPClientConfig(TunnelConfig):
    """The configuration of an SSTP client."""

    uri: tuple[URI, ...] = option(
        Many(Parsed(partial(server_uri, parse=parse_server))),
        None,
        f"server to connect to, such as {EXAMPLE}; may be repeated",
        missing=f"name the server, such as {EXAMPLE}",
    )
    """The servers, at least one; an empty path means that of SSTP ([MS-SSTP] 3.2.4.1)."""
    user: str = option(
        Text(),
        None,
        "user to log in as, such as alice or EXAMPLE\\alice",
        missing="name the user, such as alice or EXAMPLE\\alice",
    )
    """The user that the client logs in as, with a Windows domain or a realm if the server needs one."""
    password_file: Path | None = option(
        Maybe(File()), None, "file, mode 0600, that holds the user's password in one line; read at each attempt"
    )
    """The file with the user's password; None for the environment."""
    allow_pap: bool = option(
        Flag(),
        None,
        "send the password itself to a server that offers only PAP, with which the crypto binding proves nothing",
    )
    """True if the client authenticates by PAP if the server offers nothing else."""
    binding: Sequence[HashProtocol] = option(
        Word(BINDING),
        "sha1,sha256",
        "hash functions of the crypto binding: sha1,sha256 (SHA-1 if the server has no other) or sha256",
    )
    """The hash functions that the crypto binding may use, best first ([MS-SSTP] 3.2.5.2)."""
    interface: str = option(Text(), "sstp0", "name of the network interface to create")
    """The name of the network interface."""
    device: str = option(words("tun"), "tun", "type of the interface: tun, as PPP carries no Ethernet")
    """The kind of the interface: tun."""
    mtu: int = option(
        Whole(SMALLEST_MTU, LARGEST_MTU),
        str(DEFAULT_MTU),
        "maximum MTU of the interface, in bytes; the server can lower it",
    )
    """The maximum length of a packet in the tunnel, in bytes; the server's MRU can lower it (RFC 1661 section 6.1)."""
    route: tuple[IPv4Network | IPv6Network, ...] = option(
        Many(Parsed(_route)),
        None,
        "prefix to reach through the tunnel, such as 10.0.0.0/8 or 2001:db8:1::/48; may be repeated",
    )
    """The prefixes that are routed through the tunnel."""
    default_route: bool = option(
        Word({"yes": True, "no": False}),
        "no",
        "route everything through the tunnel, except the connection to the server: yes or no",
    )
    """True if the tunnel is the default route of both families."""
