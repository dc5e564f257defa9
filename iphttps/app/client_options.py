"""The options of `twistd iphttps-client`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.errors import ConfigError
from ..core.reconnect import INITIAL, MAXIMUM
from .options import DaemonOptions
from .scripts import LinkEvent, check


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
        (
            "default-route",
            None,
            "yes",
            "yes or no: whether a server that offers it becomes the way to everywhere",
        ),
        ("up-script", None, None, "program to run when the link is up and has its address"),
        ("down-script", None, None, "program to run before the link goes down"),
        ("reconnect-initial", None, f"{INITIAL:g}", "seconds to wait after the first failure"),
        ("reconnect-maximum", None, f"{MAXIMUM:g}", "seconds to wait at most"),
        ("config", None, None, "TOML file with these options; the command line overrides it"),
    )

    def check(self) -> None:
        """Check every value before anything is touched."""
        self.log_level  # noqa: B018  # raises
        uri = self.uri
        if uri.host == "*":
            raise ConfigError("--uri must name the server; * is for the server's own")
        self.device  # noqa: B018  # raises
        self.default_route  # noqa: B018  # raises
        self.scripts  # noqa: B018  # raises
        self.number("reconnect-initial", 0.1)
        self.number("reconnect-maximum", 0.1)
        if bool(self["certificate"]) != bool(self["private-key"]):
            raise ConfigError("--certificate and --private-key go together: give both or neither")

    @property
    def default_route(self) -> bool:
        """Whether a default route may come with the link."""
        if self["default-route"] not in ("yes", "no"):
            raise ConfigError(f"--default-route is yes or no, not {self['default-route']!r}")
        return bool(self["default-route"] == "yes")

    @property
    def scripts(self) -> Mapping[LinkEvent, Path]:
        """The scripts to run."""
        paths = {event: self.path(f"{event.value}-script") for event in LinkEvent}
        return {event: check(f"{event.value}-script", path) for event, path in paths.items() if path}
