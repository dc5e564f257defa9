"""SSTP client setup from an enrolment: password, authority and configuration.

The configuration is written last, so an interrupted setup can be repeated. Files of other clients stay unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...core.errors import ConfigError
from ...pki import atomic_files
from ..config.config_templates import Value
from ..config.sstp_client_config import parse_server
from ..config.sstp_client_options import Options
from ..instances.interfaces import free_interface
from ..instances.owners import give
from ..instances.paths import Places
from .client_setup import ClientSetup, default_name
from .sstp_bundle import SSTPBundle


def default_instance(bundle: SSTPBundle) -> str:
    """Return the default name of the client instance: that of its server."""
    return default_name(parse_server(bundle.uri))


@dataclass(frozen=True, slots=True)
class SSTPJoining(ClientSetup[SSTPBundle]):
    """The setup of an SSTP client."""

    ROLE: ClassVar[str] = "sstp-client"
    OPTIONS: ClassVar[type[Options]] = Options

    def write(self) -> Iterator[str]:
        """Write the files of the enrolment; yield a sentence if one of them is new."""
        places, name = self.places, self.instance
        password = places.password(self.ROLE, name)
        written = [
            self.put(places.ca(self.ROLE, name), self.bundle.ca_pem, atomic_files.PUBLIC),
            self.put(password, f"{self.bundle.password}\n".encode(), atomic_files.PRIVATE),
        ]
        give(places, password)
        if any(written):
            yield f"wrote the password of {self.bundle.user}: {password}"

    def values(self) -> Mapping[str, Value]:
        """Return the values of the configuration."""
        there, name = Places(), self.instance
        values: dict[str, Value] = {
            "uri": self.bundle.uri,
            "user": self.bundle.user,
            "password-file": str(there.password(self.ROLE, name)),
            "interface": free_interface(self.places, "sstp"),
            "control": str(there.control(self.ROLE, name)),
        }
        return values | ({"ca": str(there.ca(self.ROLE, name))} if self.bundle.ca_pem else {})

    def check(self, options: Options) -> None:
        """Check that an existing configuration is for the same user; raises ConfigError."""
        if options.config.user != self.bundle.user:
            raise ConfigError(
                f"{options.file} already exists, for the user {options.config.user}: choose another --instance"
            )
