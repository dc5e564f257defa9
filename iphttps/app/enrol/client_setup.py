"""Client setup from an enrolment: certificate, key, authority and configuration.

The configuration is written last, so an interrupted setup can be repeated. Files of other clients stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from ...core.errors import ConfigError
from ...net.connect.endpoints import URI
from ...pki import atomic_files
from ..config.client_options import Options
from ..config.clients.tunnel_options import TunnelOptions
from ..config.config_templates import Value, configuration
from ..instances.interfaces import free_interface
from ..instances.owners import give, make_public_directory
from ..instances.paths import Places
from .bundle import Bundle
from .sstp_bundle import SSTPBundle

LONGEST_NAME = 63

Enrolled = TypeVar("Enrolled", Bundle, SSTPBundle)


def default_name(uri: URI) -> str:
    """Return the default name of a client instance: that of its server."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", uri.host)[:LONGEST_NAME]


def default_instance(bundle: Bundle) -> str:
    """Return the default name of the client instance: that of its server."""
    return default_name(URI.parse(bundle.uri))


@dataclass(frozen=True, slots=True)
class ClientSetup(Generic[Enrolled]):
    """The setup of a client of either protocol; each has a subclass, with its files and its configuration.

    With `replace`, it replaces an earlier enrolment with the same server.
    """

    ROLE: ClassVar[str]
    OPTIONS: ClassVar[type[TunnelOptions]]

    places: Places
    instance: str
    bundle: Enrolled
    replace: bool = False

    def perform(self) -> Iterator[str]:
        """Perform the steps not done yet, and yield a sentence for each; raises ConfigError."""
        config = self.places.config(self.ROLE, self.instance)
        make_public_directory(config.parent)
        with atomic_files.locked(config.parent):
            if config.exists():
                self._compare(config)
            yield from self.write()
            if not config.exists():
                there = Places().config(self.ROLE, self.instance)
                atomic_files.create(config, configuration(self.ROLE, str(there), self.values()).encode("utf-8"))
                yield f"wrote {config}, for {self.bundle.uri}"

    def write(self) -> Iterator[str]:
        """Write the files of the enrolment; yield a sentence if one of them is new. Abstract; raises ConfigError."""
        raise NotImplementedError

    def values(self) -> Mapping[str, Value]:
        """Return the values of the configuration. Abstract."""
        raise NotImplementedError

    def check(self, options: Any) -> None:
        """Check that an existing configuration for the same server may stay; raises ConfigError."""

    def _compare(self, config: Path) -> None:
        """Raise ConfigError if the existing configuration is for another server."""
        options = self.OPTIONS()
        options.root = self.places.root
        options.parse(["--config", str(config)])
        uris = [str(uri) for uri in options.config.uri]
        if self.bundle.uri not in uris:
            raise ConfigError(f"{config} already exists, for {', '.join(uris)}: choose another --instance")
        self.check(options)

    def put(self, path: Path, content: bytes | None, mode: int) -> bool:
        """Write a file unless it has this content; return whether it was written. Raises ConfigError."""
        if content is None:
            return False
        if path.exists():
            if path.read_bytes() == content:
                return False
            if not self.replace:
                raise ConfigError(
                    f"{path} belongs to another enrolment: use --replace to replace it, or choose another --instance"
                )
            atomic_files.write(path, content, mode)
        else:
            atomic_files.create(path, content, mode)
        return True


@dataclass(frozen=True, slots=True)
class Joining(ClientSetup[Bundle]):
    """The setup of an IP-HTTPS client."""

    ROLE: ClassVar[str] = "client"
    OPTIONS: ClassVar[type[TunnelOptions]] = Options

    def write(self) -> Iterator[str]:
        """Write the files of the enrolment; yield a sentence if one of them is new."""
        places, name = self.places, self.instance
        written = [
            self.put(places.ca(self.ROLE, name), self.bundle.ca_pem, atomic_files.PUBLIC),
            self.put(places.client_certificate(name), self.bundle.certificate_pem, atomic_files.PUBLIC),
            self.put(places.client_key(name), self.bundle.key_pem, atomic_files.PRIVATE),
        ]
        give(places, places.client_key(name))
        if any(written):
            yield f"wrote the certificate of {self.bundle.name} and its key: {places.client_certificate(name)}"

    def values(self) -> Mapping[str, Value]:
        """Return the values of the configuration."""
        there, name = Places(), self.instance
        values: dict[str, Value] = {
            "uri": self.bundle.uri,
            "certificate": str(there.client_certificate(name)),
            "private-key": str(there.client_key(name)),
            "interface": free_interface(self.places),
            "control": str(there.control(self.ROLE, name)),
        }
        return values | ({"ca": str(there.ca(self.ROLE, name))} if self.bundle.ca_pem else {})
