"""The effective values of the options and their sources, as plain values for JSON."""

from __future__ import annotations

from typing import Any

from .options import DaemonOptions

HIDDEN = "***"


def effective(options: DaemonOptions) -> dict[str, Any]:
    """Return every option that a file can set; secrets are hidden."""
    return {
        "role": options.role,
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
    """Hide the user and password in a URL; only the URL of a proxy can contain them."""
    if not isinstance(value, str) or "@" not in value or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    return f"{scheme}://{HIDDEN}@{rest.rpartition('@')[2]}"
