"""One row of the table of options: what a value is, its default, its help, and whether a reload applies it.

The table is the fields of a configuration (`ServerConfig`, `ClientConfig`): each field is made by `option`, and its
name with dashes is the name of the option and the key in the file. The command line, the checks of the file, the
reference pages and what a reload reports all come from these rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

from ...core.errors import ConfigError
from .kinds import File, Flag, Kind, Locate, Many, Maybe, Raw

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """A row: `reload` says whether a reload applies a change; `missing` what to give an option that must be given."""

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
        """Whether the option has no value."""
        return isinstance(self.kind, Flag)

    @property
    def is_repeatable(self) -> bool:
        """Whether the option may be given several times."""
        return isinstance(self.kind, Many)

    @property
    def is_file(self) -> bool:
        """Whether the option names a file whose content counts, so that the content can change and the name not."""
        return isinstance(self.kind.kind if isinstance(self.kind, Maybe) else self.kind, File)

    def parse(self, raw: Raw, locate: Locate) -> object:
        """Return the value that was given. Raises ConfigError if it is wrong, or must be given and is not."""
        if raw in (None, "", []) and not isinstance(self.kind, Maybe) and (self.missing or raw == ""):
            raise ConfigError(f"--{self.name} is missing: {self.missing or f'leave it out for {self.default}'}")
        return self.kind.parse(self.name, raw, locate)


def option(kind: Kind[T], default: str | None = None, text: str = "", *, reload: bool = False, missing: str = "") -> T:
    """Return the field of a configuration for one option; `text` is its help.

    Without `reload` a change takes a restart.
    """
    about = {"option": (kind, default, text, reload, missing)}
    return cast(T, field(metadata=about))


def rows(config: type[Any]) -> dict[str, Option]:
    """Return the table of a configuration by the names of the options."""
    found = {each.name.replace("_", "-"): each.metadata["option"] for each in fields(config)}
    return {name: Option(name, *about) for name, about in found.items()}
