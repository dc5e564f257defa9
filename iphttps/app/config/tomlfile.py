"""A TOML file of options: its values, and the line on which each of its keys stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError
from ...core.text import text_of

_PLACE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_ENDINGS = ("]", '"""', "'''")
"""One of these stands in the last line of a value that has several."""


class Problem(ConfigError):
    """What is wrong with an option, and where it stands: in a file, or where `file` is None on the command line."""

    def __init__(
        self, sentence: str, key: str | None = None, file: Path | None = None, line: int | None = None, column: int = 0
    ) -> None:
        self.sentence, self.key, self.file, self.line, self.column = sentence, key, file, line, column
        super().__init__(f"{self.where}: {sentence}" if file else sentence)

    @property
    def where(self) -> str:
        """The file, the line and the column, as far as they are known, in the way of compilers."""
        parts = (self.file, self.line, self.column)
        return ":".join(str(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of an option comes from: what that is, and the place in the file if it is one."""

    kind: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.kind


DEFAULT, COMMAND_LINE, CONTROL = Source("default"), Source("command line"), Source("control socket")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """What a file holds."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    """The line on which each key begins; the first line is 1."""

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read a file; raises Problem if that cannot be, or if it is not TOML."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Problem(f"--config: cannot read {path}: {error.strerror}", "config") from error
        return cls.of(path, content)

    @classmethod
    def of(cls, path: Path, content: bytes) -> TomlFile:
        """Return what the content of the file at `path` says; raises Problem if it is not TOML."""
        try:
            text = text_of(content)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise Problem("not TOML: it must be UTF-8 throughout", None, path, line) from error
        try:
            return cls(path, loads(text), key_lines(text))
        except tomllib.TOMLDecodeError as error:
            place = _PLACE.fullmatch(str(error))
            if place is None:
                what, line, column = str(error).replace(" (at end of document)", ""), text.count("\n") + 1, 0
            else:
                what, line, column = place["what"], int(place["line"]), int(place["column"])
            raise Problem(f"not TOML: {what[:1].lower()}{what[1:]}", None, path, line, column) from error


def loads(text: str) -> dict[str, Any]:
    """Return what a TOML document holds.

    Raises:
        tomllib.TOMLDecodeError: if it is none, or one that Python cannot hold.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("it is nested too deeply (at end of document)") from error
    except ValueError as error:  # Python bounds the digits of a number
        raise tomllib.TOMLDecodeError("a number has too many digits (at end of document)") from error


def loosely(path: Path) -> dict[str, Any]:
    """Return what a file holds, nothing if that cannot be read: to complain of it is for others."""
    try:
        return loads(text_of(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def key_lines(text: str) -> dict[str, int]:
    """Return the line on which each key, and each table, at the top of a TOML document begins.

    tomllib tells no lines. But what is TOML up to the end of a line is a whole statement there, and what is not
    goes on in the next line.
    """
    found: dict[str, int] = {}
    statement, start, in_table = "", 1, False
    for number, line in enumerate(text.split("\n"), 1):
        start = start if statement else number
        goes_on = bool(statement)
        statement += line + "\n"
        if goes_on and not any(ending in line for ending in _ENDINGS):
            continue
        try:
            keys = loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        is_header = statement.lstrip().startswith("[")
        in_table = in_table or is_header
        if is_header or not in_table:
            for key in keys:
                found.setdefault(key, start)
        statement = ""
    return found
