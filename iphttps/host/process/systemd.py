"""Tells systemd how the daemon is doing (sd_notify(3)); where systemd did not start it, nobody is told."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Self


class ServiceManager:
    """The manager that has started this process, if it wants to hear of it.

    `watchdog` is after how many seconds without WATCHDOG=1 it takes the daemon for dead and ends it, or None.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """Know the manager by the address of its socket: a path, or with @ in front an abstract name (unix(7))."""
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self.watchdog = watchdog if self._address else None

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Self:
        """Return the manager that an environment names, and take it out of there: no child shall speak to it."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds = environment.pop("WATCHDOG_USEC", "")
        meant = environment.pop("WATCHDOG_PID", str(os.getpid()))
        ours = microseconds.isdecimal() and meant == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if ours else None)

    def __bool__(self) -> bool:
        """Tell whether there is anybody to be told."""
        return self._address is not None

    def tell(self, **words: str | int) -> bool:
        """Send these assignments, none with a line break in it; return whether they are under way.

        It never waits and never fails: a daemon does not end because nobody listens.
        """
        if self._address is None:
            return False
        message = "\n".join(f"{name}={value}" for name, value in words.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as ours:
                ours.sendto(message.encode(errors="replace"), self._address)
        except OSError:
            return False
        return True
