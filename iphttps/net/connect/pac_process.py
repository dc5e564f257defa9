"""Has a proxy auto-configuration file evaluated in a child process, for no longer than a time limit."""

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
"""What Python runs, by name, because this layer does not know that one; -P: nothing from the working directory."""

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    # A name server that is silent must leave time for the next one, and for an answer (resolv.conf(5)).
    "RES_OPTIONS": "timeout:1 attempts:2",
}
PASSED_ON = ("PYTHONPATH", "LD_LIBRARY_PATH", "TZ")
"""What Python may need to find our code and itself, and what o'clock it is for `timeRange`."""

TIME_LIMIT = 5.0
"""Seconds that an evaluation may take, look-ups of names included."""

MAXIMUM_OUTPUT = 64 * 1024
"""Bytes that the program may write; it writes far fewer."""

SHOWN = 300
"""Characters of the program's words that are shown."""


class IReactorPrograms(IReactorProcess, IReactorTime):
    """What running a program takes of the reactor."""


def evaluate(reactor: IReactorPrograms, pac: str, uri: URI, time_limit: float = TIME_LIMIT) -> Deferred[str]:
    """Return what FindProxyForURL answers for a server; fails with DiscoveryError when the process has ended.

    The file is told the server's name and port and not the path, as browsers do with https.
    """
    url = f"{'https' if uri.secure else 'http'}://{uri.authority}/"
    evaluation = _Evaluation(json.dumps({"pac": pac, "url": url, "host": uri.host}).encode("ascii"))
    environment = ENVIRONMENT | {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        # Of the descriptors the child has these three pipes only. That is spawnProcess's doing.
        reactor.spawnProcess(evaluation, sys.executable, (sys.executable, *PROGRAM), environment)
    except PermissionError:
        return fail(
            DiscoveryError(
                f"the user that this is (number {os.geteuid()}) may not run {sys.executable} to evaluate it: install "
                "iphttps where `twistd --uid` may, as in /opt, or name the proxy by --proxy"
            )
        )
    except OSError as error:
        return fail(DiscoveryError(f"Python cannot be run to evaluate it: {error.strerror}"))
    timer = reactor.callLater(time_limit, evaluation.end, f"it took more than {time_limit:g} seconds to answer")

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
        self.answer: Deferred[str] = Deferred(lambda answer: self.end("nobody wants to know any more"))
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
        """Kill the process; the reason counts once it is gone."""
        self._ended_for = self._ended_for or reason
        # Where root lacks the capability to kill others, the process still ends by its own alarm.
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
                "the process that evaluates PAC files is confined by {confined}, because {lacking} cannot be had on "
                "this kernel: name the proxy by --proxy, or start the daemon as root, if the file is not to be trusted",
                event="pac-unconfined",
                confined="its limits and its user alone" if len(known) != 1 else "only one of Landlock and seccomp",
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
            raise DiscoveryError("it took more than its share of the processor's time")
        words = self._complaint.strip().splitlines() or [str(reason.value).encode("utf-8", "replace")]
        raise DiscoveryError(f"its evaluation failed: {ascii_only(words[-1])}")
