"""The options of `twistd iphttps-client`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ..core.client_handshake import RequestLength
from ..core.errors import ConfigError
from ..core.proxychoice import ProxySource
from ..core.reconnect import INITIAL, MAXIMUM
from ..net.certificates import parse_pin
from ..net.endpoints import URI
from .options import DaemonOptions
from .proxy_options import PROXY_FLAGS, PROXY_PARAMETERS, check_proxy
from .scripts import LinkEvent, check

SELECT = ("ordered", "fastest")
WHEN = ("always", "proxy", "blocked", "command")


class Options(DaemonOptions):
    """What the client is told."""

    command = "iphttps-client"
    repeatable = ("uri", "pin")
    synopsis = "[options]"
    optParameters = (  # the name is Twisted's
        ("select", None, "ordered", "of several servers try first: ordered, the one named first, or fastest"),
        ("when", None, "always", "when to connect: always, behind a proxy, where the probe is blocked, or by command"),
        ("probe", None, None, "with --when blocked: host:port that is out of reach where the tunnel is needed"),
        ("keepalive", None, "0", "seconds without traffic after which to ask the router something; 0: never"),
        ("ca", None, None, "PEM file: the authorities to trust, instead of the system's"),
        ("certificate", None, None, "PEM file: the client's certificate, if the server demands one"),
        ("private-key", None, None, "PEM file: the key of the certificate"),
        ("crl", None, None, "PEM file: revocation lists of the authorities in --ca; a server without one is refused"),
        ("request-length", None, "max", "length to announce: max, or for fronts that refuse that 2^63-1 or chunked"),
        ("interface", None, "iphttps0", "name of the network interface to create"),
        ("default-route", None, "yes", "yes or no: whether a server that offers it becomes the way to everywhere"),
        ("up-script", None, None, "program to run when the link is up and has its address"),
        ("down-script", None, None, "program to run before the link goes down"),
        ("reconnect-initial", None, f"{INITIAL:g}", "seconds to wait after the first failure"),
        ("reconnect-maximum", None, f"{MAXIMUM:g}", "seconds to wait at most"),
        *PROXY_PARAMETERS,
        ("config", None, None, "TOML file with these options; the command line overrides it"),
    )

    optFlags = (  # the name is Twisted's
        ("allow-renegotiation", None, "show the certificate also to a TLS 1.2 server that asks late for it"),
        *PROXY_FLAGS,
    )

    def opt_uri(self, uri: str) -> None:
        """Connect to this server, such as https://vpn.example.org/IPHTTPS; repeat for more."""
        self["uri"] = [*self["uri"], uri]

    def opt_pin(self, pin: str) -> None:
        """Connect only to a server with this key, sha256//... as curl writes it; repeat for more."""
        self["pin"] = [*self["pin"], pin]

    def check(self) -> None:
        """Check every value before anything is touched."""
        # The properties raise ConfigError for what is wrong: to name one is to check it, which B018 takes for idle.
        self.log_level  # noqa: B018
        self.log_format  # noqa: B018
        self.uris  # noqa: B018
        self.one_of("select", SELECT)
        if (self.one_of("when", WHEN) == "blocked") != bool(self["probe"]):
            raise ConfigError(
                "--when blocked and --probe go together: name a host that is reached where no tunnel is needed"
            )
        self.probe  # noqa: B018
        if self["when"] == "command" and not self["control"]:
            raise ConfigError("--when command needs --control: without it nobody can ask for the connection")
        self.number("keepalive", 0)
        self.device  # noqa: B018
        self.default_route  # noqa: B018
        self.scripts  # noqa: B018
        if self.number("reconnect-initial", 0.1) > self.number("reconnect-maximum", 0.1):
            raise ConfigError(
                f"--reconnect-initial {self['reconnect-initial']} is more than --reconnect-maximum "
                f"{self['reconnect-maximum']}: give another one, or both"
            )
        check_proxy(self, self.uris)
        if self["when"] == "proxy" and self["proxy"] == ProxySource.NONE.value:
            raise ConfigError("--when proxy needs --proxy: with none there is never a proxy, and so never a connection")
        if bool(self["certificate"]) != bool(self["private-key"]):
            raise ConfigError("--certificate and --private-key go together: give both or neither")
        self.request_length  # noqa: B018
        self._check_server_checks()

    def _check_server_checks(self) -> None:
        """Refuse what would be believed to protect and does not."""
        pins = self.pins
        if any(not uri.secure for uri in self.uris) and (pins or self["crl"]):
            raise ConfigError("--pin and --crl are about the server's certificate, which an http:// URI does without")
        if self["crl"] and not self["ca"]:
            raise ConfigError("--crl needs --ca: the authorities whose revocation lists it holds")
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
        paths = {event: self.path(f"{event.value}-script") for event in LinkEvent}
        return {event: check(f"{event.value}-script", path) for event, path in paths.items() if path}

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
