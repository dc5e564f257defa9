"""Withholds a login that peers have rejected, because directories lock an account after a few wrong passwords.

A client that retries every 30 seconds would lock its own account. The peers are web proxies and SSTP servers.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["MAXIMUM_REJECTIONS", "PAUSE", "LoginLockout"]

PAUSE = 900.0
"""Seconds for which a rejected login is not sent to that peer again, unless it changes."""

MAXIMUM_REJECTIONS = 2
"""Number of rejections by different peers after which no peer gets the login: they may use the same directory."""

Peer = TypeVar("Peer", bound=Hashable)
Shown = TypeVar("Shown", bound=Hashable)


class LoginLockout(Generic[Peer, Shown]):
    """The logins that peers have rejected, each with the time until which it is withheld.

    A login is any value that compares equal for equal logins; it may hold a password and is never logged.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._rejected: dict[Peer, tuple[Shown, float]] = {}

    def remaining(self, peer: Peer, login: Shown, now: float) -> float:
        """Return the seconds for which the login must still not be sent to the peer; 0 if it may be sent."""
        waits = {by: until - now for by, (shown, until) in self._rejected.items() if shown == login and until > now}
        if len(waits) >= MAXIMUM_REJECTIONS:
            return waits.get(peer, min(waits.values()))
        return waits.get(peer, 0.0)

    def has_rejected(self, peer: Peer, login: Shown) -> bool:
        """Return True if this peer itself has rejected the login."""
        return peer in self._rejected and self._rejected[peer][0] == login

    def rejected(self, peer: Peer, login: Shown, now: float) -> None:
        """Note that the peer has rejected the login."""
        # A proxy auto-configuration file may name different proxies each time, so expired entries are removed.
        self._rejected = {by: (shown, until) for by, (shown, until) in self._rejected.items() if until > now}
        self._rejected[peer] = login, now + self._pause

    def accepted(self, peer: Peer) -> None:
        """Note that the peer has accepted a login."""
        self._rejected.pop(peer, None)

    def __len__(self) -> int:
        return len(self._rejected)
