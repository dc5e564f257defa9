"""Logging: loggers with a level that can change at run time, and without control characters in the output."""

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
"""The minimum log levels that can be set, lowest first."""


@implementer(ILogObserver)
class _Legible:
    """An observer that replaces non-printable characters, which a peer may have sent, and passes the event on.

    It runs before all other observers, so that files, syslog and programs that parse the log all get clean text.
    """

    def __init__(self, following: ILogObserver) -> None:
        self._following = following

    def __call__(self, event: LogEvent) -> None:
        """Clean an event and pass it on."""
        for name, value in event.items():
            if isinstance(value, str) and not name.startswith("log_"):
                event[name] = legible(value)
        message = formatEvent(event)
        if not message.isprintable():  # the characters come from a field that is not a string
            event["log_format"] = legible(message).replace("{", "{{").replace("}", "}}")
        self._following(event)


_threshold = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
_observer = FilteringLogObserver(_Legible(globalLogPublisher), [_threshold])


def logger() -> Logger:
    """Return a logger; as a class attribute it takes the class's name as its namespace."""
    # Given explicitly: Logger would take this module's name from its caller.
    return Logger(namespace="iphttps", observer=_observer)


def set_level(level: str) -> None:
    """Set the minimum log level, one of `LEVELS`."""
    _threshold.setLogLevelForNamespace("iphttps", LogLevel.levelWithName(level))
