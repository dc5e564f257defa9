"""Signals while a daemon still imports its modules."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from iphttps.app.daemon.process import stop_signals

_STRUCK = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is begun with SIGINT ignored
from importlib.abc import MetaPathFinder

class Striking(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "iphttps.app." + sys.argv[-1]:
            os.kill(os.getpid(), int(sys.argv[-2]))

sys.meta_path.insert(0, Striking())
sys.argv[1:1] = ["-n", "--pidfile="]
from twisted.scripts.twistd import run
run()
"""
"""twistd that gets a signal at the moment when a module of ours is imported."""


class ImportTests(SynchronousTestCase):
    """The process ends at once, and quietly, as nothing has been done to the host yet."""

    def ended(self, command: str, number: int, module: str) -> None:
        """Check how a command of twistd ends that gets a signal when it imports a module."""
        words = (sys.executable, "-c", _STRUCK, command, str(number), module)
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((-number, "", ""), (done.returncode, done.stdout, done.stderr))

    def test_interrupted(self) -> None:
        """Ctrl-C is neither swallowed nor a traceback, and ends a daemon as SIGTERM does."""
        self.ended("iphttps-server", signal.SIGINT, "daemon.server")
        self.ended("iphttps-client", signal.SIGINT, "config.client_options")
        self.ended("iphttps-server", signal.SIGTERM, "config.server_options")


class TakeOverTests(SynchronousTestCase):
    """The signal handling of `StopSignals`."""

    def test_python_s_own(self) -> None:
        """The handler that Twisted replaces is put back before the reactor runs; one that ignores stays."""

        class Reactor:
            def callWhenRunning(self, call: object) -> None:
                pass

        before = signal.getsignal(signal.SIGINT)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        for found, left in ((signal.SIG_DFL, signal.default_int_handler), (signal.SIG_IGN, signal.SIG_IGN)):
            signal.signal(signal.SIGINT, found)
            stop_signals.StopSignals(cast(Any, Reactor()))
            self.assertEqual(left, signal.getsignal(signal.SIGINT))
