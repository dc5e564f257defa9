"""Evaluation of a proxy auto-configuration (PAC) file in a child process, with a time limit."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import ClassVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ...core.errors import DiscoveryError
from ...core.text import ascii_only
from ..log import logger
from .endpoints import URI

PROGRAM = ("-P", "-m", "iphttps.host.pac.evaluator")
"""Python's arguments. A module name, since net must not import host; -P keeps the working directory off the path."""

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    # An unresponsive name server must leave time to ask the next one (resolv.conf(5)).
    "RES_OPTIONS": "timeout:1 attempts:2",
}
PASSED_ON = ("PYTHONPATH", "LD_LIBRARY_PATH", "TZ")
"""The variables passed on: Python's and the loader's search paths, and the time zone for `timeRange`."""

TIME_LIMIT = 5.0
"""Seconds for an evaluation, DNS lookups included."""

MAXIMUM_OUTPUT = 64 * 1024
"""Maximum output of the process in bytes; it normally writes far less."""

SHOWN = 300
"""Maximum characters of the process's error output that are shown."""


class IReactorPrograms(IReactorProcess, IReactorTime):
    """A reactor that can run processes and timers."""


def evaluate(reactor: IReactorPrograms, pac: str, uri: URI, time_limit: float = TIME_LIMIT) -> Deferred[str]:
    """Return the result of FindProxyForURL for a server; fails with DiscoveryError once the process has ended.

    The function gets a URL with the server's name and port but no path, as in browsers for https.
    """
    url = f"{'https' if uri.secure else 'http'}://{uri.authority}/"
    evaluation = _Evaluation(json.dumps({"pac": pac, "url": url, "host": uri.host}).encode("ascii"))
    environment = ENVIRONMENT | {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        # spawnProcess closes all descriptors in the child but the three pipes.
        reactor.spawnProcess(evaluation, sys.executable, (sys.executable, *PROGRAM), environment)
    except PermissionError:
        return fail(
            DiscoveryError(
                f"user ID {os.geteuid()} may not run {sys.executable} to evaluate it: install iphttps where the user "
                "given by `twistd --uid` may, as in /opt, or give the proxy with --proxy"
            )
        )
    except OSError as error:
        return fail(DiscoveryError(f"cannot run Python to evaluate it: {error.strerror}"))
    timer = reactor.callLater(time_limit, evaluation.end, f"its evaluation took longer than {time_limit:g} seconds")

    def settled(result: str | Failure) -> str | Failure:
        if timer.active():
            timer.cancel()
        return result

    return evaluation.answer.addBoth(settled)


class _Evaluation(ProcessProtocol):
    log = logger()
    transport: IProcessTransport
    warned: ClassVar[bool] = False

    def __init__(self, question: bytes) -> None:
        self.answer: Deferred[str] = Deferred(lambda answer: self.end("its evaluation was cancelled"))
        self._question = question
        self._output = bytearray()
        self._complaint = b""
        self._ended_for: str | None = None

    def connectionMade(self) -> None:
        self.transport.write(self._question)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._output += data
        if len(self._output) > MAXIMUM_OUTPUT:
            self._output.clear()
            self.end("its evaluation wrote too much")

    def errReceived(self, data: bytes) -> None:
        self._complaint = (self._complaint + data)[-SHOWN:]

    def end(self, reason: str) -> None:
        """Kill the process; `answer` fails with the reason once it has ended."""
        self._ended_for = self._ended_for or reason
        # If the signal is not permitted (root without CAP_KILL), the process still ends by its own alarm.
        with suppress(ProcessExitedAlready, OSError):
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        if self.answer.called:  # it was cancelled
            return
        try:
            self.answer.callback(self._read(reason))
        except DiscoveryError as error:
            self.answer.errback(error)

    @classmethod
    def _warn(cls, lacking: object) -> None:
        if not cls.warned:
            cls.warned = True
            known = [each for each in ("Landlock", "seccomp") if isinstance(lacking, list) and each in lacking]
            cls.log.warn(
                "the process that evaluates PAC files is confined by {confined}, because the kernel does not support "
                "{lacking}: if the file is not trusted, give the proxy with --proxy, or start the daemon as root",
                event="pac-unconfined",
                confined="its limits and its user only" if len(known) != 1 else "only one of Landlock and seccomp",
                lacking=" and ".join(known) or "its confinement",
            )

    def _read(self, reason: Failure) -> str:
        if self._ended_for:
            raise DiscoveryError(self._ended_for)
        try:
            match json.loads(self._output):
                case {"answer": str(answer), **others}:
                    if "unconfined" in others:
                        self._warn(others["unconfined"])
                    return answer
                case {"error": str(error)}:
                    raise DiscoveryError(ascii_only(error.encode("utf-8", "replace"))[:SHOWN])
        except (ValueError, RecursionError):
            pass
        killed_by = getattr(reason.value, "signal", None)
        if killed_by in (signal.SIGKILL, signal.SIGXCPU):
            raise DiscoveryError("its evaluation exceeded the CPU time limit")
        words = self._complaint.strip().splitlines() or [str(reason.value).encode("utf-8", "replace")]
        raise DiscoveryError(f"its evaluation failed: {ascii_only(words[-1])}")
