"""The kinds of option values: their types in a file, their parsed form, and their bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Network, NetmaskValueError
from math import nan
from pathlib import Path
from typing import Protocol, TypeVar

from ...core.errors import ConfigError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Raw = str | bool | int | list[str] | None
"""A value in the form of the command line; values from a file are converted to it."""

Locate = Callable[[str], Path]
"""Makes a path absolute."""


class OptionError(ConfigError):
    """The file named by an option cannot be used; `option` is the name of the option."""

    def __init__(self, option: str, sentence: str) -> None:
        self.option = option
        super().__init__(sentence)


class WrongValues(ConfigError):
    """Several values of one option are invalid; `errors` holds all errors, the message is that of the first."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__(str(self.errors[0]))


class Kind(Protocol[T_co]):
    """The kind of value that an option takes."""

    @property
    def wanted(self) -> str:
        """The type of the value in a file, such as "a string"."""

    @property
    def shown(self) -> str:
        """The type and its bounds, for the reference page."""

    def taken(self, value: object) -> Raw:
        """Convert a value from a file to the form of the command line. Raises TypeError if its type is wrong."""

    def parse(self, name: str, raw: Raw, locate: Locate) -> T_co:
        """Return the parsed value; `name` is the option's. Raises ConfigError if it is invalid."""


class Flag:
    """A flag, set or not."""

    wanted = shown = "true or false"

    def taken(self, value: object) -> Raw:
        """Take a boolean."""
        if not isinstance(value, bool):
            raise TypeError
        return value

    def parse(self, name: str, raw: Raw, locate: Locate) -> bool:
        """Return whether the flag is set."""
        return bool(raw)


LONGEST_QUOTE = 60
"""Maximum number of characters of a value quoted in a message."""

_NUMBER = re.compile(r"[-+.0-9eE]+")


class Words:
    """A value that is a string in the file."""

    wanted = "a string"

    @property
    def shown(self) -> str:
        """The type, which has no bounds."""
        return self.wanted

    def taken(self, value: object) -> Raw:
        """Take a string."""
        if not isinstance(value, str):
            raise TypeError
        return value


class Text(Words):
    """A string."""

    def parse(self, name: str, raw: Raw, locate: Locate) -> str:
        """Return the string."""
        return str(raw)


@dataclass(frozen=True, slots=True)
class Parsed(Words, Kind[T]):
    """A value parsed by `read`, which takes the name of the option, for error messages, and the string."""

    read: Callable[[str, str], T]

    def parse(self, name: str, raw: Raw, locate: Locate) -> T:
        """Return the parsed value."""
        return self.read(name, str(raw))


class Place(Words):
    """A path: of a directory, a socket or a program."""

    def parse(self, name: str, raw: Raw, locate: Locate) -> Path:
        """Return the absolute path, because a daemon changes its working directory."""
        return locate(str(raw))


class File(Place):
    """The path of a file read by the daemon; a reload compares its content."""


@dataclass(frozen=True, slots=True)
class Word(Words, Kind[T]):
    """One of a set of words, each mapped to a value."""

    words: Mapping[str, T]

    @property
    def shown(self) -> str:
        """The words."""
        return one_of([f'"{word}"' for word in self.words])

    def taken(self, value: object) -> Raw:
        """Take a string, or a boolean for yes and no."""
        if isinstance(value, bool) and {"yes", "no"} <= self.words.keys():
            return "yes" if value else "no"
        return super(Word, self).taken(value)

    def parse(self, name: str, raw: Raw, locate: Locate) -> T:
        """Return the value of the word."""
        if raw not in self.words:
            raise ConfigError(f"--{name} is {one_of(self.words)}, not {quoted(raw)}")
        return self.words[str(raw)]


def quoted(value: object) -> str:
    """Return a value quoted for a message: truncated if long, omitted if it may contain a password."""
    try:
        shown = repr(value)
    except ValueError:  # Python limits the digits of a number
        return "one with too many digits"
    if "@" in shown:  # a password may precede it
        return "a value that contains an @"
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[:LONGEST_QUOTE]}..."


