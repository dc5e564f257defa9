"""Times in JSON; a module of their own, so that a command that lists certificates does not import the daemons."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(then: float) -> str:
    """Format a time, in seconds since 1970, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
