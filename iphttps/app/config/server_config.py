"""The server's table of options, and their values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import ClassVar

from ...core.admission import HANDSHAKES, HANDSHAKES_PER_SOURCE
from ...core.errors import ConfigError
from ...core.ip import ipv6
from ...core.ip.router import MAXIMUM_INTERVAL, Advertise
from ...core.ip.router_advertisement import INFINITE_LIFETIME, PREF64_LENGTHS, RouterAdvertisement, encode_domain
from ...core.iphttps.authentication import AuthenticationMode
from ...core.iphttps.request import DEFAULT_PATH
from ...core.queues.rate import MaxRate
from ...net.connect.endpoints import URI
from ...net.connection import HANDSHAKE_DEADLINE
from ...net.tls.contexts import NullEncryption
from .addresses.prefixes import any_network, link_prefix
from .daemon_config import DAY, MOST
from .kinds import File, Flag, Locate, Many, Maybe, Number, Parsed, Place, Raw, Text, Whole, Word, Words, ipv6_prefix
from .option import option
from .rates import Rate
from .sstp_options import SSTPOptions

MOST_DNS_SERVERS = 8
"""Maximum number of DNS servers; resolvers use only three."""

LINK_LOCAL = IPv6Interface("fe80::1/64")
"""The server's link-local address."""

_LOOPBACK = IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")


def _nat64(name: str, text: str) -> IPv6Network:
    prefix = ipv6_prefix(name, text)
    if prefix.prefixlen not in PREF64_LENGTHS:
        lengths = ", ".join(f"/{length}" for length in sorted(PREF64_LENGTHS))
        raise ConfigError(f"--{name} {prefix} must have one of the lengths {lengths}")
    return prefix


