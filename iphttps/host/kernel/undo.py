"""A note of changed settings with their previous values, from which another process can restore them after a crash."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ...core.errors import ConfigError
from ..process.aside import set_aside

CONF = Path("/proc/sys/net/ipv6/conf")
IPV4_CONF = Path("/proc/sys/net/ipv4/conf")

_SETTING = re.compile(r"[^/:]+/(forwarding|accept_ra)")
_IPV4 = "ipv4:"  # no interface has a colon in its name
_IPV4_SETTING = re.compile(r"ipv4:([^/:]+/forwarding|all/accept_redirects)")
_VALUES = ("0", "1", "2")
_LONGEST = 1024 * 1024


class UnreadableNote(ConfigError):
    """The note's file is truncated, damaged, of another version, or owned by another user."""


class Note:
    """The file with the note, valid only in the network namespace and the boot in which it was written."""

    def __init__(self, path: Path, user: int | None = None, group: int | None = None) -> None:
        """Name the file, which need not exist, and its owner, the user that this process will change to."""
        self.path = path
        self._owner = -1 if user is None else user, -1 if group is None else group

    def write(self, before: Mapping[Path, str]) -> None:
        """Write down settings and their values, in the order in which they are changed next; raises ConfigError."""
        settings = [[_name(setting), value] for setting, value in before.items()]
        content = json.dumps({"where": _here(), "before": settings})
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                if self._owner != (-1, -1):
                    os.chown(descriptor, *self._owner)
            fresh.replace(self.path)
        except OSError as error:
            raise ConfigError(f"cannot write {self.path}: {error.strerror}") from error

    def read(self) -> dict[Path, str]:
        """Return the settings and values of the note, or nothing if it is missing or not valid here.

        Raises:
            UnreadableNote: The file is not a trustworthy note.
            ConfigError: The file cannot be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
                raise UnreadableNote(f"{self.path} is not a file of this user") from error
            raise ConfigError(f"cannot read {self.path}: {error.strerror}") from error
        try:
            about = os.fstat(descriptor)
            # Another user could use it to change the host's settings.
            trusted = 0, os.geteuid(), self._owner[0], self.path.parent.stat().st_uid
            if not stat.S_ISREG(about.st_mode) or about.st_uid not in trusted:
                raise UnreadableNote(f"{self.path} is not a file of this user")
            content = os.read(descriptor, _LONGEST)
        finally:
            os.close(descriptor)
        try:
            return _parse(content) if content else {}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableNote(f"{self.path} is damaged, or of another version of iphttps") from error

    def set_aside(self) -> Path:
        """Rename the note's file, of any type, and return its new name.

        Raises:
            ConfigError: It cannot be renamed.
        """
        return set_aside(self.path)

    def erase(self) -> None:
        """Delete the note."""
        with suppress(OSError):  # first, in case the file cannot be unlinked from its directory
            os.close(os.open(self.path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        with suppress(OSError):
            self.path.unlink()


def _parse(content: bytes) -> dict[Path, str]:
    said = json.loads(content)
    settings = {str(name): str(value) for name, value in said["before"]}
    if not all(_path(name) and value in _VALUES for name, value in settings.items()):
        raise ValueError(settings)
    if said["where"] != _here():
        return {}
    return {path: value for name, value in settings.items() if (path := _path(name))}


def _name(setting: Path) -> str:
    """Return a setting as the note has it."""
    if setting.is_relative_to(IPV4_CONF):
        return _IPV4 + str(setting.relative_to(IPV4_CONF))
    return str(setting.relative_to(CONF))


def _path(name: str) -> Path | None:
    """Return the setting that the note names, or None if it may not change that."""
    if _IPV4_SETTING.fullmatch(name):
        return IPV4_CONF / name.removeprefix(_IPV4)
    return CONF / name if _SETTING.fullmatch(name) else None


def _here() -> list[str]:
    """Return an identifier of this network namespace and this boot."""
    namespace = os.stat("/proc/self/ns/net")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return [boot, f"{namespace.st_dev}:{namespace.st_ino}"]
