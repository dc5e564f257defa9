"""Name resolution for a proxy auto-configuration file, in another process than the one that evaluates it.

The evaluating process then needs no sockets, and the resolving process runs nothing but the system's resolver. They
communicate over a socket pair, one JSON message for each question and each answer: a name, or null for the host's own
addresses, and a list of addresses.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  # used in look-ups: Python's files are unreadable after root is given up
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from ..process.parent_death import signal_at_parent_death
from .functions import Names, SystemNames

_QUESTION, _ANSWER = 4096, 1 << 16
"""Maximum bytes of a message."""

_LONGEST_NAME = 253
"""Maximum characters of a DNS name (RFC 1035 section 2.3.4)."""

_MOST_ADDRESSES = 200


class AskedNames:
    """Names resolved by the other process; if it has ended, no name has addresses."""

    def __init__(self, descriptor: int) -> None:
        """Take one end of the socket pair."""
        self._descriptor = descriptor
        self._known: dict[str | None, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, or an address itself; an empty list if there are none."""
        return self._asked(name) if len(name) <= _LONGEST_NAME + 1 else []

    def own(self) -> list[str]:
        """Return this host's source addresses towards the Internet, IPv4 first."""
        return self._asked(None)

    def _asked(self, what: str | None) -> list[str]:
        if what not in self._known:
            self._known[what] = self._ask(what)
        return self._known[what]

    def _ask(self, what: str | None) -> list[str]:
        try:
            # Not socket.send: the system call sendto is blocked.
            os.write(self._descriptor, json.dumps(what).encode("ascii"))
            return [str(each) for each in json.loads(os.read(self._descriptor, _ANSWER))]
        except (OSError, ValueError):
            return []


def start(prepare: Callable[[], None]) -> tuple[int, int]:
    """Start the resolver process; return a descriptor for questions, and the process id.

    The process first calls `prepare` to confine itself, and answers nothing if that raises. It ends when the descriptor
    is closed.

    Raises:
        OSError: The process cannot be created.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            for inherited in (0, 1, 2, ours.detach()):  # neither the daemon's pipes nor the evaluator's end
                os.close(inherited)
            prepare()
            # After the change of user, which resets it. Nothing else ends the process during a look-up.
            signal_at_parent_death(signal.SIGKILL)
            answer(its.fileno(), SystemNames())
        finally:
            os._exit(0)
    its.close()
    return ours.detach(), pid


def answer(descriptor: int, names: Names) -> None:
    """Answer questions, malformed ones too, until the other end is closed."""
    with suppress(OSError):
        while question := os.read(descriptor, _QUESTION):
            try:
                name = json.loads(question)
            except (ValueError, RecursionError):
                name = ""
            found = names.own() if name is None else names.addresses(name) if isinstance(name, str) else []
            os.write(descriptor, json.dumps(found[:_MOST_ADDRESSES]).encode("ascii"))
