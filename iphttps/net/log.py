"""The log: how much of it is written can change while the program runs, and nothing in it is more than text."""

from __future__ import annotations

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from ..core.identity import legible

LEVELS = ("debug", "info", "warn", "error", "critical")
"""What is written: things of this weight, and what weighs more."""


@implementer(ILogObserver)
class _Legible:
    """Passes events on with no character in them that does anything but be seen, whoever has put it there.

    It stands before all observers, so that this holds for a file, for syslog and for what a program makes of the log.
    """

    def __init__(self, following: ILogObserver) -> None:
        self._following = following

    def __call__(self, event: LogEvent) -> None:
        """Take an event."""
        for name, value in event.items():
            if isinstance(value, str) and not name.startswith("log_"):
                event[name] = legible(value)
        message = formatEvent(event)
        if not message.isprintable():  # something else than a string says it
            event["log_format"] = legible(message).replace("{", "{{").replace("}", "}}")
        self._following(event)


_threshold = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
_observer = FilteringLogObserver(_Legible(globalLogPublisher), [_threshold])


def logger() -> Logger:
    """Return a logger, which as a class's attribute takes the class's name."""
    # Not the name of this module, which Logger would find by looking at its caller.
    return Logger(namespace="iphttps", observer=_observer)


def set_level(level: str) -> None:
    """Write only what weighs at least so much from now on."""
    _threshold.setLogLevelForNamespace("iphttps", LogLevel.levelWithName(level))
