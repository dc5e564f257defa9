"""One-time passphrases: made for one enrolment, told by voice or typed once."""

from __future__ import annotations

import re
import secrets

from ...core.errors import ConfigError

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Digits and letters without those that look like others (Crockford's base 32): five bits each."""

GROUPS = 5
GROUP = 4

_MISREAD = str.maketrans("oil", "011")


def new_passphrase() -> str:
    """Return a passphrase of 100 random bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))


def read_passphrase(text: str) -> str:
    """Return a passphrase as it was made from what a person has typed; raises ConfigError if it cannot be one."""
    typed = re.sub(r"[\s-]", "", text).lower().translate(_MISREAD)
    if len(typed) != GROUPS * GROUP or not set(typed) <= set(ALPHABET):
        raise ConfigError(
            f"that is not a passphrase: it has {GROUPS} groups of {GROUP} letters and digits, such as `iphttps enrol` "
            "has shown once"
        )
    return "-".join(typed[start : start + GROUP] for start in range(0, len(typed), GROUP))
