"""Stable interface identifiers (RFC 7217), which the kernel derives from a secret."""

from __future__ import annotations

import errno
from ipaddress import IPv6Address

from .settings import REFUSALS, read
from .undo import CONF

__all__ = ["keep_identifiers"]


def keep_identifiers(interface: str, secret: bytes | None) -> None:
    """Give an interface the secret of its identifiers, 16 bytes; this also sets addr_gen_mode to 2. None does nothing.

    Where /proc/sys is read-only the identifiers change with each device, as they do without a secret.

    Raises:
        OSError: IPv6 is disabled on the interface, or the interface is gone.
    """
    if secret is None:
        return
    setting, value = CONF / interface / "stable_secret", IPv6Address(secret)
    try:
        if IPv6Address(read(setting)) == value:
            return
    except OSError as error:
        if error.errno != errno.EIO and error.errno not in REFUSALS:  # EIO: there is none yet
            raise
    try:
        setting.write_text(str(value))
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
