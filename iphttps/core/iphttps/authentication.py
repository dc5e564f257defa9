"""The Authentication Mode of the server (3.2.1)."""

from __future__ import annotations

from enum import Enum

__all__ = ["AuthenticationMode"]


class AuthenticationMode(Enum):
    """Whether the server authenticates clients by their certificates (3.2.1)."""

    CERTIFICATES = "certificates"
    NONE = "none"
