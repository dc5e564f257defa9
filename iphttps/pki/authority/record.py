"""The records of certificates issued by our authority, and the marker files for their revocation and first use."""

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
from ..certificates import UNREADABLE, alternative_names, load_certificates
from .issuing import Kind, PublicKey, kind_of

_SERIAL = re.compile(r"[0-9a-f]")

_EARLIEST = 1950  # RFC 5280 section 5.1.2.6: the earliest year that a list can encode


def whole_days(left: timedelta) -> int:
    """Return a duration in whole days, rounded down; negative for a negative duration."""
    return left // timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Record:
    """One issued certificate. `revoked` and `used` are the times of revocation and first use, or None."""

    serial: int
    name: str
    names: frozenset[str]
    """All names that select this certificate: `name` and the alternative names."""
    kind: Kind
    not_before: datetime
    not_after: datetime
    revoked: datetime | None
    used: datetime | None
    certificate: x509.Certificate = field(repr=False)

    @property
    def shown_serial(self) -> str:
        """The serial number in OpenSSL's format: upper-case hexadecimal with an even number of digits."""
        text = f"{self.serial:X}"
        return text.zfill(len(text) + len(text) % 2)

    @property
    def public_key(self) -> PublicKey:
        """The certificate's public key.

        Raises:
            ConfigError: The key is neither RSA nor ECDSA.
        """
        key = self.certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise ConfigError(f"the key of certificate {self.shown_serial} is neither RSA nor ECDSA")
        return key

    def days_left(self, now: datetime) -> int:
        """Return the remaining validity in whole days; negative once the certificate has expired."""
        return whole_days(self.not_after - now)

    def state(self, now: datetime) -> str:
        """Return `revoked`, `expired` or `valid`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.not_after <= now else "valid"


def records(directory: Path) -> list[Record]:
    """Return the records of all certificates in a directory.

    Raises:
        ConfigError: The directory or a certificate cannot be read.
    """
    return [load_record(path) for path in _files(directory, ".pem")]


def load_record(path: Path) -> Record:
    """Return the record of the certificate in a file, with its marker files.

    Raises:
        ConfigError: The file does not exist, cannot be read, or does not hold a certificate of our authority.
    """
    if not path.exists():
        raise ConfigError(f"no certificate has been issued with the serial number {path.stem.upper()}")
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
        raise ConfigError(f"{path} is damaged: restore it from a backup, or move it away") from error


def write_marker(directory: Path, serial: int, what: str, when: datetime) -> None:
    """Write the marker file SERIAL.`what` with a time, unless it exists.

    Raises:
        ConfigError: The file cannot be written.
    """
    path = directory / f"{serial:x}.{what}"
    if not path.exists():
        atomic_files.write(path, f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode("ascii"))


def revocation_markers(directory: Path) -> dict[int, Path]:
    """Return the marker file of each revoked serial number, even if the certificate's file is gone.

    Raises:
        ConfigError: The directory cannot be read, or a marker file is not named by a serial number.
    """
    found = {}
    for path in _files(directory, ".revoked"):
        try:
            found[int(path.stem, 16)] = path
        except ValueError as error:
            raise ConfigError(f"the name of {path} is not a serial number: move it away") from error
    return found


def revocations(directory: Path) -> dict[int, datetime]:
    """Return the time of revocation of each revoked serial number.

    Raises:
        ConfigError: The directory or a marker file cannot be read, or a marker file is not named by a serial number.
    """
    found = ((serial, _moment(path)) for serial, path in revocation_markers(directory).items())
    return {serial: when for serial, when in found if when}  # None: the file has just been removed


def _files(directory: Path, suffix: str) -> list[Path]:
    """Return the files SERIAL.suffix of a directory.

    Path.glob is not used, because it treats an unreadable directory as empty: no revocation may be lost.

    Raises:
        ConfigError: The directory cannot be read.
    """
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise ConfigError(f"cannot read the directory {directory}: {error.strerror}") from error
    return [directory / name for name in names if _SERIAL.match(name) and name.endswith(suffix)]


def _moment(path: Path) -> datetime | None:
    """Return the time in a marker file, or None if there is no file; of a damaged file, its modification time."""
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
