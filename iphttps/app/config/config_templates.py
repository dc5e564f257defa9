"""Configuration files written by commands: the commented examples of `etc/`, with values filled in.

Therefore each generated file has the same comments as the example, and stays up to date with it.
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
    """Return the example with these values, for this path; all other keys are commented out.

    Raises ValueError if a key is not in the example, which is a bug.
    """
    text = example(role).replace(f"/etc/iphttps/{role}.toml", path)
    # Keys that the example sets are examples, too.
    text = re.sub(r"^(?=[a-z])", "#", text, flags=re.MULTILINE)
    for key, value in values.items():
        line = f"{key} = {toml(value)}".replace("\\", r"\\")
        text, found = re.subn(rf"^#{re.escape(key)} = .*$", line, text, flags=re.MULTILINE)
        if found != 1:
            raise ValueError(f"the example for a {role} has {key} {found} times")
    return text


def toml(value: Value) -> str:
    """Return a value in TOML syntax."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON strings are TOML strings, except for one character; encoding rejects a lone surrogate.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f").encode("utf-8").decode("utf-8")
    return f"[{', '.join(map(toml, value))}]"
