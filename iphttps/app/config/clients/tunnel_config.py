"""The options that both clients have, and their values: the server, proxies, trust, scripts and the retry delay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from ....core.errors import ConfigError
from ....core.proxy.choice import PACLocation, ProxyChoice, ProxySource
from ....core.proxy.connect import Header
from ....core.proxy.headers import read_headers
from ....core.reconnect import INITIAL, MAXIMUM
from ....net.connect.endpoints import URI
from ....pki.certificates import parse_pin
from ...daemon.hooks.scripts import LinkEvent, check
from ..daemon_config import DAY, WEEK, DaemonConfig, words
from ..kinds import File, Flag, Locate, Many, Maybe, Number, Parsed, Place, Raw, Words
from ..option import option


class Script(Place):
    """The path of an executable program."""

    def parse(self, name: str, raw: Raw, locate: Locate) -> Path:
        """Return the path."""
        return check(name, super().parse(name, raw, locate))


class PACPlace(Words):
    """The location of a proxy auto-configuration file, a path or URL."""

    def parse(self, name: str, raw: Raw, locate: Locate) -> PACLocation:
        """Return the location; a path is absolute."""
        location = PACLocation.parse(str(raw))
        return PACLocation(path=str(locate(location.path))) if location.path else location


def server_uri(name: str, text: str, parse: Callable[[str], URI] = URI.parse) -> URI:
    """Return the URI of a server, as `parse` reads it; raises ConfigError."""
    uri = parse(text)
    if uri.host == "*":
        raise ConfigError(f"--{name} must name the server: * is only for the --uri of a server")
    return uri


def _probe(name: str, text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise ConfigError(f"--{name} {text!r} is not a host and a port, such as intranet.example.org:443")
    return host, port


def _header(name: str, text: str) -> Header:
    (header,) = read_headers([text])
    return header


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig(DaemonConfig):
    """The part of a client's configuration that concerns web proxies."""

    proxy: ProxyChoice = option(
        Parsed(lambda name, text: ProxyChoice.parse(text)),
        "none",
        "web proxy: none, environment, auto, or http://proxy.example.org:3128",
    )
    """The method to find the proxy."""
    pac: PACLocation | None = option(
        Maybe(PACPlace()), None, "with --proxy auto: file or URL of the proxy auto-configuration, instead of WPAD"
    )
    """The location of the proxy auto-configuration file; None for WPAD."""
    proxy_credentials: Path | None = option(
        Maybe(File()), None, "TOML file, mode 0600, with `user`, `password` and optionally `domain`"
    )
    """The file with the login for the proxy."""
    proxy_ca: Path | None = option(
        Maybe(File()),
        None,
        "PEM file: the certificate authorities to trust for an https:// proxy, instead of the system's",
    )
    """The certificate authorities to trust for an https:// proxy; None for the system's."""
    proxy_header: tuple[Header, ...] = option(
        Many(Parsed(_header)),
        None,
        'header to send to the proxy, such as "User-Agent: Mozilla/5.0"; may be repeated',
    )
    """Headers sent to the proxy."""
    proxy_basic: bool = option(
        Flag(), None, "send the password in clear text to an http:// proxy that offers only Basic authentication"
    )
    """True if the password is sent to an http:// proxy that offers only Basic authentication."""
    proxy_trust_network: bool = option(
        Flag(), None, "log in also to a proxy that the network names, by WPAD or a PAC file at http://"
    )
    """True if the client logs in to a proxy named by the network."""

    @property
    def network_names_proxy(self) -> bool:
        """True if an untrusted source on the network, WPAD or a PAC file at http://, names the proxy."""
        found = self.proxy.source is ProxySource.AUTO and (self.pac is None or self.pac.url.startswith("http:"))
        return found and not self.proxy_trust_network


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelConfig(ProxyConfig):
    """The part of a configuration that both clients have."""

    reloads: ClassVar[bool] = False

    uri: tuple[URI, ...] = option(
        Many(Parsed(server_uri)), None, "server to connect to; may be repeated", missing="name the server"
    )
    """The servers, at least one; each client has its own form of URI."""
    select: str = option(
        words("ordered", "fastest"),
        "ordered",
        "server to try first: ordered: the first in the list; fastest: the first to answer",
    )
    """The choice of the server to try first: ordered or fastest."""
    when: str = option(
        words("always", "proxy", "blocked", "command"),
        "always",
        "when to connect: always; proxy: only behind a web proxy; blocked: only where --probe cannot be reached; "
        "command: only after `iphttps enable`",
    )
    """The condition for connecting: always, proxy, blocked or command."""
    probe: tuple[str, int] | None = option(
        Maybe(Parsed(_probe)),
        None,
        "host:port to test with --when blocked; the client connects if it is unreachable",
    )
    """The host and port that are reachable only where no tunnel is needed; not None with `when` blocked."""
    ca: Path | None = option(
        Maybe(File()), None, "PEM file: the certificate authorities to trust, instead of the system's"
    )
    """The certificate authorities to trust; None for the system's."""
    crl: Path | None = option(
        Maybe(File()),
        None,
        "PEM file: revocation lists of the authorities in --ca; a server whose issuer has no list in the file is "
        "rejected",
    )
    """The revocation lists of the authorities in `ca`."""
    pin: tuple[str, ...] = option(
        Many(Parsed(lambda name, text: parse_pin(text))),
        None,
        "SHA-256 hash of the server's public key, in curl's --pinnedpubkey format (sha256//BASE64); may be repeated",
    )
    """The accepted public keys of the server; any if empty."""
    up_script: Path | None = option(Maybe(Script()), None, "program to run when the link is up and has an address")
    """The program to run when the link is up."""
    down_script: Path | None = option(Maybe(Script()), None, "program to run before the link goes down")
    """The program to run before the link goes down."""
    reconnect_initial: float = option(
        Number(0.1, WEEK),
        f"{INITIAL:g}",
        "base delay after the first failure, in seconds; a random part of up to a fifth is added",
    )
    """Seconds to wait after the first failure ([MS-IPHTTPS] 3.1.2.1)."""
    reconnect_maximum: float = option(
        Number(0.1, WEEK),
        f"{MAXIMUM:g}",
        "maximum base delay between attempts, in seconds; a random part of up to a fifth is added",
    )
    """Maximum seconds to wait between attempts ([MS-IPHTTPS] 3.1.2.1)."""
    keepalive: float = option(
        Number(0, DAY), "0", "seconds without a packet from the server after which to probe it; 0: never"
    )
    """Seconds without a packet from the server after which the client probes it; 0 is never."""
    allow_older_crl: bool = option(
        Flag(), None, "accept a revocation list in --crl that is older than the one in force; only while rolling back"
    )
    """True if an older revocation list may replace the one in force."""

    @property
    def scripts(self) -> Mapping[LinkEvent, Path]:
        """The scripts to run."""
        found = {LinkEvent.UP: self.up_script, LinkEvent.DOWN: self.down_script}
        return {event: path for event, path in found.items() if path}
