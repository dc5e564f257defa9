"""The Authentication Mode of the server (3.2.1)."""

from __future__ import annotations

from enum import Enum

__all__ = ["AuthenticationMode"]


class AuthenticationMode(Enum):
    """The authentication mode of the server: client certificates or none (3.2.1)."""

    CERTIFICATES = "certificates"
    NONE = "none"

    @property
    def on_link(self) -> bool:
        """True if the prefix is on-link: in mode None clients cannot resolve each other's addresses (3.2.5.2.2)."""
        return self is AuthenticationMode.CERTIFICATES
