"""The certificates that our authority has issued, as their files tell: whose they are, and what has become of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ...core.errors import ConfigError
from .. import atomic_files
from ..certificates import UNREADABLE, load_certificates
from ..certificates import names as alternative_names
from .issuing import Kind, PublicKey, kind_of

_SERIAL = re.compile(r"[0-9a-f]")

_EARLIEST = 1950  # RFC 5280 section 5.1.2.6: a list can name no year before


def whole_days(left: timedelta) -> int:
    """Return how many whole days a time is; negative if it is over."""
    return left // timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Record:
    """One certificate. `revoked` and `used` are when that happened first, or None."""

    serial: int
    name: str
    names: frozenset[str]
    """All that it can be called by: the name, and a server's other names."""
    kind: Kind
    not_before: datetime
    not_after: datetime
    revoked: datetime | None
    used: datetime | None
    certificate: x509.Certificate = field(repr=False)

    @property
    def shown_serial(self) -> str:
        """The serial number as people see it, and OpenSSL too."""
        text = f"{self.serial:X}"
        return text.zfill(len(text) + len(text) % 2)

    @property
    def public_key(self) -> PublicKey:
        """The key of its owner.

        Raises:
            ConfigError: If it is of a kind that we do not issue for.
        """
        key = self.certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise ConfigError(f"the certificate {self.shown_serial} has a key of another kind than RSA or ECDSA")
        return key

    def days_left(self, now: datetime) -> int:
        """Return how many whole days the certificate is still valid; negative once it has expired."""
        return whole_days(self.not_after - now)

    def state(self, now: datetime) -> str:
        """Return `revoked`, `expired` or `valid`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.not_after <= now else "valid"


def records(directory: Path) -> list[Record]:
    """Return all certificates of the directory.

    Raises:
        ConfigError: If one cannot be read.
    """
    return [load_record(path) for path in _files(directory, ".pem")]


def load_record(path: Path) -> Record:
    """Return the certificate of a file.

    Raises:
        ConfigError: If there is none, or if it cannot be one of ours.
    """
    if not path.exists():
        raise ConfigError(f"no certificate was issued with the serial number {path.stem.upper()}")
    try:
        found = load_certificates(path)[0]
        common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        others = alternative_names(found)
        name = str(common[0].value) if common else others[0]
        return Record(
            serial=found.serial_number,
            name=name,
            names=frozenset((name, *others)),
            kind=kind_of(found),
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            revoked=_moment(path.with_suffix(".revoked")),
            used=_moment(path.with_suffix(".used")),
            certificate=found,
        )
    except (IndexError, x509.ExtensionNotFound, *UNREADABLE) as error:
        raise ConfigError(f"{path} is damaged: restore it from a copy, or move it away") from error


def mark(directory: Path, serial: int, what: str, when: datetime) -> None:
    """Note when something happened to a certificate, unless it is noted already.

    Raises:
        ConfigError: ???
    """
    path = directory / f"{serial:x}.{what}"
    if not path.exists():
        atomic_files.write(path, f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode("ascii"))


def revoked(directory: Path) -> dict[int, Path]:
    """Return the serial numbers of what is revoked, even if its certificate is gone, and where that is noted."""
    found = {}
    for path in _files(directory, ".revoked"):
        try:
            found[int(path.stem, 16)] = path
        except ValueError as error:
            raise ConfigError(f"{path} is not named by a serial number: move it away") from error
    return found


def revocations(directory: Path) -> dict[int, datetime]:
    """Return the serial numbers of what is revoked, with the times."""
    found = ((serial, _moment(path)) for serial, path in revoked(directory).items())
    return {serial: when for serial, when in found if when}  # else removed this moment


def _files(directory: Path, suffix: str) -> list[Path]:
    """Return the files of serial numbers with a suffix.

    Not by Path.glob, which takes a directory that cannot be read for an empty one: no revocation may be lost.

    Raises:
        ConfigError: ???
    """
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise ConfigError(f"cannot read the directory {directory}: {error.strerror}") from error
    return [directory / name for name in names if _SERIAL.match(name) and name.endswith(suffix)]


def _moment(path: Path) -> datetime | None:
    """Return the time in a file, None if there is no file; of a damaged one its existence counts."""
    try:
        found = datetime.fromisoformat(path.read_text("ascii").strip()).astimezone(UTC)
        if found.year < _EARLIEST:
            raise ValueError(found)
        return found
    except FileNotFoundError:
        return None
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
