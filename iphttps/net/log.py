"""The log: how much of it is written can change while the program runs."""

from __future__ import annotations

from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)

LEVELS = ("debug", "info", "warn", "error", "critical")
"""What is written: things of this weight, and what weighs more."""

_threshold = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
_observer = FilteringLogObserver(globalLogPublisher, [_threshold])


def logger() -> Logger:
    """Return a logger, which as a class's attribute takes the class's name."""
    # Not the name of this module, which Logger would find by looking at its caller.
    return Logger(namespace="iphttps", observer=_observer)


def set_level(level: str) -> None:
    """Write only what weighs at least so much from now on."""
    _threshold.setLogLevelForNamespace("iphttps", LogLevel.levelWithName(level))
