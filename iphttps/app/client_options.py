"""The options of `twistd iphttps-client`."""

from __future__ import annotations

from ..core.client_handshake import RequestLength
from ..core.errors import ConfigError
from ..core.reconnect import INITIAL, MAXIMUM
from ..net.certificates import parse_pin
from .options import DaemonOptions


class Options(DaemonOptions):
    """What the client is told."""

    command = "iphttps-client"
    repeatable = ("pin",)
    synopsis = "[options]"
    optParameters = (  # the name is Twisted's
        ("uri", None, None, "the server, such as https://vpn.example.org/IPHTTPS"),
        ("ca", None, None, "PEM file: the authorities to trust, instead of the system's"),
        ("certificate", None, None, "PEM file: the client's certificate, if the server demands one"),
        ("private-key", None, None, "PEM file: the key of the certificate"),
        ("crl", None, None, "PEM file: revocation lists of the authorities in --ca; a server without one is refused"),
        ("request-length", None, "max", "length to announce: max, or for fronts that refuse that 2^63-1 or chunked"),
        ("interface", None, "iphttps0", "name of the network interface to create"),
        ("reconnect-initial", None, f"{INITIAL:g}", "seconds to wait after the first failure"),
        ("reconnect-maximum", None, f"{MAXIMUM:g}", "seconds to wait at most"),
        ("config", None, None, "TOML file with these options; the command line overrides it"),
    )

    optFlags = (  # the name is Twisted's
        ("allow-renegotiation", None, "show the certificate also to a TLS 1.2 server that asks late for it"),
    )

    def opt_pin(self, pin: str) -> None:
        """Connect only to a server with this key, sha256//... as curl writes it; repeat for more."""
        self["pin"] = [*self["pin"], pin]

    def check(self) -> None:
        """Check every value before anything is touched."""
        self.log_level  # noqa: B018  # raises
        uri = self.uri
        if uri.host == "*":
            raise ConfigError("--uri must name the server; * is for the server's own")
        self.device  # noqa: B018  # raises
        self.number("reconnect-initial", 0.1)
        self.number("reconnect-maximum", 0.1)
        if bool(self["certificate"]) != bool(self["private-key"]):
            raise ConfigError("--certificate and --private-key go together: give both or neither")
        self.request_length  # noqa: B018  # raises
        self._check_server_checks()

    def _check_server_checks(self) -> None:
        """Refuse what would be believed to protect and does not."""
        pins = self.pins
        if not self.uri.secure and (pins or self["crl"]):
            raise ConfigError("--pin and --crl are about the server's certificate, which an http:// URI does without")
        if self["crl"] and not self["ca"]:
            raise ConfigError("--crl needs --ca: the authorities whose revocation lists it holds")
        if self["allow-renegotiation"] and not self["certificate"]:
            raise ConfigError("--allow-renegotiation is there to show a certificate: give --certificate, too")

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
