"""A certificate and its key as the two files that `iphttps ca` hands out."""

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
    """Where a certificate and its key are, or will be."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, directory: Path, name: str) -> Self:
        """Return the pair of this name in a directory."""
        return cls(directory / f"{name}.pem", directory / f"{name}.key")

    def complete(self, kind: KeyKind, issue: Callable[[PublicKey], Issued]) -> Issued:
        """Make the two files: the key first, unless it is there already, and then the certificate issued for it.

        So a command that was cut off in between can be given once more.

        Raises:
            ConfigError: Above all if there is a certificate already.
        """
        if self.certificate.exists():
            raise ConfigError(
                f"{self.certificate} is there already, and is not overwritten: `iphttps ca renew` puts a new one "
                "there, --out writes elsewhere"
            )
        if not self.key.exists():
            atomic_files.create(self.key, issuing.key_pem(issuing.new_key(kind)), atomic_files.PRIVATE)
        issued = issue(load_key(self.key).public_key())
        atomic_files.create(self.certificate, issued.certificate_pem)
        return issued


def check_same_key(path: Path, key: PublicKey) -> None:
    """Raise ConfigError if another key's certificate, or anything else, is where one is about to be written."""
    if path.exists() and load_certificates(path)[0].public_key() != key:
        raise ConfigError(
            f"{path} is a certificate of another key, and is not overwritten: choose another file by --out"
        )
