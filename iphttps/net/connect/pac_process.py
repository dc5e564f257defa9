"""Evaluation of a proxy auto-configuration (PAC) file in a child process, with a time limit."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import ClassVar

from twisted.internet.defer import Deferred, fail

from ...core.errors import DiscoveryError
from ...core.text import ascii_only
from ..interfaces import Program, ProgramEnd, RunProgram
from ..log import logger
from .endpoints import URI

PROGRAM = ("-P", "-m", "iphttps.host.pac.evaluator")
"""Python's arguments. A module name, since net must not import host; -P keeps the working directory off the path."""

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    # An unresponsive name server must leave time to ask the next one (resolv.conf(5)).
    "RES_OPTIONS": "timeout:1 attempts:2",
}
SEARCH_PATHS = ("PYTHONPATH", "LD_LIBRARY_PATH")
PASSED_ON = (*SEARCH_PATHS, "TZ")
"""The variables passed on: Python's and the loader's search paths, and the time zone for `timeRange`."""

TIME_LIMIT = 5.0
"""Seconds for an evaluation, DNS lookups included."""

MAXIMUM_OUTPUT = 64 * 1024
"""Maximum output of the process in bytes; it normally writes far less."""

SHOWN = 300
"""Maximum characters of the process's error output that are shown."""


def evaluate(run: RunProgram, pac: str, uri: URI, time_limit: float = TIME_LIMIT) -> Deferred[str]:
    """Return the result of FindProxyForURL for a server; fails with DiscoveryError once the process has ended.

    The function gets a URL with the server's name and port but no path, as in browsers for https.
    """
    url = f"{'https' if uri.secure else 'http'}://{uri.authority}/"
    question = json.dumps({"pac": pac, "url": url, "host": uri.host}).encode("ascii")
    try:
        return _Evaluation(run, question, time_limit).answer
    except PermissionError:
        return fail(
            DiscoveryError(
                f"user ID {os.geteuid()} may not run {sys.executable} to evaluate it: install iphttps where the user "
                "given by `twistd --uid` may, as in /opt, or give the proxy with --proxy"
            )
        )
    except OSError as error:
        return fail(DiscoveryError(f"cannot run Python to evaluate it: {error.strerror}"))


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    for name in SEARCH_PATHS:
        if name in passed_on:  # the process does not start in our working directory
            passed_on[name] = os.pathsep.join(map(os.path.abspath, passed_on[name].split(os.pathsep)))
    return ENVIRONMENT | passed_on


class _Evaluation:
    log = logger()
    warned: ClassVar[bool] = False

    def __init__(self, run: RunProgram, question: bytes, time_limit: float) -> None:
        self._output = bytearray()
        self._complaint = b""
        self._program: Program = run(
            (sys.executable, *PROGRAM),
            _environment(),
            limit=time_limit,
            late=f"its evaluation took longer than {time_limit:g} seconds",
            output=self._take,
            errors=self._take_complaint,
            given=question,
        )
        # If it may not be killed (root without CAP_KILL), the process still ends by its own alarm.
        self.answer: Deferred[str] = Deferred(lambda answer: self._program.kill("its evaluation was cancelled"))
        self._program.ended.addCallback(self._finish)

    def _take(self, data: bytes) -> None:
        self._output += data
        if len(self._output) > MAXIMUM_OUTPUT:
            self._output.clear()
            self._program.kill("its evaluation wrote too much")

    def _take_complaint(self, data: bytes) -> None:
        self._complaint = (self._complaint + data)[-SHOWN:]

    def _finish(self, end: ProgramEnd) -> None:
        if self.answer.called:  # it was cancelled
            return
        try:
            self.answer.callback(self._read(end))
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

    def _read(self, end: ProgramEnd) -> str:
        if end.killed:
            raise DiscoveryError(end.killed)
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
        if -end.status in (signal.SIGKILL, signal.SIGXCPU):
            raise DiscoveryError("its evaluation exceeded the CPU time limit")
        words = self._complaint.strip().splitlines() or [_sentence(end.status).encode("ascii")]
        raise DiscoveryError(f"its evaluation failed: {ascii_only(words[-1])}")


def _sentence(status: int) -> str:
    if status == 0:
        return "A process has ended without apparent errors: process finished with exit code 0."
    how = f"by signal {-status}" if status < 0 else f"with exit code {status}"
    return f"A process has ended with a probable error condition: process ended {how}."
