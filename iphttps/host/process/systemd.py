"""Notifies systemd of the daemon's state (sd_notify(3)), if systemd started it."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import Self


class ServiceManager:
    """The service manager that started this process, if it accepts notifications.

    `watchdog` is its timeout in seconds for WATCHDOG=1, after which it kills the daemon, or None.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """Take the address of the manager's socket: a path, or an abstract name after an @ (unix(7))."""
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self.watchdog = watchdog if self._address else None

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Self:
        """Return the manager named in an environment and remove it there, so that child processes cannot notify it."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds = environment.pop("WATCHDOG_USEC", "")
        meant = environment.pop("WATCHDOG_PID", str(os.getpid()))
        ours = microseconds.isdecimal() and meant == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if ours else None)

    def __bool__(self) -> bool:
        """Tell whether there is a manager."""
        return self._address is not None

    def tell(self, **words: str | int) -> bool:
        """Send these assignments, none with a line break in it; tell whether they were sent.

        Never blocks and never raises: a missing listener must not end the daemon.
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
