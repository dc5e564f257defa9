"""The DNS servers and search domains of the link, set in the host's resolver by a program."""

from __future__ import annotations

import os
from typing import ClassVar

from twisted.internet.defer import Deferred, succeed

from ....core.errors import ConfigError
from ....core.ip.rdnss import NO_NAMES, Names
from ....net.interfaces import IReactor
from ....net.log import logger
from .children import Child

LIMIT = 5.0
"""Time limit of one command in seconds."""

Command = tuple[list[str], bytes]
"""The arguments of a command, and its input."""


class DNSSettings:
    """The DNS settings of one interface; without a program to set them, they are only logged."""

    log = logger()
    service: ClassVar[str] = "the host's resolver"
    advice: ClassVar[str] = ""
    """The end of the log line about a rejection."""
    outlives: ClassVar[bool] = False
    """True if the settings outlive the interface, so that those of a killed daemon must be removed."""

    def __init__(self, reactor: IReactor, interface: str, program: str | None = None) -> None:
        self._reactor = reactor
        self._interface = interface
        self._program = program
        self._wanted = NO_NAMES
        self._set: Names | None = None if self.outlives else NO_NAMES
        self._busy = self._expected_to_fail = False
        self._output = ""
        self._complaint = ""
        self._waiting: list[Deferred[None]] = []

    def start(self) -> None:
        """Remove the settings of a killed daemon, if they can have outlived its interface."""
        if self._program and self._set is None:
            self._work()

    def offer(self, names: Names) -> None:
        """Set the DNS servers and domains of the interface; NO_NAMES removes them."""
        if names == self._wanted:
            return
        self._wanted = names
        if self._program:
            self._work()
        elif names:
            self.log.info(
                "the link has DNS servers {servers} and search domains {domains}; neither systemd-resolved nor "
                "resolvconf is here: apply them with an up script",
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

    def commands(self, interface: str, names: Names) -> list[Command]:
        """Return the commands that set these names for the interface, or remove its settings. Abstract."""
        raise NotImplementedError

    def _work(self) -> None:
        if self._busy:
            return
        if self._wanted == self._set:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)
            return
        # openresolv fails if there is nothing to remove.
        self._expected_to_fail = self._set is None and not self._wanted
        self._busy, self._set = True, self._wanted
        self._next(self.commands(self._interface, self._wanted))

    def _next(self, commands: list[Command]) -> None:
        """Run the commands in order; after a failure skip the rest, which would fail too."""
        if not commands:
            self._busy = False
            self._work()
            return
        assert self._program
        self._output = ""
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        arguments, given = commands[0]
        try:
            child = Child(self._reactor, [self._program, *arguments], environment, LIMIT, self._heard, given)
        except ConfigError as error:
            self._ended(str(error), [])
            return
        child.ended.addCallback(self._ended, commands[1:])

    def _heard(self, line: str) -> None:
        self._output = line

    def _ended(self, sentence: str, commands: list[Command]) -> None:
        complaint = f"{self._output or self.service} ({sentence})" if sentence else ""
        if self._expected_to_fail:
            complaint = ""
        elif complaint and complaint != self._complaint:
            self.log.warn(
                "{service} rejected the advertised DNS settings: {complaint}; {advice}",
                event="names-refused",
                service=self.service,
                complaint=complaint,
                advice=self.advice,
            )
        self._complaint = complaint or self._complaint
        self._next([] if sentence else commands)


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values)) or "(none)"
