"""The values of the options, and where each comes from, as plain values that become JSON."""

from __future__ import annotations

from typing import Any

from .options import DaemonOptions

HIDDEN = "***"


def effective(options: DaemonOptions) -> dict[str, Any]:
    """Return every option that can stand in a file; secrets are hidden."""
    return {
        "role": options.command.removeprefix("iphttps-"),
        "options": [
            {
                "key": key,
                "value": bool(options[key]) if row.is_flag else _shown(options[key]),
                "source": options.source(key).kind,
                "file": (file := options.source(key).file) and str(file),
                "line": options.source(key).line,
            }
            for key, row in options.table.items()
        ],
    }


def _shown(value: object) -> object:
    """Hide a user and a password in a URL: that of a proxy is the only option in which they can stand."""
    if not isinstance(value, str) or "@" not in value or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    return f"{scheme}://{HIDDEN}@{rest.rpartition('@')[2]}"
