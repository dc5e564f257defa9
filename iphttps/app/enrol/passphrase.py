"""One-time passphrases for enrolments."""

from __future__ import annotations

import re
import secrets

from ...core.errors import ConfigError

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, without letters that look like digits: five bits each."""

GROUPS = 5
GROUP = 4

_MISREAD = str.maketrans("oil", "011")


def new_passphrase() -> str:
    """Return a passphrase of 100 random bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))


def read_passphrase(text: str) -> str:
    """Return the canonical form of a typed passphrase; raises ConfigError if it cannot be one."""
    typed = re.sub(r"[\s-]", "", text).lower().translate(_MISREAD)
    if len(typed) != GROUPS * GROUP or not set(typed) <= set(ALPHABET):
        raise ConfigError(
            "malformed passphrase: it is five groups of four digits and letters, such as 6wk7-74vp-d2ng-k4q8-xr3s; the "
            "letters i, l, o and u do not occur"
        )
    return "-".join(typed[start : start + GROUP] for start in range(0, len(typed), GROUP))
