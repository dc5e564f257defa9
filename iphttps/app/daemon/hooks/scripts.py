"""The administrator's scripts, run after the link has come up and before it goes down."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from ....core.errors import ConfigError
from ....core.ip.rdnss import NO_NAMES, Names
from ....net.interfaces import IReactor
from ....net.log import logger
from .children import Child

LONGEST_LINE = 256
"""Length in bytes up to which the kernel reads a script's first line (BINPRM_BUF_SIZE)."""

LIMIT = 10.0
"""Time limit of a script in seconds."""


class LinkEvent(Enum):
    """A change of the link."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The facts about the link that a script receives."""

    interface: str
    uri: str = ""
    peer: str = ""
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    names: Names = NO_NAMES

    def environment(self, event: LinkEvent) -> dict[str, str]:
        """Return the complete environment of a script."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "IPHTTPS_EVENT": event.value,
            "IPHTTPS_INTERFACE": self.interface,
            "IPHTTPS_URI": self.uri,
            "IPHTTPS_PEER": self.peer,
            "IPHTTPS_ADDRESSES": _spaced(self.addresses),
            "IPHTTPS_DNS": _spaced(self.names.servers),
            "IPHTTPS_DOMAINS": _spaced(self.names.domains),
        }


class Scripts:
    """The configured scripts: none, one or both."""

    log = logger()

    def __init__(self, reactor: IReactor, paths: Mapping[LinkEvent, Path]) -> None:
        self._reactor = reactor
        self._paths = paths

    def run(self, event: LinkEvent, facts: LinkFacts) -> Child | None:
        """Start the script for an event and return it; None if there is none or it cannot be started."""
        path = self._paths.get(event)
        if path is None:
            return None
        try:
            child = Child(
                self._reactor,
                [str(path)],
                facts.environment(event),
                LIMIT,
                lambda line: self.log.info("{path}: {line}", event="script-said", path=path, line=line),
            )
        except ConfigError as error:
            self.log.error("{error}", event="script-not-run", error=str(error))
            return None
        child.ended.addCallback(lambda sentence: self._ended(path, sentence))
        return child

    def _ended(self, path: Path, sentence: str) -> str:
        if sentence:
            self.log.error("{path} {sentence}", event="script-failed", path=path, sentence=sentence)
        return sentence


def check(option: str, path: Path) -> Path:
    """Return the path of a script; raises ConfigError if it is not an executable program."""
    if not path.is_file():
        raise ConfigError(f"--{option} {path}: no such file")
    if not os.access(path, os.X_OK):
        raise ConfigError(f"--{option} {path} cannot be run: make it executable with `chmod +x`")
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST_LINE)
    except OSError:
        return path  # executable but not readable
    if first.startswith(b"#!"):
        interpreter = os.fsdecode((first[2:].rstrip(b"\n").split() or [b""])[0])
        # Scripts run in /.
        if first.rstrip(b"\n").endswith(b"\r"):
            raise ConfigError(f"--{option} {path}: its #! line ends with CR LF: convert the file to Unix line endings")
        if not interpreter or not Path("/", interpreter).is_file():
            raise ConfigError(f"--{option} {path}: its #! line names {interpreter!r}, which does not exist")
    elif not first.startswith(b"\x7fELF"):
        raise ConfigError(
            f"--{option} {path} cannot be run: its first line must be #! and a program, such as #!/bin/sh"
        )
    return path


def _spaced(values: Iterable[object]) -> str:
    return " ".join(map(str, values))
