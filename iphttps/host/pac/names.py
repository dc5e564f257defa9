"""Names for a proxy auto-configuration file, looked up by another process than the one that evaluates it.

So the process that runs the file needs no socket, and that which has sockets runs nothing but the system's resolver.
Between them is a pair of sockets with one message for each question and each answer, in JSON: a name, or null for the
host's own addresses, and a list of addresses.
"""

from __future__ import annotations

import ctypes
import encodings.idna  # noqa: F401  # for look-ups: nothing of Python's can be read once root is given up
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from .functions import Names, SystemNames

_QUESTION, _ANSWER = 4096, 1 << 16
"""Bytes of the longest messages."""

_LONGEST_NAME = 253
"""Characters of a name in the DNS (RFC 1035, 2.3.4)."""

_MOST_ADDRESSES = 200

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class AskedNames:
    """Names that the other process looks up; its end ends in names without addresses."""

    def __init__(self, descriptor: int) -> None:
        """Ask over one end of the pair."""
        self._descriptor = descriptor
        self._known: dict[str | None, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, or of an address itself; empty if it has none."""
        return self._asked(name) if len(name) <= _LONGEST_NAME + 1 else []

    def own(self) -> list[str]:
        """Return this host's addresses towards the rest of the world, IPv4 first."""
        return self._asked(None)

    def _asked(self, what: str | None) -> list[str]:
        if what not in self._known:
            self._known[what] = self._ask(what)
        return self._known[what]

    def _ask(self, what: str | None) -> list[str]:
        try:
            # Not by socket.send: the system call sendto is given up.
            os.write(self._descriptor, json.dumps(what).encode("ascii"))
            return [str(each) for each in json.loads(os.read(self._descriptor, _ANSWER))]
        except (OSError, ValueError):
            return []


def start(prepare: Callable[[], None]) -> tuple[int, int]:
    """Start the process that looks names up; return a descriptor to ask it over, and its number.

    It calls `prepare` before the first question, to confine itself, and answers nothing if that raises. It ends with
    the other end of the pair. Raises OSError if there can be no process.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            for inherited in (0, 1, 2, ours.detach()):  # the daemon waits until nobody has the pipes any more
                os.close(inherited)
            prepare()
            # After the change of user, which undoes it: in the middle of a look-up nothing else would end it.
            ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
            answer(its.fileno(), SystemNames())
        finally:
            os._exit(0)
    its.close()
    return ours.detach(), pid


def answer(descriptor: int, names: Names) -> None:
    """Answer questions until there are no more, whatever they say."""
    with suppress(OSError):
        while question := os.read(descriptor, _QUESTION):
            try:
                name = json.loads(question)
            except (ValueError, RecursionError):
                name = ""
            found = names.own() if name is None else names.addresses(name) if isinstance(name, str) else []
            os.write(descriptor, json.dumps(found[:_MOST_ADDRESSES]).encode("ascii"))
