"""Times in JSON; apart from the status, so that a command that lists certificates need not import the daemons."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(then: float) -> str:
    """Format a time in seconds since 1970 as ISO 8601, in UTC."""
    return datetime.fromtimestamp(then, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
