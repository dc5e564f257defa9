"""A certificate and its private key as the two files that `iphttps ca` writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..core.errors import ConfigError
from . import atomic_files
from .authority import issuing
from .authority.files import load_key
from .authority.issuing import KeyKind, PublicKey
from .authority.store import Issued
from .certificates import load_certificates


@dataclass(frozen=True, slots=True)
class Pair:
    """The paths of a certificate and its private key, existing or to be written."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, directory: Path, name: str) -> Self:
        """Return the pair NAME.pem, NAME.key in a directory."""
        return cls(directory / f"{name}.pem", directory / f"{name}.key")

    def complete(self, kind: KeyKind, issue: Callable[[PublicKey], Issued]) -> Issued:
        """Write both files: the key first, unless it exists, then the certificate issued for it.

        A command interrupted between the two can therefore be repeated.

        Raises:
            ConfigError: The certificate exists, or a file cannot be read or written.
        """
        if self.certificate.exists():
            raise ConfigError(
                f"{self.certificate} already exists and is not overwritten: `iphttps ca renew` replaces it, "
                "--out writes elsewhere"
            )
        if not self.key.exists():
            atomic_files.create(self.key, issuing.key_pem(issuing.new_key(kind)), atomic_files.PRIVATE)
        issued = issue(load_key(self.key).public_key())
        atomic_files.create(self.certificate, issued.certificate_pem)
        return issued


def check_same_key(path: Path, key: PublicKey) -> None:
    """Check that a path is free or holds a certificate of the given key, so that it may be overwritten.

    Raises:
        ConfigError: The file holds a certificate of another key, or no certificate.
    """
    if path.exists() and load_certificates(path)[0].public_key() != key:
        raise ConfigError(
            f"{path} holds a certificate for another key and is not overwritten: choose another file with --out"
        )
