"""The options of `twistd iphttps-client`."""

from __future__ import annotations

from ..core.errors import ConfigError
from ..core.reconnect import INITIAL, MAXIMUM
from .options import DaemonOptions
from .proxy_options import PROXY_FLAGS, PROXY_PARAMETERS, named_proxy


class Options(DaemonOptions):
    """What the client is told."""

    command = "iphttps-client"
    synopsis = "[options]"
    optParameters = (  # the name is Twisted's
        ("uri", None, None, "the server, such as https://vpn.example.org/IPHTTPS"),
        ("ca", None, None, "PEM file: the authorities to trust, instead of the system's"),
        ("certificate", None, None, "PEM file: the client's certificate, if the server demands one"),
        ("private-key", None, None, "PEM file: the key of the certificate"),
        ("interface", None, "iphttps0", "name of the network interface to create"),
        ("reconnect-initial", None, f"{INITIAL:g}", "seconds to wait after the first failure"),
        ("reconnect-maximum", None, f"{MAXIMUM:g}", "seconds to wait at most"),
        *PROXY_PARAMETERS,
        ("config", None, None, "TOML file with these options; the command line overrides it"),
    )

    optFlags = PROXY_FLAGS

    def check(self) -> None:
        """Check every value before anything is touched."""
        self.log_level  # noqa: B018  # raises
        uri = self.uri
        if uri.host == "*":
            raise ConfigError("--uri must name the server; * is for the server's own")
        self.device  # noqa: B018  # raises
        self.number("reconnect-initial", 0.1)
        self.number("reconnect-maximum", 0.1)
        named_proxy(self)  # raises
        if bool(self["certificate"]) != bool(self["private-key"]):
            raise ConfigError("--certificate and --private-key go together: give both or neither")