def one_of(words: Iterable[str]) -> str:
    """Join words for a message: a, b or c."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


@dataclass(frozen=True, slots=True)
class _Amount:
    lowest: float
    highest: float
    wanted = "a number"

    def taken(self, value: object) -> Raw:
        """Take a number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        try:
            return str(value)
        except ValueError as error:  # more digits than Python converts to a string
            raise TypeError from error

    def _bounded(self, name: str, raw: Raw) -> float:
        try:
            value = float(str(raw)) if _NUMBER.fullmatch(str(raw)) else nan
        except ValueError:
            value = nan
        if value > self.highest:
            raise ConfigError(f"--{name} takes a number of at most {_figures(self.highest)}, not {quoted(raw)}")
        if not self.lowest <= value:
            raise ConfigError(f"--{name} takes a number of at least {_figures(self.lowest)}, not {quoted(raw)}")
        return value


class Number(_Amount):
    """A number within bounds, such as one of seconds."""

    @property
    def shown(self) -> str:
        """The bounds."""
        return f"a number from {_figures(self.lowest)} to {_figures(self.highest)}"

    def parse(self, name: str, raw: Raw, locate: Locate) -> float:
        """Return the number."""
        return self._bounded(name, raw)


class Whole(_Amount):
    """A whole number within bounds."""

    @property
    def shown(self) -> str:
        """The bounds."""
        return f"a whole number from {_figures(self.lowest)} to {_figures(self.highest)}"

    def parse(self, name: str, raw: Raw, locate: Locate) -> int:
        """Return the number."""
        self._bounded(name, raw)
        if not str(raw).isdigit():
            raise ConfigError(f"--{name} takes a whole number, not {quoted(raw)}")
        return int(str(raw))


def _figures(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Maybe(Kind[T | None]):
    """An optional value, None if it is not given or is an empty string."""

    kind: Kind[T]

    @property
    def wanted(self) -> str:
        """The type of the value if it is given."""
        return self.kind.wanted

    @property
    def shown(self) -> str:
        """The type of the value if it is given."""
        return self.kind.shown

    def taken(self, value: object) -> Raw:
        """Take the value, or an empty string."""
        return value if value == "" and isinstance(value, str) else self.kind.taken(value)

    def parse(self, name: str, raw: Raw, locate: Locate) -> T | None:
        """Return the value, or None."""
        return None if raw is None or raw == "" else self.kind.parse(name, raw, locate)


@dataclass(frozen=True, slots=True)
class Many(Kind[tuple[T, ...]]):
    """A list of values, for a repeatable option; `most` is the maximum number, `why` its reason."""

    kind: Kind[T]
    most: int = 0
    why: str = ""
    wanted = "a string or a list of strings"
    shown = "a string, or a list of strings"

    def taken(self, value: object) -> Raw:
        """Take a string, or a list of strings."""
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise TypeError
        return listed

    def parse(self, name: str, raw: Raw, locate: Locate) -> tuple[T, ...]:
        """Return the values in order."""
        given = raw if isinstance(raw, list) else []
        if self.most and len(given) > self.most:
            raise ConfigError(f"--{name} is given more than {self.most} times: {self.why}")
        found: list[T] = []
        errors = []
        for each in given:
            try:
                found.append(self.kind.parse(name, each, locate))
            except ConfigError as error:
                errors.append(error)
        if errors:
            raise WrongValues(errors)
        return tuple(found)


def ipv6_prefix(name: str, text: str) -> IPv6Network:
    """Parse an IPv6 prefix. Raises ConfigError if it is invalid."""
    try:
        return IPv6Network(text)
    except (AddressValueError, NetmaskValueError) as error:
        raise ConfigError(
            f"--{name} {text!r} is not an IPv6 prefix ({error}): it must look like 2001:db8:2::/64"
        ) from error
    except ValueError as error:
        right = IPv6Network(text, strict=False)
        raise ConfigError(f"--{name} {text} has host bits set: did you mean {right}?") from error
