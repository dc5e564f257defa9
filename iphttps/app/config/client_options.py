"""The options of `twistd iphttps-client`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from ...core.errors import ConfigError
from ...core.iphttps.client_handshake import RequestLength
from ...core.iphttps.reconnect import INITIAL, MAXIMUM
from ...core.proxy.choice import ProxySource
from ...core.proxy.headers import read_headers
from ...net.connect.endpoints import URI
from ...pki.certificates import parse_pin
from ..daemon.hooks.scripts import LinkEvent, check
from .options import Check, DaemonOptions
from .proxy_options import PROXY_FLAGS, PROXY_PARAMETERS, check_proxy, pac_location, proxy_choice

SELECT = ("ordered", "fastest")
WHEN = ("always", "proxy", "blocked", "command")


class Options(DaemonOptions):
    """What the client is told."""

    command = "iphttps-client"
    repeatable = ("uri", "pin", "proxy-header")
    synopsis = "[options]"
    optParameters = (  # the name is Twisted's
        ("select", None, "ordered", "order of several servers: ordered (as given) or fastest"),
        ("when", None, "always", "when to connect: always, proxy (behind a proxy), blocked (probe fails) or command"),
        ("probe", None, None, "for --when blocked: host:port that is reachable only where no tunnel is needed"),
        ("keepalive", None, "0", "seconds without traffic before the client probes the router; 0: never"),
        ("ca", None, None, "PEM file: certificate authorities to trust instead of the system's"),
        ("certificate", None, None, "PEM file: the client certificate, if the server requires one"),
        ("private-key", None, None, "PEM file: private key of the certificate"),
        ("crl", None, None, "PEM file: revocation lists of the --ca authorities; a server not covered is refused"),
        (
            "request-length",
            None,
            "max",
            "length in the request: max; 2^63-1 or chunked if a reverse proxy rejects max",
        ),
        ("interface", None, "iphttps0", "name of the network interface to create"),
        ("default-route", None, "yes", "accept a default route from the server: yes or no"),
        ("up-script", None, None, "program to run when the link is up and has its address"),
        ("down-script", None, None, "program to run before the link goes down"),
        ("reconnect-initial", None, f"{INITIAL:g}", "seconds to wait after the first failure"),
        ("reconnect-maximum", None, f"{MAXIMUM:g}", "maximum seconds between attempts"),
        *PROXY_PARAMETERS,
        ("config", None, None, "TOML file with these options; the command line takes precedence"),
    )

    optFlags = (  # the name is Twisted's
        ("allow-renegotiation", None, "send the certificate to a TLS 1.2 server that requests it by renegotiation"),
        ("allow-older-crl", None, "accept a revocation list in --crl that is older than the one in force"),
        *PROXY_FLAGS,
    )

    def opt_uri(self, uri: str) -> None:
        """Connect to this server, such as https://vpn.example.org/IPHTTPS; repeatable."""
        self["uri"] = [*self["uri"], uri]

    def opt_pin(self, pin: str) -> None:
        """Accept only a server with this public key, sha256//... as in curl; repeatable."""
        self["pin"] = [*self["pin"], pin]

    def opt_proxy_header(self, header: str) -> None:
        """Send this header to the proxy, such as "User-Agent: Mozilla/5.0"; repeatable."""
        self["proxy-header"] = [*self["proxy-header"], header]

    def checks(self) -> Iterable[Check]:
        """Return what has to be right before anything is touched."""
        return (
            *super().checks(),
            *(("uri", partial(URI.parse, text)) for text in self["uri"]),
            ("uri", lambda: self.uris),
            ("select", lambda: self.one_of("select", SELECT)),
            ("when", self._check_when),
            ("probe", lambda: self.probe),
            ("keepalive", lambda: self.number("keepalive", 0)),
            ("default-route", lambda: self.default_route),
            *((f"{event.value}-script", partial(self._script, event)) for event in LinkEvent),
            ("reconnect-initial", self._check_reconnect),
            ("proxy", lambda: proxy_choice(self)),
            ("pac", lambda: pac_location(self)),
            ("proxy-header", lambda: read_headers(self["proxy-header"])),
            ("proxy", lambda: check_proxy(self, self.uris)),
            ("when", self._check_when_proxy),
            ("certificate", self._check_credentials),
            ("request-length", lambda: self.request_length),
            *(("pin", partial(parse_pin, text)) for text in self["pin"]),
            *((name, partial(self._check_tls, name)) for name in ("pin", "crl")),
            ("crl", self._check_lists),
            ("allow-renegotiation", self._check_renegotiation),
        )

    def _check_when(self) -> None:
        if (self.one_of("when", WHEN) == "blocked") != bool(self["probe"]):
            raise ConfigError(
                "--when blocked and --probe go together: name a host that is reached where no tunnel is needed"
            )
        if self["when"] == "command" and not self["control"]:
            raise ConfigError("--when command needs --control: without it nobody can ask for the connection")

    def _check_when_proxy(self) -> None:
        if self["when"] == "proxy" and self["proxy"] == ProxySource.NONE.value:
            raise ConfigError("--when proxy needs --proxy: with none there is never a proxy, and so never a connection")

    def _check_reconnect(self) -> None:
        if self.number("reconnect-initial", 0.1) > self.number("reconnect-maximum", 0.1):
            raise ConfigError(
                f"--reconnect-initial {self['reconnect-initial']} is more than --reconnect-maximum "
                f"{self['reconnect-maximum']}: give another one, or both"
            )

    def _check_credentials(self) -> None:
        if bool(self["certificate"]) != bool(self["private-key"]):
            raise ConfigError("--certificate and --private-key go together: give both or neither")

    def _check_tls(self, name: str) -> None:
        """Refuse what would be believed to protect and does not."""
        if self[name] and any(not uri.secure for uri in self.uris):
            raise ConfigError("--pin and --crl are about the server's certificate, which an http:// URI does without")

    def _check_lists(self) -> None:
        if self["crl"] and not self["ca"]:
            raise ConfigError("--crl needs --ca: the authorities whose revocation lists it holds")
        if self["allow-older-crl"] and not self["crl"]:
            raise ConfigError("--allow-older-crl needs --crl: it is about the lists there")

    def _check_renegotiation(self) -> None:
        if self["allow-renegotiation"] and not self["certificate"]:
            raise ConfigError("--allow-renegotiation is there to show a certificate: give --certificate, too")

    @property
    def uris(self) -> list[URI]:
        """The servers' URIs, at least one."""
        uris = [URI.parse(text) for text in self["uri"]]
        if not uris:
            raise ConfigError("--uri is missing: name the server, such as https://vpn.example.org/IPHTTPS")
        if any(uri.host == "*" for uri in uris):
            raise ConfigError("--uri must name the server; * is for the server's own")
        return uris

    @property
    def probe(self) -> tuple[str, int] | None:
        """The host and port that are reached only where no tunnel is needed."""
        if not self["probe"]:
            return None
        try:
            parts = urlsplit(f"//{self['probe']}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or port is None:
            raise ConfigError(f"--probe {self['probe']!r} is not a host and a port, such as intranet.example.org:443")
        return host, port

    @property
    def default_route(self) -> bool:
        """Whether a default route may come with the link."""
        return self.one_of("default-route", ("yes", "no")) == "yes"

    @property
    def scripts(self) -> Mapping[LinkEvent, Path]:
        """The scripts to run."""
        found = {event: self._script(event) for event in LinkEvent}
        return {event: path for event, path in found.items() if path}

    def _script(self, event: LinkEvent) -> Path | None:
        path = self.path(f"{event.value}-script")
        return check(f"{event.value}-script", path) if path else None

    @property
    def pins(self) -> frozenset[str]:
        """The keys that the server may have; any, if none is named."""
        return frozenset(map(parse_pin, self["pin"]))

    @property
    def request_length(self) -> RequestLength:
        """What the request announces."""
        try:
            return RequestLength(self["request-length"])
        except ValueError as error:
            known = ", ".join(length.value for length in RequestLength)
            raise ConfigError(f"--request-length is one of {known}, not {self['request-length']!r}") from error
