"""Small programs that tests have run, and the reactor that runs them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

from twisted.internet import reactor
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from iphttps.app.daemon.process.child import RunningProgram
from iphttps.net.connect import pac_process
from iphttps.net.interfaces import IReactor

evaluate_pac = partial(pac_process.evaluate, partial(RunningProgram, cast(IReactor, reactor)))
"""Evaluate a PAC file in a child process."""


class ProgramCase(TestCase):
    """A test that runs programs."""

    def setUp(self) -> None:
        """Make a place for them, and listen to the log."""
        self.reactor = cast(IReactor, reactor)
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.logged: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            self.logged.append(formatEvent(event))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)

    def program(self, *lines: str, name: str = "program") -> Path:
        """Write a shell script."""
        path = self.directory / name
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)
        return path

    def note(self, name: str = "notes") -> Path:
        """Return where a program may write."""
        return self.directory / name
