"""Configures systemd-resolved with the DNS servers and search domains of the link, using resolvectl(1)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from twisted.internet.defer import Deferred, succeed

from ....core.errors import ConfigError
from ....core.ip.rdnss import NO_NAMES, Names
from ....net.interfaces import IReactor
from ....net.log import logger
from .children import Child

RUNTIME = Path("/run/systemd/resolve")
"""The runtime directory of systemd-resolved, which exists while it runs."""

LIMIT = 5.0
"""Time limit of one command in seconds."""


def resolvectl() -> str | None:
    """Return the path of resolvectl, or None if systemd-resolved is not running."""
    return shutil.which("resolvectl") if RUNTIME.is_dir() else None


class Resolved:
    """The DNS settings of one interface in systemd-resolved; without it, they are only logged."""

    log = logger()

    def __init__(self, reactor: IReactor, interface: str, program: str | None) -> None:
        self._reactor = reactor
        self._interface = interface
        self._program = program
        self._wanted = self._told = NO_NAMES
        self._busy = False
        self._last_words = ""
        self._complaint = ""
        self._waiting: list[Deferred[None]] = []

    def offer(self, names: Names) -> None:
        """Set the DNS servers and domains of the interface; NO_NAMES reverts them."""
        if names == self._wanted:
            return
        self._wanted = names
        if self._program:
            self._work()
        elif names:
            self.log.info(
                "the link has DNS servers {servers} and search domains {domains}; systemd-resolved is "
                "not running here: apply them with an up script",
                event="names-unused",
                servers=_listed(names.servers),
                domains=_listed(names.domains),
            )

    def idle(self) -> Deferred[None]:
        """Return a Deferred that fires when no command is running or pending."""
        if not self._busy:
            return succeed(None)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def _work(self) -> None:
        if self._busy:
            return
        if self._wanted == self._told:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)
            return
        self._busy, self._told = True, self._wanted
        self._next(self._commands(self._told))

    def _commands(self, names: Names) -> list[list[str]]:
        if not names:
            return [["revert", self._interface]]
        # An empty argument clears the previous setting.
        servers, domains = [str(server) for server in names.servers] or [""], list(names.domains) or [""]
        return [["dns", self._interface, *servers], ["domain", self._interface, *domains]]

    def _next(self, commands: list[list[str]]) -> None:
        """Run the commands in order; after a failure skip the rest, which would fail too."""
        if not commands:
            self._busy = False
            self._work()
            return
        assert self._program
        self._last_words = ""
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        try:
            child = Child(self._reactor, [self._program, *commands[0]], environment, LIMIT, self._heard)
        except ConfigError as error:
            self._ended(str(error), [])
            return
        child.ended.addCallback(self._ended, commands[1:])

    def _heard(self, line: str) -> None:
        self._last_words = line

    def _ended(self, sentence: str, commands: list[list[str]]) -> None:
        complaint = f"{self._last_words or 'resolvectl'} ({sentence})" if sentence else ""
        if complaint and complaint != self._complaint:
            self.log.warn(
                "systemd-resolved rejected the advertised DNS settings: {complaint}; a user other than root needs a "
                "polkit rule, see Names in docs/client.md",
                event="names-refused",
                complaint=complaint,
            )
        self._complaint = complaint or self._complaint
        self._next([] if sentence else commands)


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values)) or "(none)"
