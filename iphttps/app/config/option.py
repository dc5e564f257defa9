"""One row of the table of options: the kind of its value, default, help, and whether a reload applies it.

The fields of a configuration (`ServerConfig`, `ClientConfig`) form the table: `option` creates each field, and the
field's name, with dashes, is the name of the option and the key in the file. The command line, the checks of the file,
the reference pages and the report of a reload are all derived from these rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

from ...core.errors import ConfigError
from .kinds import File, Flag, Kind, Locate, Many, Maybe, Raw

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """A row: `reload` is whether a reload applies a change; `missing` is the advice if a required option is missing."""

    name: str
    kind: Kind[object]
    default: str | None
    text: str
    reload: bool
    missing: str

    @property
    def field(self) -> str:
        """The name of the field."""
        return self.name.replace("-", "_")

    @property
    def described(self) -> str:
        """The help, with the default if there is one."""
        return self.text if self.default is None else f"{self.text} (by default {self.default})"

    @property
    def is_flag(self) -> bool:
        """True if the option has no value."""
        return isinstance(self.kind, Flag)

    @property
    def is_repeatable(self) -> bool:
        """True if the option may be given several times."""
        return isinstance(self.kind, Many)

    @property
    def is_file(self) -> bool:
        """True if the option names a file that the daemon reads, so that its content can change under the same name."""
        return isinstance(self.kind.kind if isinstance(self.kind, Maybe) else self.kind, File)

    def parse(self, raw: Raw, locate: Locate) -> object:
        """Return the parsed value. Raises ConfigError if it is invalid, or required and missing."""
        if raw in (None, "", []) and not isinstance(self.kind, Maybe) and (self.missing or raw == ""):
            fault = f"missing: {self.missing}" if self.missing else f"empty: omit it for the default, {self.default}"
            raise ConfigError(f"--{self.name} is {fault}")
        return self.kind.parse(self.name, raw, locate)


def option(kind: Kind[T], default: str | None = None, text: str = "", *, reload: bool = False, missing: str = "") -> T:
    """Return the field of a configuration for one option; `text` is its help.

    Without `reload` a change needs a restart.
    """
    about = {"option": (kind, default, text, reload, missing)}
    return cast(T, field(metadata=about))


def rows(config: type[Any]) -> dict[str, Option]:
    """Return the table of a configuration, keyed by option name."""
    found = {each.name.replace("_", "-"): each.metadata["option"] for each in fields(config)}
    return {name: Option(name, *about) for name, about in found.items()}
