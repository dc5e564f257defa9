"""A TOML file of options: its values, and the line number of each key."""

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
"""The last line of a multi-line value contains one of these."""


class Problem(ConfigError):
    """An error in an option, with its position in a file; `file` is None for the command line."""

    def __init__(
        self, sentence: str, key: str | None = None, file: Path | None = None, line: int | None = None, column: int = 0
    ) -> None:
        self.sentence, self.key, self.file, self.line, self.column = sentence, key, file, line, column
        super().__init__(f"{self.where}: {sentence}" if file else sentence)

    @property
    def where(self) -> str:
        """The file, line and column, as far as known, in the format of compilers."""
        parts = (self.file, self.line, self.column)
        return ":".join(str(part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of an option's value: its kind, and for a file the path and line."""

    kind: str
    file: Path | None = None
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.kind


DEFAULT, COMMAND_LINE, CONTROL = Source("default"), Source("command line"), Source("control socket")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The content of a file."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    """The line on which each key begins; the first line is 1."""

    @classmethod
    def read(cls, path: Path) -> TomlFile:
        """Read a file; raises Problem if it is unreadable or not TOML."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Problem(f"--config: cannot read {path}: {error.strerror}", "config") from error
        return cls.of(path, content)

    @classmethod
    def of(cls, path: Path, content: bytes) -> TomlFile:
        """Parse the content of the file at `path`; raises Problem if it is not TOML."""
        try:
            text = text_of(content)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise Problem("not TOML: it is not valid UTF-8", None, path, line) from error
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
    """Return the content of a TOML document.

    Raises:
        tomllib.TOMLDecodeError: The text is not TOML, or exceeds a limit of Python.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("it is nested too deeply (at end of document)") from error
    except ValueError as error:  # Python limits the digits of a number
        raise tomllib.TOMLDecodeError("a number has too many digits (at end of document)") from error


def loosely(path: Path) -> dict[str, Any]:
    """Return the content of a file, empty if it is unreadable or not TOML; other code reports that."""
    try:
        return loads(text_of(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def key_lines(text: str) -> dict[str, int]:
    """Return the line number of each top-level key and table of a TOML document.

    tomllib reports no line numbers. Therefore lines are collected until they parse as TOML: they form one complete
    statement, which begins on the first of them.
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
