"""The JSON log: one object per line, written to the log destination of `twistd`.

`docs/logs.md` documents its fields.
"""

from __future__ import annotations

import json
import syslog
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

from twisted.logger import FileLogObserver, ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from ...core.identity import legible
from .log_file import log_stream

OURS = "iphttps"
"""The prefix of our log namespaces; all others are Twisted's."""

_LEGACY = frozenset(("system", "format", "isError", "failure", "why"))
"""Keys that Twisted adds to an event for legacy observers."""

_PRIORITIES = {
    LogLevel.debug: syslog.LOG_DEBUG,
    LogLevel.info: syslog.LOG_INFO,
    LogLevel.warn: syslog.LOG_WARNING,
    LogLevel.error: syslog.LOG_ERR,
    LogLevel.critical: syslog.LOG_CRIT,
}


def json_line(event: LogEvent) -> str:
    """Return an event as JSON in printable ASCII, without a line ending.

    It never fails: a value that JSON cannot represent is written as text.
    """
    found = event.get("log_level") or LogLevel.info
    fixed = {
        "time": _time(event.get("log_time")),
        "level": found.name,
        "event": str(event.get("event", "twisted")),
        "message": formatEvent(event),
    }
    fields = {}
    if str(event.get("log_namespace", "")).split(".")[0] == OURS:
        fields = {name: plain(value) for name, value in event.items() if name[:4] != "log_" and name not in _LEGACY}
    if isinstance(failure := event.get("log_failure"), Failure):
        fields["traceback"] = failure.getTraceback()
    text = json.dumps(fixed | {name: value for name, value in fields.items() if name not in fixed})
    return text.replace("\x7f", "\\u007f")  # the only control character that JSON does not escape


def plain(value: object) -> Any:
    """Return a value as JSON types, its strings printable as in a message."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # JSON has no NaN either
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {legible(str(name)): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return legible(str(value))


def _time(seconds: float | None) -> str:
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_observer(twistd: Mapping[str, Any]) -> ILogObserver:
    """Return the observer that writes JSON lines to the log destination of `twistd`; raises ConfigError."""
    if twistd.get("syslog"):
        return _Syslog(str(twistd.get("prefix") or ""))
    return FileLogObserver(cast(TextIO, log_stream(twistd)), lambda event: json_line(event) + "\n")


@implementer(ILogObserver)
class _Syslog:
    """Writes JSON lines to syslog."""

    def __init__(self, prefix: str) -> None:
        syslog.openlog(prefix)

    def __call__(self, event: LogEvent) -> None:
        """Write an event."""
        syslog.syslog(_PRIORITIES.get(event.get("log_level"), syslog.LOG_INFO), json_line(event))
