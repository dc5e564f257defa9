"""The commented examples in etc/: the keys and their comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_KEY = re.compile(r"(?P<comment>#?)(?P<key>[a-z0-9-]+) = (?P<value>.*)")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the example: commented out with its default, or with an example value."""

    name: str
    value: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """The comment on one or several keys."""

    text: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """The example of a role, with all its entries."""

    role: str
    entries: tuple[Entry, ...]

    @classmethod
    def read(cls, role: str) -> Example:
        """Read the example of a server or a client."""
        blocks = (ROOT / "etc" / f"{role}.toml").read_text().strip().split("\n\n")
        entries = map(_entry, blocks)
        return cls(role, tuple(entry for entry in entries if entry.keys))

    @property
    def keys(self) -> list[Key]:
        """All keys, in the order of the file."""
        return [key for entry in self.entries for key in entry.keys]


def _entry(block: str) -> Entry:
    texts, keys = [], []
    for line in block.splitlines():
        found = _KEY.fullmatch(line)
        if found:
            keys.append(Key(found["key"], found["value"], bool(found["comment"])))
        else:
            texts.append(line.removeprefix("#").strip())
    return Entry(" ".join(texts), tuple(keys))
