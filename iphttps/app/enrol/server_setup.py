"""Server setup: authority, certificate, configuration.

Each step checks whether it is already done, and the configuration, which refers to the rest, is written last. An
interrupted setup can thus be repeated, and a complete one is left as it is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from secrets import randbelow, randbits

from ...core.errors import ConfigError
from ...core.iphttps.request import DEFAULT_PATH
from ...net.connect.endpoints import ANY, URI, bind
from ...pki import atomic_files
from ...pki.authority import issuing
from ...pki.authority import names as certificate_names
from ...pki.authority.issuing import KeyKind, Kind
from ...pki.authority.names import LONGEST_COMMON_NAME, SERVERS_DOCUMENT, crl_uri
from ...pki.authority.store import CERTIFICATE, Authority
from ...pki.certificate_files import Pair
from ...pki.certificates import Credentials, alternative_names
from ..config.addresses.prefixes import link_prefix
from ..config.config_templates import Value, configuration
from ..config.kinds import ipv6_prefix
from ..config.server_config import ServerConfig
from ..config.server_options import Options
from ..daemon.servers_list import copy_servers_list
from ..instances.interfaces import free_interface, value_of
from ..instances.owners import give, make_public_directory
from ..instances.paths import Places

HTTP, HTTPS = 80, 443


def unique_local_prefix() -> IPv6Network:
    """Return a random unique local /48: fd, then 40 random bits (RFC 4193 section 3.2)."""
    return IPv6Network(((0xFD << 120) | (randbits(40) << 80), 48))


def private_pool() -> IPv4Network:
    """Return a random /24 of 10.0.0.0/8, without the ends of it, which other networks use most."""
    return IPv4Network((f"10.{16 + randbelow(224)}.{1 + randbelow(254)}.0", 24))


def _name(host: str, what: str) -> str:
    return f"{host} {what}"[-LONGEST_COMMON_NAME:].lstrip(".-")


@dataclass(frozen=True, slots=True)
class ServerSetup:
    """The setup of a server. `prefix` and `port` are None if the operator gives none."""

    places: Places
    instance: str
    hosts: Sequence[str]
    prefix: str | None = None
    routes: Sequence[str] = ()
    port: int | None = None
    key: KeyKind = KeyKind.RSA
    sstp: bool = False
    _there: Places = field(default=Places(), init=False, repr=False)
    """The paths as seen on the target machine, where the root is /."""

    def perform(self) -> Iterator[str]:
        """Perform the steps not done yet, and yield a sentence for each; raises ConfigError."""
        hosts = certificate_names.checked_hosts(self.hosts)
        prefix = link_prefix("prefix", self.prefix) if self.prefix else None
        routes = tuple(ipv6_prefix("route", text) for text in self.routes)
        pair = Pair(self.places.server_certificate(self.instance), self.places.server_key(self.instance))
        config = self.places.server_config(self.instance)
        if config.exists():
            self._compare(config, prefix, routes)
        make_public_directory(config.parent)
        with atomic_files.locked(config.parent):
            if pair.certificate.exists():
                self._check_names(pair, hosts)  # before the authority allows a name without a certificate
            authority = yield from self._authorities(hosts)
            if not pair.certificate.exists():
                issued = pair.complete(self.key, lambda key: authority.find_or_sign_server(hosts, key))
                yield f"issued a certificate for {', '.join(hosts)}, valid until {issued.not_after:%Y-%m-%d}: " + str(
                    pair.certificate
                )
            copy_servers_list(self.places)
            give(self.places, pair.key)
            self._check_names(pair, hosts)
            if not config.exists():
                site = unique_local_prefix()
                if prefix is None:
                    prefix, routes = next(site.subnets(new_prefix=64)), routes or (site,)
                values = self._values(prefix, routes)
                if self.sstp:
                    self._make_users()
                    values |= self._sstp_values(site)
                text = configuration("server", str(self._there.server_config(self.instance)), values)
                atomic_files.create(config, text.encode("utf-8"))
                reached = ", ".join(map(str, routes)) or "only the link itself"
                yield f"wrote {config}: clients get addresses in {prefix} and reach {reached}"
                if self.sstp:
                    yield f"clients of SSTP get addresses in {values['sstp-pool']} and {values['sstp-prefix']}"
                if not value_of(config, "publish"):
                    yield f"port {HTTP} is in use: Windows 7 fetches {crl_uri(hosts[0])} there, see docs/windows.md"

    @property
    def config(self) -> ServerConfig:
        """The current configuration; raises ConfigError."""
        options = Options()
        options.root = self.places.root
        options.parse(["--config", str(self.places.server_config(self.instance))])
        return options.config

    def _authorities(self, hosts: Sequence[str]) -> Generator[str, None, Authority]:
        """Open or create the authorities for clients and for servers; return the one for servers.

        Clients trust only the latter, which is limited to the hosts by name constraints; the server cannot read its
        key. An existing authority for both is kept.
        """
        directory, of_servers = self.places.authority, self.places.server_authority
        make_public_directory(directory.parent.parent)
        atomic_files.make_directory(directory.parent)
        give(self.places, directory.parent)
        if (directory / CERTIFICATE).exists():
            authority = Authority.open(directory)
            authority.repair_list()
            if issuing.issues(authority.issuer, Kind.SERVER):
                return authority
        else:
            # Servers first: an interrupted setup must not look like one authority for both.
            yield from self._server_authority(of_servers, hosts)
            atomic_files.make_directory(directory)
            give(self.places, directory)
            Authority.create(
                directory, _name(hosts[0], "CA"), key=self.key, crl_uris=[crl_uri(hosts[0])], kind=Kind.CLIENT
            )
            yield f"created a client CA; its key is readable by root and the server only: {directory}"
        return (yield from self._server_authority(of_servers, hosts))

    def _server_authority(self, directory: Path, hosts: Sequence[str]) -> Generator[str, None, Authority]:
        atomic_files.make_directory(directory)
        if not (directory / CERTIFICATE).exists():
            name, uris = _name(hosts[0], "server CA"), [crl_uri(hosts[0], SERVERS_DOCUMENT)]
            authority = Authority.create(directory, name, key=self.key, crl_uris=uris, kind=Kind.SERVER, hosts=hosts)
            yield f"created a server CA, limited to {', '.join(hosts)}; its key is readable by root only: {directory}"
            return authority
        authority = Authority.open(directory)
        authority.repair_list()
        with authority.locked():
            pass  # removes unfinished files after a crash
        if authority.allow(hosts):
            yield (
                f"{directory} now also covers {', '.join(hosts)}: enrolled clients need the new ca.pem "
                "before they connect to a new name"
            )
            authority = Authority.open(directory)
        return authority

    def _check_names(self, pair: Pair, hosts: Sequence[str]) -> None:
        """Raise ConfigError if the existing certificate is for another server, or has no key."""
        certificate = Credentials.load(pair.certificate, pair.key).chain[0]
        if missing := set(hosts) - set(alternative_names(certificate)):
            raise ConfigError(
                f"{pair.certificate} is not for {', '.join(sorted(missing))}: move it and {pair.key} away "
                "to have another one issued, or choose another --instance"
            )

    def _compare(self, config: Path, prefix: IPv6Network | None, routes: Sequence[IPv6Network]) -> None:
        """Raise ConfigError if the existing configuration differs from the requested one."""
        there = self.config
        if self.sstp and not there.serves_sstp:
            raise ConfigError(
                f"{config} already exists, without SSTP: set sstp-pool, sstp-prefix and sstp-users there and restart "
                f"{self.instance}, or choose another --instance"
            )
        for what, wanted, found in (
            ("--prefix", prefix, there.prefix),
            ("--route", {*routes}, {*there.route}),
            ("--port", self.port, there.uri.port),
        ):
            if wanted and wanted != found:
                said = ", ".join(sorted(map(str, found))) if isinstance(found, set) else found
                raise ConfigError(
                    f"{config} already exists, with {what[2:]} {said}: edit it and run `iphttps reload "
                    f"{self.instance}`, or choose another --instance"
                )

    def _may_publish(self) -> bool:
        """Return whether the revocation list can be published on port 80, to which certificates refer."""
        configs = map(self.places.server_config, self.places.instances("server"))
        if any(value_of(config, "publish") for config in configs):
            return False
        if self.places.root != Path("/"):
            return True
        try:
            bind(URI.parse(f"http://{ANY}:{HTTP}")).close()
        except ConfigError:
            return False
        return True

    def _make_users(self) -> None:
        """Make an empty users file, if there is none, which the server can read."""
        path = self.places.users
        if not path.exists():
            atomic_files.create(path, b"", atomic_files.PRIVATE)
            give(self.places, path)

    def _sstp_values(self, site: IPv6Network) -> dict[str, Value]:
        """Return what turns SSTP on; its prefix is the second of the site, for which clients have a route already."""
        subnets = site.subnets(new_prefix=64)
        next(subnets)
        prefix = next(subnets)
        return {
            "sstp-pool": str(private_pool()),
            "sstp-prefix": str(prefix),
            "sstp-users": str(self._there.users),
            "sstp-interface": free_interface(self.places, "sstp"),
        }

    def _values(self, prefix: IPv6Network, routes: Sequence[IPv6Network]) -> dict[str, Value]:
        there, name = self._there, self.instance
        return {
            "uri": f"https://*:{self.port or HTTPS}{DEFAULT_PATH}",
            "certificate": str(there.server_certificate(name)),
            "private-key": str(there.server_key(name)),
            "authority": str(there.authority),
            **({"publish": f"http://{ANY}:{HTTP}"} if self._may_publish() else {}),
            "interface": free_interface(self.places),
            "prefix": str(prefix),
            "route": [str(route) for route in routes],
            "control": str(there.control("server", name)),
        }
