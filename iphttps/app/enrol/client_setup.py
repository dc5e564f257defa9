"""Client setup from an enrolment: certificate, key, authority and configuration.

The configuration is written last, so an interrupted setup can be repeated. Files of other clients stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError
from ...net.connect.endpoints import URI
from ...pki import atomic_files
from ..config.client_options import Options
from ..config.config_templates import Value, configuration
from ..instances.interfaces import free_interface
from ..instances.owners import give, make_public_directory
from ..instances.paths import Places
from .bundle import Bundle

LONGEST_NAME = 63


def default_instance(bundle: Bundle) -> str:
    """Return the default name of the client instance: that of its server."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", URI.parse(bundle.uri).host)[:LONGEST_NAME]


@dataclass(frozen=True, slots=True)
class Joining:
    """The setup of a client. With `replace`, it replaces an earlier enrolment with the same server."""

    places: Places
    instance: str
    bundle: Bundle
    replace: bool = False

    def perform(self) -> Iterator[str]:
        """Perform the steps not done yet, and yield a sentence for each; raises ConfigError."""
        places, name = self.places, self.instance
        config = places.client_config(name)
        make_public_directory(config.parent)
        with atomic_files.locked(config.parent):
            if config.exists():
                self._compare(config)
            written = [
                self._put(places.client_ca(name), self.bundle.ca_pem, atomic_files.PUBLIC),
                self._put(places.client_certificate(name), self.bundle.certificate_pem, atomic_files.PUBLIC),
                self._put(places.client_key(name), self.bundle.key_pem, atomic_files.PRIVATE),
            ]
            give(places, places.client_key(name))
            if any(written):
                yield f"wrote the certificate of {self.bundle.name} and its key: {places.client_certificate(name)}"
            if not config.exists():
                there = Places().client_config(name)
                atomic_files.create(config, configuration("client", str(there), self._values()).encode("utf-8"))
                yield f"wrote {config}, for {self.bundle.uri}"

    def _compare(self, config: Path) -> None:
        """Raise ConfigError if the existing configuration is for another server."""
        options = Options()
        options.root = self.places.root
        options.parse(["--config", str(config)])
        uris = [str(uri) for uri in options.config.uri]
        if self.bundle.uri not in uris:
            raise ConfigError(f"{config} already exists, for {', '.join(uris)}: choose another --instance")

    def _put(self, path: Path, content: bytes | None, mode: int) -> bool:
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

    def _values(self) -> dict[str, Value]:
        there, name = Places(), self.instance
        values: dict[str, Value] = {
            "uri": self.bundle.uri,
            "certificate": str(there.client_certificate(name)),
            "private-key": str(there.client_key(name)),
            "interface": free_interface(self.places),
            "control": str(there.control("client", name)),
        }
        return values | ({"ca": str(there.client_ca(name))} if self.bundle.ca_pem else {})
