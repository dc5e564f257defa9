"""The instances of the daemons configured on a machine, and their names on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import ConfigError
from ..config.kinds import one_of
from ..config.tomlfile import loosely
from ..control.ask import AskError, is_live
from .paths import ROLES, Places, checked_name

SSTP_KEYS = {"user", "password-file", "allow-pap", "binding"}
"""Keys that only a configuration of an SSTP client has, at least the first of them."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A daemon with its configuration; the name is None if the file is not in /etc/iphttps."""

    role: str
    name: str | None
    file: Path
    places: Places

    def __str__(self) -> str:
        return f"{self.role}/{self.name}" if self.name else str(self.file)

    @property
    def control(self) -> Path | None:
        """The control socket: the one in the configuration, or the default of the instance."""
        named = loosely(self.file).get("control")
        if isinstance(named, str) and named:
            return self.places.beneath(Path(named).absolute())
        return self.places.control(self.role, self.name) if self.name else None


def configured(places: Places) -> list[Instance]:
    """Return all instances with a configuration in /etc/iphttps, servers first."""
    return [_instance(places, role, name) for role in ROLES for name in places.instances(role)]


def named(places: Places, word: str, role: str | None = None) -> Instance:
    """Return the instance with a name such as main or client/main.

    Raises:
        ConfigError: No instance has this name.
        AskError: Several roles have an instance of this name.
    """
    first, _, rest = word.partition("/")
    if rest and first in ROLES:
        role, word = first, rest
    checked_name(word)
    roles = [role] if role else ROLES
    found = [_instance(places, role, word) for role in roles if places.config(role, word).exists()]
    if len(found) > 1:
        raise AskError(f"several configurations are called {word!r}: use {one_of(map(str, found))}", 2)
    if not found:
        there = f"choose from {_listed(configured(places))}" if configured(places) else "nothing is configured there"
        raise ConfigError(f"no configuration {word!r} in {places.configuration}: {there}")
    return found[0]


def file_or_named(places: Places, word: str, role: str | None = None) -> Instance:
    """Return the instance with this file or name.

    Raises:
        ConfigError: No such file or instance exists.
        AskError: The name or the role is ambiguous.
    """
    first, _, rest = word.partition("/")
    if word.endswith(".toml") or os.sep in (rest if first in ROLES else word):
        path = Path(word)
        for instance in configured(places):
            if instance.file.absolute() == path.absolute():
                return instance
        return Instance(role or _role(path), None, path, places)
    return named(places, word, role)


def only(places: Places) -> Instance:
    """Return the only instance.

    Raises:
        ConfigError: No instance is configured.
        AskError: Several instances are configured.
    """
    found = configured(places)
    if not found:
        raise ConfigError(f"no configuration in {places.configuration}: run `iphttps setup` or `iphttps join` first")
    if len(found) > 1:
        raise AskError(f"several configurations exist: name one of {_listed(found)}", 2)
    return found[0]


def find_control(places: Places, control: str | None, word: str | None) -> Path:
    """Return the given control socket, or that of the given instance, or else that of the only running daemon.

    Raises:
        ConfigError: No instance has this name.
        AskError: There is no control socket, or the choice is ambiguous.
    """
    if control and word:
        raise AskError(f"{word!r} and the control socket {control} are both given: give only one", 2)
    if control:
        return Path(control)
    if word:
        first, _, rest = word.partition("/")
        roles, name = ([first], rest) if rest and first in ROLES else (ROLES, word)
        # Includes daemons started by hand, without a configuration in /etc/iphttps.
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
        names = ", ".join(called(path) or str(path) for path in live)
        raise AskError(f"several daemons exist: name one of {names}, or use --control", 2)
    raise AskError(f"no control socket in {places.run}: start a daemon, or give its socket with --control")


def called(path: Path) -> str | None:
    """Return the name of the instance with this control socket, or None if the path is not that of an instance."""
    for role in ROLES:
        name = path.stem.removeprefix(f"{role}-")
        if name and name != path.stem:
            return f"{role}/{name}"
    return None


def _instance(places: Places, role: str, name: str) -> Instance:
    return Instance(role, name, places.config(role, name), places)


def _listed(instances: Iterable[Instance]) -> str:
    return ", ".join(map(str, instances))


def _role(path: Path) -> str:
    """Return the role of a file, by its directory or its keys; raises ConfigError or AskError."""
    if path.absolute().parent.name in ROLES:
        return path.absolute().parent.name
    keys = loosely(path).keys()
    if "prefix" in keys or "client-ca" in keys:
        return "server"
    if not path.is_file():
        raise ConfigError(f"no such file: {path}")
    if keys & SSTP_KEYS:
        return "sstp-client"
    if keys & {"ca", "proxy", "pin", "crl", "when"} or "uri" in keys:
        return "client"
    raise AskError(f"cannot tell which daemon {path} is for: give --role", 2)
