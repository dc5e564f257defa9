"""The options of SSTP on a server's port: the part of the server's table that concerns it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, NetmaskValueError
from pathlib import Path

from ...core.errors import ConfigError
from ...core.sstp.crypto_binding import HashProtocol
from ...core.sstp.ppp.lcp import Authentication
from ...core.sstp.ppp.pool import LONGEST_PREFIX
from .daemon_config import DaemonConfig
from .kinds import File, Many, Maybe, Parsed, Text, Word
from .option import option
from .prefixes import link_prefix

MOST_DNS = 2
"""IPCP has options for two DNS servers (RFC 1877)."""

_HASH = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")

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