def _address(name: str, text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except AddressValueError as error:
        raise ConfigError(f"--{name} {text!r} is not an IPv6 address, such as 2001:db8:1::53") from error


def _domain(name: str, text: str) -> str:
    try:
        encode_domain(text)
    except ValueError as error:  # includes UnicodeError
        raise ConfigError(f"--{name} {text!r} is not a domain name, such as example.org") from error
    return text


class _Listening(Words):
    """The URI on which the server listens; a UNIX socket is given by path."""

    def parse(self, name: str, raw: Raw, locate: Locate) -> URI:
        """Return the URI."""
        uri = URI.listening(str(raw), DEFAULT_PATH)
        return replace(uri, socket=str(locate(uri.socket))) if uri.socket else uri


def _publish(name: str, text: str) -> URI:
    like = f"--{name} {text!r} must look like http://*:80, or have an address of this host instead of *"
    try:
        found = URI.parse(text)
    except ConfigError as error:
        raise ConfigError(like) from error
    if found.secure or found.path:
        raise ConfigError(like)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig(SSTPOptions):
    """The configuration of a server."""

    reloads: ClassVar[bool] = True

    uri: URI = option(
        _Listening(),
        None,
        "where to listen, such as https://*:443/IPHTTPS; http:// behind a TLS terminator",
        missing="say where to listen, such as https://*:443/IPHTTPS",
    )
    """The URI on which the server listens (3.2.1)."""
    socket_group: str | None = option(
        Maybe(Text()), None, "group that may connect to a UNIX socket in --uri; by default only the daemon's user may"
    )
    """The group allowed to connect to a UNIX socket; None allows only the daemon's user."""
    authentication: AuthenticationMode = option(
        Word({mode.value: mode for mode in AuthenticationMode}),
        "certificates",
        "certificates: clients must present one; none: anybody may connect",
        reload=True,
    )
    """The Authentication Mode (3.2.1)."""
    certificate: Path | None = option(
        Maybe(File()),
        None,
        "PEM file: the server's certificate, followed by its intermediate certificates",
        reload=True,
    )
    """The server's certificate chain; required for https://."""
    private_key: Path | None = option(Maybe(File()), None, "PEM file: the private key of the certificate", reload=True)
    """The private key of the certificate; required for https://."""
    client_ca: Path | None = option(
        Maybe(File()), None, "PEM file: the certificate authorities that issue client certificates", reload=True
    )
    """The authorities that issue client certificates; by default that of `authority`."""
    client_crl: Path | None = option(
        Maybe(File()), None, "PEM file: the authorities' revocation lists; read again when it changes", reload=True
    )
    """The revocation lists of those authorities; by default that of `authority`."""
    authority: Path | None = option(
        Maybe(Place()),
        None,
        "directory made by `iphttps ca`: the server renews its revocation list and uses it as --client-ca",
    )
    """The directory of the authority whose revocation list the server renews."""
    publish: URI | None = option(
        Maybe(Parsed(_publish)),
        None,
        "address and port on which to serve the revocation list of --authority over plain HTTP, such as http://*:80",
    )
    """The URI at which the authority's revocation list is published."""
    null_encryption: NullEncryption = option(
        Word({choice.value: choice for choice in NullEncryption}),
        "off",
        "cipher suites without encryption, for Windows: off, accept or prefer",
        reload=True,
    )
    """The policy for cipher suites without encryption: reject, accept or prefer them."""
    identity_addresses: Path | None = option(
        Maybe(File()), None, "TOML file: fixed addresses and maximum rates for the names in certificates", reload=True
    )
    """The file that assigns fixed addresses and maximum rates to identities."""
    prefix: IPv6Network | None = option(
        Maybe(Parsed(link_prefix)),
        None,
        "IPv6 prefix of the link, a /64, from which clients form their addresses; without it only SSTP is served",
    )
    """The link's prefix, a /64; None if IP-HTTPS is not served."""
    route: tuple[IPv6Network, ...] = option(
        Many(Parsed(ipv6_prefix)),
        None,
        "prefix behind the server to announce a route to, such as 2001:db8:1::/48; may be repeated",
        reload=True,
    )
    """The prefixes behind the server."""
    dns_server: tuple[IPv6Address, ...] = option(
        Many(Parsed(_address), MOST_DNS_SERVERS, "clients use three at most"),
        None,
        "DNS server to announce to clients, by its IPv6 address; may be repeated",
        reload=True,
    )
    """The DNS servers announced to clients."""
    search_domain: tuple[str, ...] = option(
        Many(Parsed(_domain)),
        None,
        "DNS search domain to announce to clients; may be repeated",
        reload=True,
    )
    """The DNS search domains announced to clients."""
    nat64: IPv6Network | None = option(
        Maybe(Parsed(_nat64)), None, "NAT64 prefix through which clients reach IPv4, such as 64:ff9b::/96", reload=True
    )
    """The NAT64 prefix announced to clients (RFC 8781)."""
    max_clients: int = option(
        Whole(1, MOST), "1000", "maximum number of connected clients, of IP-HTTPS and SSTP together", reload=True
    )
    """The maximum number of connected clients of all protocols; a client of SSTP counts from its login."""
    max_sessions_per_identity: int = option(
        Whole(0, MOST), "4", "maximum number of sessions of one identity; 0: no limit", reload=True
    )
    """The maximum number of sessions of one identity; 0 is no limit."""
    max_sessions_per_source: int = option(
        Whole(0, MOST),
        "64",
        "maximum number of sessions without a certificate from one IPv4 address or IPv6 /64; 0: no limit",
        reload=True,
    )
    """The maximum number of sessions without a certificate from one source; 0 is no limit."""
    max_rate: MaxRate = option(
        Rate(),
        "0",
        "maximum rate of one identity in each direction, in bit/s, such as 20M or 1.5G; 0: no limit",
        reload=True,
    )
    """The maximum rate of an identity that has none of its own."""
    max_handshakes: int = option(
        Whole(1, MOST),
        str(HANDSHAKES),
        "maximum number of connections in handshake",
        reload=True,
    )
    """The maximum number of connections in handshake."""
    max_handshakes_per_source: int = option(
        Whole(1, MOST),
        str(HANDSHAKES_PER_SOURCE),
        "maximum number of connections in handshake from one IPv4 address or IPv6 /64",
        reload=True,
    )
    """The maximum number of connections in handshake from one source."""
    handshake_timeout: float = option(
        Number(0.1, DAY),
        f"{HANDSHAKE_DEADLINE:g}",
        "seconds within which a connection must become a session",
        reload=True,
    )
    """Seconds within which a connection must become a session."""
    max_addresses: int = option(Whole(1, MOST), "32", "maximum number of addresses of one client", reload=True)
    """The maximum number of addresses of one client."""
    isolate: bool | None = option(
        Word({"yes": True, "no": False, "auto": None}),
        "auto",
        "isolate clients from each other: yes, no, or auto: only with --authentication none",
        reload=True,
    )
    """True if clients are isolated from each other; None means in mode None only."""
    advertise: Advertise = option(
        Word({choice.value: choice for choice in Advertise}),
        "builtin",
        "sender of Router Advertisements: builtin (this daemon), host (a program such as radvd), or off (none)",
    )
    """The sender of Router Advertisements."""
    valid_lifetime: int = option(
        Whole(0, INFINITE_LIFETIME),
        "2592000",
        "valid lifetime of the advertised prefix, in seconds",
        reload=True,
    )
    """Seconds for which a client's address is valid (RFC 4861 section 4.6.2)."""
    preferred_lifetime: int = option(
        Whole(0, INFINITE_LIFETIME),
        "604800",
        "preferred lifetime of the advertised prefix, in seconds",
        reload=True,
    )
    """Seconds for which a client's address may open new connections, at most `valid_lifetime`."""
    trusted_proxy: tuple[IPv4Network | IPv6Network, ...] = option(
        Many(Parsed(any_network)),
        None,
        "address or prefix of a reverse proxy whose PROXY header or forwarding headers are trusted for the client's "
        "address; may be repeated",
    )
    """The addresses of proxies trusted to report the addresses and identities of their clients."""
    default_router: bool = option(
        Flag(), None, "be the clients' default router, not only the router for --route", reload=True
    )
    """True if the server is the clients' default router."""
    proxy_protocol: bool = option(Flag(), None, "require a PROXY header, version 1 or 2, from every --trusted-proxy")
    """True if every trusted proxy must send a PROXY header."""
    allow_older_crl: bool = option(
        Flag(),
        None,
        "accept a revocation list that is older than the one in force; only while rolling back",
        reload=True,
    )
    """True if an older revocation list may replace the one in force."""
    strict: bool = option(
        Flag(),
        None,
        "INSECURE: forward clients' Router Advertisements and Redirects, as [MS-IPHTTPS] literally requires",
    )
    """True if clients' Router Advertisements and Redirects are forwarded (3.2.5.2.2)."""

    @property
    def serves_iphttps(self) -> bool:
        """True if IP-HTTPS is served."""
        return self.prefix is not None

    @property
    def own_address(self) -> IPv6Interface:
        """The server's address: the first one in the prefix, which must be set."""
        assert self.prefix is not None
        return IPv6Interface((self.prefix.network_address + 1, self.prefix.prefixlen))

    @property
    def credentials(self) -> tuple[Path, Path] | None:
        """The paths of the certificate and its private key; None without TLS."""
        if not self.uri.secure or not self.certificate or not self.private_key:
            return None
        return self.certificate, self.private_key

    @property
    def advertisement(self) -> RouterAdvertisement:
        """The Router Advertisement for the configured Authentication Mode."""
        return self.advertisement_of(self.own_address.network, on_link=self.authentication.on_link)

    def advertisement_of(
        self, prefix: IPv6Network, *, on_link: bool, mtu: int = ipv6.MINIMUM_MTU
    ) -> RouterAdvertisement:
        """Return the Router Advertisement for the prefix and MTU of a service's link."""
        return RouterAdvertisement(
            prefix,
            mtu=mtu,
            router_lifetime=int(3 * MAXIMUM_INTERVAL) if self.default_router else 0,
            routes=self.route,
            valid_lifetime=self.valid_lifetime,
            preferred_lifetime=self.preferred_lifetime,
            dns_servers=self.dns_server,
            search_domains=self.search_domain,
            nat64=self.nat64,
        ).with_prefix(on_link=on_link)

    @property
    def on_loopback(self) -> str | None:
        """A warning if trusted proxies connect by TCP over loopback, or None."""
        if not any(network.overlaps(loopback) for network in self.trusted_proxy for loopback in _LOOPBACK
                   if network.version == loopback.version):  # fmt: skip
            return None
        return (
            "--trusted-proxy has loopback addresses, from which every local user can connect and claim to be any "
            "client: connect the proxy by a UNIX socket, such as --uri http://unix:/run/iphttps/front.sock:/IPHTTPS"
        )
