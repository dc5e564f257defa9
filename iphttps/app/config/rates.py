"""Maximum rates in options and files: in bit/s, with decimal units as network equipment has them, such as 20M."""

from __future__ import annotations

import re
from decimal import Decimal

from ...core.errors import ConfigError
from ...core.queues.rate import MaxRate
from .kinds import Locate, Raw, quoted

__all__ = ["WANTED", "Rate", "max_rate", "written"]

LOWEST, HIGHEST = 100_000, 10**12

WANTED = "a rate in bit/s from 100k to 1T, such as 20M or 1.5G, or 0 for no limit"

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_RATE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)(?P<unit>[kmgtKMGT]?)")


def max_rate(value: object) -> MaxRate:
    """Return the maximum rate, which is the same in both directions; it is text, or from a file a number, too.

    Raises:
        ValueError: It is not WANTED.
    """
    found = _RATE.fullmatch(_text(value))
    bits = int(Decimal(found["number"]) * _UNITS[found["unit"].upper()]) if found else -1
    if bits and not LOWEST <= bits <= HIGHEST:
        raise ValueError(WANTED)
    return MaxRate(bits, bits)


def _text(value: object) -> str:
    """Return a string or a number as text; others become empty, which is no rate."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)  # raises ValueError for a number with too many digits


def written(bits: int) -> str:
    """Return a rate as options and files have it, in the largest unit of which it is a multiple with two decimals."""
    for unit, size in reversed(_UNITS.items()):
        if bits >= size and bits * 100 % size == 0:
            return f"{(Decimal(bits) / size).normalize():f}{unit.replace('K', 'k')}"
    return str(bits)


class Rate:
    """A maximum rate."""

    wanted = 'a rate, such as "20M"'
    shown = WANTED

    def taken(self, value: object) -> Raw:
        """Take a string or a number."""
        try:
            text = _text(value)
        except ValueError as error:
            raise TypeError from error
        if not text and value != "":
            raise TypeError
        return text

    def parse(self, name: str, raw: Raw, locate: Locate) -> MaxRate:
        """Return the maximum rate."""
        try:
            return max_rate(raw)
        except ValueError as error:
            raise ConfigError(f"--{name} takes {WANTED}, not {quoted(raw)}") from error
