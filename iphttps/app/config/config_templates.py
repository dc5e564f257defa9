"""Configurations that commands write: the commented examples of `etc/`, with values put in.

So a configuration explains itself as the example does, and cannot lag behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

Value = str | bool | Sequence[str]


def example(role: str) -> str:
    """Return the commented example for a server or a client."""
    return (files(__package__) / "examples" / f"{role}.toml").read_text(encoding="utf-8")


def configuration(role: str, path: str, values: Mapping[str, Value]) -> str:
    """Return the example with these values, to stand at this path; what has no value here stands commented out.

    Each key must stand in the example: raises ValueError, which is a bug, if one does not.
    """
    text = example(role).replace(f"/etc/iphttps/{role}.toml", path)
    # What the example sets is an example, too.
    text = re.sub(r"^(?=[a-z])", "#", text, flags=re.MULTILINE)
    for key, value in values.items():
        line = f"{key} = {toml(value)}".replace("\\", r"\\")
        text, found = re.subn(rf"^#{re.escape(key)} = .*$", line, text, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"the example for a {role} has {key} {found} times")
    return text


def toml(value: Value) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's strings are TOML's, but for one character; and a lone surrogate is no text.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f").encode("utf-8").decode("utf-8")
    return f"[{', '.join(map(toml, value))}]"
