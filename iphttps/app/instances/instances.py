"""The instances of servers and clients that are configured on a machine, and how a person names one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError
from ..config.tomlfile import loosely
from ..control.ask import AskError, is_live
from .paths import ROLES, Places, checked_name


@dataclass(frozen=True, slots=True)
class Instance:
    """A server or a client with a configuration of its own; without a name, if that lies elsewhere."""

    role: str
    name: str | None
    file: Path
    places: Places

    def __str__(self) -> str:
        return f"{self.role}/{self.name}" if self.name else str(self.file)

    @property
    def control(self) -> Path | None:
        """The control socket: the one that the configuration names, or where that of an instance is."""
        named = loosely(self.file).get("control")
        if isinstance(named, str) and named:
            return self.places.beneath(Path(named).absolute())
        return self.places.control(self.role, self.name) if self.name else None


def configured(places: Places) -> list[Instance]:
    """Return all instances that have a configuration in its place, the servers first."""
    return [_instance(places, role, name) for role in ROLES for name in places.instances(role)]


def named(places: Places, word: str, role: str | None = None) -> Instance:
    """Return the instance that is meant by its name, such as main or client/main; raises ConfigError or AskError."""
    first, _, rest = word.partition("/")
    if rest and first in ROLES:
        role, word = first, rest
    checked_name(word)
    roles = [role] if role else ROLES
    found = [_instance(places, role, word) for role in roles if places.config(role, word).exists()]
    if len(found) > 1:
        raise AskError(f"{word!r} is both a server and a client: say server/{word} or client/{word}", 2)
    if not found:
        there = f"there are {_listed(configured(places))}" if configured(places) else "there are none"
        raise ConfigError(f"there is no configuration {word!r} in {places.configuration}: {there}")
    return found[0]


def file_or_named(places: Places, word: str, role: str | None = None) -> Instance:
    """Return the instance that is meant by a file, or by its name; raises ConfigError or AskError."""
    if word.endswith(".toml") or os.sep in word.removeprefix("server/").removeprefix("client/"):
        path = Path(word)
        for instance in configured(places):
            if instance.file.absolute() == path.absolute():
                return instance
        return Instance(role or _role(path), None, path, places)
    return named(places, word, role)


def only(places: Places) -> Instance:
    """Return the only instance there is; raises ConfigError or AskError if there are none, or several."""
    found = configured(places)
    if not found:
        raise ConfigError(f"nothing is configured in {places.configuration}: make a configuration there first")
    if len(found) > 1:
        raise AskError(f"there are several configurations: name one of {_listed(found)}", 2)
    return found[0]


def find_control(places: Places, control: str | None, word: str | None) -> Path:
    """Return the control socket that is meant: named itself, or by its instance, or the only one of a daemon that runs.

    Raises ConfigError or AskError.
    """
    if control and word:
        raise AskError(f"both {word!r} and the control socket {control} are named: name one of them", 2)
    if control:
        return Path(control)
    if word:
        first, _, rest = word.partition("/")
        roles, name = ([first], rest) if rest and first in ROLES else (ROLES, word)
        # Also those that were started by hand, without a configuration in its place.
        running = [path for role in roles if is_live(path := places.control(role, name))]
        if len(running) == 1:
            return running[0]
        found = named(places, word).control
        assert found is not None
        return found
    sockets = sorted(places.run.glob("*.sock"))
    live = [path for path in sockets if is_live(path)] or sockets
    if len(live) == 1:
        return live[0]
    if live:
        raise AskError(f"there are several daemons: name one of {', '.join(map(_called, live))}, or use --control", 2)
    raise AskError(f"there is no control socket in {places.run}: start a daemon with --control, or name its socket")


def _called(path: Path) -> str:
    """Return the instance that a socket belongs to, or its path if that cannot be seen from it."""
    role, _, name = path.stem.partition("-")
    return f"{role}/{name}" if role in ROLES and name else str(path)


def _instance(places: Places, role: str, name: str) -> Instance:
    return Instance(role, name, places.config(role, name), places)


def _listed(instances: Iterable[Instance]) -> str:
    return ", ".join(map(str, instances))


def _role(path: Path) -> str:
    """Find out by its directory or its keys whether a file is that of a server or a client; raises AskError."""
    if path.absolute().parent.name in ROLES:
        return path.absolute().parent.name
    keys = loosely(path).keys()
    if "prefix" in keys or "client-ca" in keys:
        return "server"
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    if keys & {"ca", "proxy", "pin", "crl", "when"} or "uri" in keys:
        return "client"
    raise AskError(f"it cannot be seen whether {path} is for a server or a client: say --role server or client", 2)
