"""Interfaces that net requires: the reactor, a packet device, and child processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorSocket,
    IReactorTime,
    IReactorUDP,
)

from ..core.counters import Counters
from ..core.ip.batch import Batch

__all__ = ["IReactor", "PacketDevice", "Program", "ProgramEnd", "RunProgram"]


class IReactor(IReactorCore, IReactorTime, IReactorFDSet, IReactorSocket, IReactorFromThreads, IReactorUDP):
    """The reactor interfaces that net uses; every Twisted reactor on Linux provides them."""


class PacketDevice(Protocol):
    """A non-blocking device that exchanges IPv6 packets with the kernel.

    `counters` counts packets from and to the kernel, and drops. `offload` lists the protocols for which the device uses
    segmentation offload, which is invisible to its users.
    """

    name: str
    counters: Counters
    offload: tuple[str, ...]

    def fileno(self) -> int:
        """Return the file descriptor, which is readable when packets are waiting."""

    def read(self) -> Batch:
        """Return waiting packets, up to the device's limit; an empty batch if there are none.

        Raises:
            OSError: The device is gone.
        """

    def write(self, batch: Batch) -> None:
        """Write each packet to the kernel whole, or drop and count it."""

    def close(self) -> None:
        """Close the device; the kernel removes it with its addresses and routes."""


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """The exit status of a program."""

    status: int
    """The exit status, or the negative number of the signal that ended the program."""

    killed: str = ""
    """The reason for which it was killed by us, empty if it was not."""


class Program(Protocol):
    """A running program; `ended` fires when it has ended and all of its output has been passed on."""

    ended: Deferred[ProgramEnd]

    def kill(self, why: str) -> None:
        """Kill it with its children; `ended` then fires with the first reason given."""


class RunProgram(Protocol):
    """A function that starts a program.

    The program gets the given environment variables only, no descriptors but its standard ones, and a session of its
    own. It is killed after `limit` seconds, for the reason `late`.
    """

    def __call__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        limit: float,
        late: str,
        output: Callable[[bytes], None],
        errors: Callable[[bytes], None] | None = None,
        given: bytes = b"",
    ) -> Program:
        """Start a program with `given` as its input.

        `output` gets each piece of its output, and `errors` of its error output; without `errors`, `output` gets both.

        Raises:
            OSError: The program cannot be run.
        """
