"""The options of the server, and the values that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network
from pathlib import Path

from ...core.admission import HANDSHAKES, HANDSHAKES_PER_SOURCE
from ...core.errors import ConfigError
from ...core.ip.router_advertisement import INFINITE_LIFETIME, PREF64_LENGTHS, RouterAdvertisement, encode_domain
from ...core.iphttps.authentication import AuthenticationMode
from ...core.iphttps.router import MAXIMUM_INTERVAL, Advertise
from ...net.connect.endpoints import URI
from ...net.session import HANDSHAKE_DEADLINE
from ...net.tls.contexts import NullEncryption
from .options import Check, DaemonOptions, network

MOST_DNS_SERVERS = 8
"""More would not help anybody: resolvers use three."""

NUMBERS = {
    "max-clients": 1,
    "max-sessions-per-identity": 0,
    "max-sessions-per-source": 0,
    "max-addresses": 1,
    "max-handshakes": 1,
    "max-handshakes-per-source": 1,
    "handshake-timeout": 0.1,
}
"""Options that are numbers, and the least that each may be."""

TLS_FILES = {
    "certificate": "https:// needs the server's certificate",
    "private-key": "https:// needs the certificate's key",
}
"""Options without which there is no TLS, and why."""

AUTHORITY_FILES = {"client-ca": "ca.pem", "client-crl": "crl.pem"}
"""Options that stand for files of the authority where there is one."""


_LOOPBACK = IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")


class Options(DaemonOptions):
    """What the server is told."""

    command = "iphttps-server"
    repeatable = ("route", "dns-server", "search-domain", "trusted-proxy")
    synopsis = "[options]"
    optParameters = (  # the name is Twisted's
        ("uri", None, None, "URI to listen on, such as https://*:443/IPHTTPS; http:// behind a TLS terminator"),
        ("socket-group", None, None, "group allowed to connect to the UNIX socket in --uri; default: none"),
        ("authentication", None, "certificates", "client authentication: certificates, or none (anyone can connect)"),
        ("certificate", None, None, "PEM file: the server's certificate, followed by the intermediate certificates"),
        ("private-key", None, None, "PEM file: private key of the certificate"),
        ("client-ca", None, None, "PEM file: authorities that issue client certificates"),
        ("client-crl", None, None, "PEM file: revocation lists of these authorities; reloaded on change"),
        (
            "authority",
            None,
            None,
            "directory of an `iphttps ca` authority, used as --client-ca; the server renews its list",
        ),
        ("publish", None, None, "publish the authority's revocation list at this address, such as http://*:80"),
        ("null-encryption", None, "off", "cipher suites without encryption, for Windows: off, accept or prefer"),
        ("identity-addresses", None, None, "TOML file: fixed addresses per certificate name"),
        ("interface", None, "iphttps0", "name of the network interface to create"),
        ("prefix", None, None, "IPv6 prefix of the link, a /64"),
        ("max-clients", None, "1000", "maximum number of clients"),
        ("max-sessions-per-identity", None, "4", "maximum sessions per client identity; 0: unlimited"),
        (
            "max-sessions-per-source",
            None,
            "64",
            "maximum sessions without a certificate per IPv4 address or IPv6 /64; 0: unlimited",
        ),
        ("max-handshakes", None, str(HANDSHAKES), "maximum connections in handshake"),
        (
            "max-handshakes-per-source",
            None,
            str(HANDSHAKES_PER_SOURCE),
            "maximum connections in handshake per IPv4 address or IPv6 /64",
        ),
        ("handshake-timeout", None, f"{HANDSHAKE_DEADLINE:g}", "seconds until a session must be established"),
        ("max-addresses", None, "32", "maximum addresses per client"),
        (
            "isolate",
            None,
            "auto",
            "block traffic between clients: yes, no, or auto (only with --authentication none)",
        ),
        (
            "advertise",
            None,
            "builtin",
            "sender of Router Advertisements: builtin, host (such as radvd) or off",
        ),
        ("valid-lifetime", None, "2592000", "valid lifetime of the prefix, in seconds (RFC 4861 section 4.6.2)"),
        ("preferred-lifetime", None, "604800", "preferred lifetime of the prefix, in seconds"),
        ("nat64", None, None, "NAT64 prefix to advertise (RFC 8781), such as 64:ff9b::/96"),
        ("config", None, None, "TOML file with these options; the command line takes precedence"),
    )
    optFlags = (
        ("default-router", None, "advertise the server as default router"),
        ("proxy-protocol", None, "require a PROXY header (version 1 or 2) from every --trusted-proxy"),
        ("allow-older-crl", None, "accept a revocation list that is older than the one in force"),
        ("strict", None, "forward Router Advertisements and Redirects from clients, as [MS-IPHTTPS] requires"),
    )

    def opt_route(self, prefix: str) -> None:
        """Advertise a route to this prefix, such as 2001:db8:1::/48; repeatable."""
        self["route"] = [*self["route"], prefix]

    def opt_dns_server(self, address: str) -> None:
        """Advertise this DNS server, an IPv6 address; repeatable."""
        self["dns-server"] = [*self["dns-server"], address]

    def opt_search_domain(self, name: str) -> None:
        """Advertise this DNS search domain; repeatable."""
        self["search-domain"] = [*self["search-domain"], name]

    def opt_trusted_proxy(self, network: str) -> None:
        """Trust the client addresses reported by this proxy, an address or prefix; repeatable."""
        self["trusted-proxy"] = [*self["trusted-proxy"], network]

    def checks(self) -> Iterable[Check]:
        """Return what has to be right before anything is touched."""
        return (
            ("uri", lambda: self.uri),
            ("prefix", lambda: self.prefix),
            *super().checks(),
            ("authentication", lambda: self.mode),
            ("isolate", lambda: self.isolate),
            ("advertise", lambda: self.advertise),
            *(("route", partial(network, "route", text)) for text in self["route"]),
            ("valid-lifetime", self._lifetimes),
            *(("dns-server", partial(_address, text)) for text in self["dns-server"]),
            ("dns-server", self._dns_servers),
            *(("search-domain", partial(_domain, text)) for text in self["search-domain"]),
            ("nat64", self._nat64),
            *((name, partial(self.number, name, lowest)) for name, lowest in NUMBERS.items()),
            ("null-encryption", lambda: self.null_encryption),
            *(("trusted-proxy", partial(_any_network, "trusted-proxy", text)) for text in self["trusted-proxy"]),
            ("proxy-protocol", self._check_fronts),
            ("uri", self._check_identities),
            *((name, partial(self._check_tls, name, purpose)) for name, purpose in TLS_FILES.items()),
            ("client-ca", self._check_authorities),
            ("client-crl", self._check_lists),
            ("publish", lambda: self.publish),
        )

    def _check_fronts(self) -> None:
        if self["socket-group"] and not self.uri.socket:
            raise ConfigError("--socket-group needs a UNIX socket in --uri, such as http://unix:/run/x.sock:/IPHTTPS")
        if self.uri.socket and self["trusted-proxy"]:
            raise ConfigError("--trusted-proxy is for TCP: whoever may open the socket in --uri is trusted as a front")
        if self["proxy-protocol"] and not self["trusted-proxy"] and not self.uri.socket:
            raise ConfigError("--proxy-protocol needs --trusted-proxy: nobody else's PROXY header is believed")

    def _check_identities(self) -> None:
        if not self.uri.secure and self.mode is AuthenticationMode.CERTIFICATES and not self["proxy-protocol"]:
            raise ConfigError(
                "--authentication certificates with an http:// URI needs --trusted-proxy and --proxy-protocol: without "
                "TLS, who a client is can only come from what has ended the TLS; or else give --authentication none"
            )

    def _check_tls(self, name: str, purpose: str) -> None:
        if self.uri.secure:
            self.required(name, purpose)

    def _check_authorities(self) -> None:
        if self.uri.secure and self.mode is AuthenticationMode.CERTIFICATES and not self.path("client-ca"):
            self.required("client-ca", "mode certificates needs the authority that issues them")

    def _check_lists(self) -> None:
        if self["client-crl"] and not (self.uri.secure and self.path("client-ca")):
            raise ConfigError("--client-crl needs https:// and --client-ca: without them no certificate is looked up")
        if self["allow-older-crl"] and not self.path("client-crl"):
            raise ConfigError("--allow-older-crl needs --client-crl: it is about the lists there")

    @property
    def uri(self) -> URI:
        """Where the server listens (3.2.1)."""
        return URI.listening(self.required("uri", "say where to listen, such as https://*:443/IPHTTPS"))

    def path(self, name: str) -> Path | None:
        """Return a path; the authority's files stand for what is not given besides it."""
        if not self[name] and name in AUTHORITY_FILES and self["authority"] and self.uri.secure:
            return self.beneath(Path(self["authority"])) / AUTHORITY_FILES[name]
        return super().path(name)

    @property
    def publish(self) -> URI | None:
        """Where the authority's revocation list is published, or None."""
        if not self["publish"]:
            return None
        like = f"--publish {self['publish']!r} must look like http://*:80, or have an address of this host instead of *"
        try:
            found = URI.parse(self["publish"])
        except ConfigError as error:
            raise ConfigError(like) from error
        if found.secure or found.path:
            raise ConfigError(like)
        if not self["authority"]:
            raise ConfigError("--publish needs --authority, whose revocation list it publishes")
        return found

    @property
    def client_limits(self) -> tuple[int, int]:
        """How many clients there may be, and sessions of one identity."""
        return int(self.number("max-clients", 1)), int(self.number("max-sessions-per-identity", 0))

    @property
    def sessions_per_source(self) -> int:
        """How many sessions without a certificate one source may have."""
        return int(self.number("max-sessions-per-source", 0))

    @property
    def handshake_limits(self) -> tuple[int, int]:
        """How many connections may be on their way to a session, and how many from one source."""
        return int(self.number("max-handshakes", 1)), int(self.number("max-handshakes-per-source", 1))

    @property
    def trusted_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where connections come from that bring others' clients."""
        return tuple(_any_network("trusted-proxy", text) for text in self["trusted-proxy"])

    def on_loopback(self) -> str | None:
        """Say in a sentence what is wrong with fronts that connect by TCP over the loopback, None without such."""
        if not any(network.overlaps(loopback) for network in self.trusted_proxies for loopback in _LOOPBACK
                   if network.version == loopback.version):  # fmt: skip
            return None
        return (
            "--trusted-proxy has loopback addresses, from which every local user can connect and say that he is any "
            "client: have the front use a UNIX socket, such as --uri http://unix:/run/iphttps/front.sock:/IPHTTPS"
        )

    @property
    def prefix(self) -> IPv6Network:
        """The link's prefix."""
        text = self.required("prefix", "give the link's IPv6 prefix, such as --prefix 2001:db8:2::/64")
        prefix = network("prefix", text)
        if prefix.prefixlen != 64:
            raise ConfigError(f"--prefix {prefix} must be a /64: clients form 64-bit interface identifiers")
        first = prefix.network_address
        if first.is_multicast or first.is_link_local or first.is_loopback or first.is_unspecified:
            raise ConfigError(f"--prefix {prefix} must be global or unique local unicast")
        return prefix

    @property
    def routes(self) -> tuple[IPv6Network, ...]:
        """The prefixes behind the server."""
        return tuple(network("route", text) for text in self["route"])

    @property
    def mode(self) -> AuthenticationMode:
        """The Authentication Mode (3.2.1)."""
        try:
            return AuthenticationMode(self["authentication"])
        except ValueError as error:
            raise ConfigError(f"--authentication is certificates or none, not {self['authentication']!r}") from error

    @property
    def null_encryption(self) -> NullEncryption:
        """Whether suites without encryption are agreed to."""
        try:
            return NullEncryption(self["null-encryption"])
        except ValueError as error:
            raise ConfigError(f"--null-encryption is off, accept or prefer, not {self['null-encryption']!r}") from error

    @property
    def own_address(self) -> IPv6Interface:
        """The server's address in the prefix: the first one."""
        return IPv6Interface((self.prefix.network_address + 1, self.prefix.prefixlen))

    @property
    def isolate(self) -> bool | None:
        """Whether clients are kept from each other; None where the authentication mode decides."""
        return {"yes": True, "no": False, "auto": None}[self.one_of("isolate", ("yes", "no", "auto"))]

    @property
    def advertise(self) -> Advertise:
        """Who sends Router Advertisements."""
        try:
            return Advertise(self["advertise"])
        except ValueError as error:
            raise ConfigError(f"--advertise is builtin, host or off, not {self['advertise']!r}") from error

    @property
    def advertisement(self) -> RouterAdvertisement:
        """The Router Advertisement in the Authentication Mode that is configured."""
        valid, preferred = self._lifetimes()
        return RouterAdvertisement(
            self.prefix,
            router_lifetime=int(3 * MAXIMUM_INTERVAL) if self["default-router"] else 0,
            routes=self.routes,
            valid_lifetime=valid,
            preferred_lifetime=preferred,
            dns_servers=self._dns_servers(),
            search_domains=tuple(_domain(text) for text in self["search-domain"]),
            nat64=self._nat64(),
        ).in_mode(self.mode)

    def _lifetimes(self) -> tuple[int, int]:
        valid, preferred = (int(self.number(name, 0)) for name in ("valid-lifetime", "preferred-lifetime"))
        if not preferred <= valid <= INFINITE_LIFETIME:
            raise ConfigError(f"--preferred-lifetime {preferred} must not exceed --valid-lifetime {valid}")
        return valid, preferred

    def _dns_servers(self) -> tuple[IPv6Address, ...]:
        if len(self["dns-server"]) > MOST_DNS_SERVERS:
            raise ConfigError(f"--dns-server is given more than {MOST_DNS_SERVERS} times: clients use three at most")
        return tuple(_address(text) for text in self["dns-server"])

    def _nat64(self) -> IPv6Network | None:
        if not self["nat64"]:
            return None
        prefix = network("nat64", self["nat64"])
        if prefix.prefixlen not in PREF64_LENGTHS:
            lengths = ", ".join(f"/{length}" for length in sorted(PREF64_LENGTHS))
            raise ConfigError(f"--nat64 {prefix} must have one of the lengths {lengths}")
        return prefix


def _any_network(option: str, text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        like = "such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64"
        raise ConfigError(f"--{option} {text!r} is not an address or a prefix without further bits, {like}") from error


def _address(text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except AddressValueError as error:
        raise ConfigError(f"--dns-server {text!r} is not an IPv6 address, such as 2001:db8:1::53") from error


def _domain(text: str) -> str:
    try:
        encode_domain(text)
    except ValueError as error:  # UnicodeError is one
        raise ConfigError(f"--search-domain {text!r} is not a domain name, such as example.org") from error
    return text
