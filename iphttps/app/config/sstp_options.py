"""The options of SSTP on a server's port: the part of the server's table that concerns it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, NetmaskValueError, ip_address
from pathlib import Path

from ...core.errors import ConfigError
from ...core.ip.address import IPAddress
from ...core.sstp.crypto_binding import HashProtocol
from ...core.sstp.ppp.lcp import Authentication
from ...core.sstp.ppp.pool import LONGEST_PREFIX
from .addresses.prefixes import link_prefix
from .daemon_config import DaemonConfig
from .kinds import File, Many, Maybe, Parsed, Text, Whole, Word, quoted
from .option import option

MOST_DNS = 2
"""IPCP has options for two DNS servers (RFC 1877)."""

_HASH = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")

MOST_RADIUS = 5
"""With so many silent servers a login fails after 30 seconds, half of what [MS-SSTP] gives the negotiation."""

RADIUS_PORT, DISCONNECT_PORT = 1812, 3799
_RADIUS = re.compile(
    r"(?P<address>[0-9.]+)(?::(?P<port>[0-9]{1,5}))?"
    r"|\[(?P<bracketed>[0-9A-Fa-f:.]+)\](?::(?P<behind>[0-9]{1,5}))?"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)


@dataclass(frozen=True, slots=True)
class RadiusServer:
    """The address of a RADIUS server, and its port for logins."""

    address: IPAddress
    port: int


AUTHENTICATION: dict[str, Sequence[Authentication]] = {
    "mschapv2": (Authentication.MSCHAPV2,),
    "pap": (Authentication.PAP,),
    "mschapv2,pap": (Authentication.MSCHAPV2, Authentication.PAP),
}

BINDING: dict[str, Sequence[HashProtocol]] = {
    "any": (HashProtocol.SHA1, HashProtocol.SHA256),
    "sha256": (HashProtocol.SHA256,),
}


def _pool(name: str, text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except (AddressValueError, NetmaskValueError) as error:
        raise ConfigError(f"--{name} {text!r} is not an IPv4 network: it must look like 10.99.0.0/24") from error
    except ValueError as error:
        right = IPv4Network(text, strict=False)
        raise ConfigError(f"--{name} {text} has host bits set: is {right} meant?") from error
    if network.prefixlen > LONGEST_PREFIX:
        raise ConfigError(f"--{name} {network} has no room for clients: use /{LONGEST_PREFIX} or a shorter prefix")
    if network.is_multicast or network.is_loopback or network.is_link_local or network.is_unspecified:
        raise ConfigError(f"--{name} {network} must be unicast, and neither loopback nor link-local")
    return network


def _dns_server(name: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise ConfigError(f"--{name} {text!r} is not an IPv4 address, such as 10.0.0.53") from error


def _radius(name: str, text: str) -> RadiusServer:
    found = _RADIUS.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        address = ip_address(found["address"] or found["bracketed"] or found["bare"])
        server = RadiusServer(address, int(found["port"] or found["behind"] or RADIUS_PORT))
    except ValueError as error:
        raise ConfigError(
            f"--{name} {quoted(text)} is not the address of a RADIUS server, such as 192.0.2.10, 192.0.2.10:1645 or"
            " [2001:db8::10]:1812"
        ) from error
    if not 0 < server.port < 65535:
        raise ConfigError(f"--{name} takes a port from 1 to 65534, not {server.port}: accounting has the next one")
    return server


def check_users(values: SSTPOptions) -> None:
    """Check where the users of SSTP come from: from one place.

    Raises:
        ConfigError: From none, or from both, or an option for RADIUS is without its others.
    """
    if values.sstp_radius and values.sstp_users:
        raise ConfigError("--sstp-radius and --sstp-users exclude each other: users come from one place")
    if values.sstp_radius_secret and not values.sstp_radius:
        raise ConfigError("--sstp-radius-secret needs --sstp-radius: it is the secret shared with that server")
    if values.sstp_radius and not values.sstp_radius_secret:
        raise ConfigError("--sstp-radius-secret is missing: a file with the secret shared with the RADIUS servers")
    if values.sstp_radius and find_spec("pyrad") is None:
        raise ConfigError(
            "--sstp-radius needs a library that is not installed: `pip install 'iphttps[radius]'` adds it"
        )
    if (values.sstp_pool or values.sstp_prefix) and not values.sstp_users and not values.sstp_radius:
        raise ConfigError(
            "--sstp-users or --sstp-radius is missing: SSTP needs users, in a file that `iphttps users add NAME` makes,"
            " or from a RADIUS server"
        )


def _certificate_hash(name: str, text: str) -> bytes:
    digits = text.replace(":", "")
    if not _HASH.fullmatch(digits):
        raise ConfigError(f"--{name} takes a SHA-1 or SHA-256 hash in hexadecimal, of 40 or 64 digits")
    return bytes.fromhex(digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class SSTPOptions(DaemonConfig):
    """The part of a server's configuration that concerns SSTP."""

    sstp_pool: IPv4Network | None = option(
        Maybe(Parsed(_pool)),
        None,
        "serve SSTP, and assign its clients IPv4 addresses of this network, such as 10.99.0.0/24",
    )
    """The IPv4 addresses of SSTP's clients; the server takes the first."""
    sstp_prefix: IPv6Network | None = option(
        Maybe(Parsed(link_prefix)),
        None,
        "serve SSTP, and advertise this IPv6 prefix to its clients, a /64",
    )
    """The IPv6 prefix of SSTP's clients, a /64."""
    sstp_users: Path | None = option(
        Maybe(File()), None, "users file of SSTP, made by `iphttps users`; read again when it changes", reload=True
    )
    """The file with the users of SSTP."""
    sstp_radius: tuple[RadiusServer, ...] = option(
        Many(Parsed(_radius), MOST_RADIUS, "a login would take too long while none answers"),
        None,
        "RADIUS server that has the users of SSTP, by its address, with :PORT if that is not 1812; accounting has the"
        " next port; may be repeated: the others are asked while one does not answer",
    )
    """The RADIUS servers, in place of a users file."""
    sstp_radius_secret: Path | None = option(
        Maybe(File()), None, "file with the secret shared with the RADIUS servers, in one line"
    )
    """The file with the secret of the RADIUS servers."""
    sstp_radius_disconnect: int = option(
        Whole(0, 65535),
        str(DISCONNECT_PORT),
        "UDP port on which the RADIUS servers can have sessions disconnected (RFC 5176); 0 opens none",
    )
    """The UDP port for the requests of RADIUS servers; 0 means none."""
    sstp_interface: str = option(Text(), "sstp0", "name of the network interface for SSTP")
    """The name of SSTP's network interface."""
    sstp_dns_server: tuple[IPv4Address, ...] = option(
        Many(Parsed(_dns_server), MOST_DNS, "PPP has room for two"),
        None,
        "DNS server to assign to SSTP's clients, by its IPv4 address; may be repeated once",
        reload=True,
    )
    """The DNS servers that SSTP's clients are assigned."""
    sstp_authentication: Sequence[Authentication] = option(
        Word(AUTHENTICATION),
        "mschapv2",
        "how users authenticate: mschapv2, pap, or mschapv2,pap; with pap the crypto binding proves nothing",
        reload=True,
    )
    """The authentication protocols that PPP offers, best first."""
    sstp_binding: Sequence[HashProtocol] = option(
        Word(BINDING), "any", "hash functions of the crypto binding: any (SHA-1 or SHA-256) or sha256", reload=True
    )
    """The hash functions of the crypto binding that clients may use."""
    sstp_certificate_hash: tuple[bytes, ...] = option(
        Many(Parsed(_certificate_hash)),
        None,
        "SHA-1 or SHA-256 hash of the certificate that a TLS terminator shows to SSTP's clients; may be repeated",
        reload=True,
    )
    """The hashes of certificates shown in this server's place; without any, its own certificate counts."""

    @property
    def serves_sstp(self) -> bool:
        """Whether SSTP is served."""
        return bool(self.sstp_pool or self.sstp_prefix)
