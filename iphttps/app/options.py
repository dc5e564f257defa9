"""The options of the two daemons, from the command line and from a TOML file with the same words."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv6Network, NetmaskValueError
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from twisted.python import usage

from ..core.errors import ConfigError
from ..host.tap import TapDevice
from ..host.tun import TunDevice
from ..net.interfaces import PacketDevice
from ..net.log import LEVELS

T = TypeVar("T")

DEVICES: Mapping[str, Callable[[str], PacketDevice]] = {"tun": TunDevice, "tap": TapDevice}

LOG_FORMATS = ("text", "json")


class DaemonOptions(usage.Options):
    """What both daemons have in common; a wrong word ends in one sentence and exit status 2."""

    command: ClassVar[str]
    repeatable: ClassVar[tuple[str, ...]] = ()
    """Options that may be given several times."""
    optParameters: ClassVar[Sequence[tuple[str, str | None, object, str]]] = (  # Twisted adds those of the daemon
        ("device", None, "tun", "what the interface is: tun, or tap for one that looks like Ethernet"),
        ("log-level", None, "info", "what is logged, and what weighs more: debug, info, warn, error or critical"),
        ("log-format", None, "text", "how it is logged: text, a line for people, or json, an object a line"),
        ("control", None, None, "UNIX socket for the `iphttps` command, such as /run/iphttps/iphttps0.sock"),
    )

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._arguments: list[str] | None = None
        super().__init__()
        for name in self.repeatable:
            self[name] = []

    def __setitem__(self, name: str, value: Any) -> None:
        """Set an option, and note that it was given."""
        super().__setitem__(name, value)
        self._given.add(name)

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse the command line, and end the program with a sentence if it, or the file, is wrong."""
        try:
            self.parse(options)
        except ConfigError as error:
            complain(self.command, str(error), 2)

    def parse(self, arguments: list[str] | None) -> None:
        """Parse the command line, then fill in from the file what it left unsaid; raises ConfigError."""
        self._arguments = arguments
        self._given.clear()
        try:
            super().parseOptions(arguments)
        except usage.UsageError as error:
            raise ConfigError(f"{self._suggest(str(error))}; see `twistd {self.command} --help`") from error
        if self.get("config"):
            self._read(Path(self["config"]))
        self.check()

    def again(self) -> Self:
        """Return the options as the same command line and the file, as it is now, give them; raises ConfigError."""
        fresh = type(self)()
        fresh.parent = self.parent
        fresh.parse(self._arguments)
        return fresh

    def check(self) -> None:
        """Check what was given; raises ConfigError. Each daemon extends this."""

    def parseArgs(self, *surplus: str) -> None:
        """Refuse words that belong to no option."""
        if surplus:
            raise usage.UsageError(f"do not know what to do with {surplus[0]!r}")

    def _suggest(self, complaint: str) -> str:
        """Add the option that was probably meant to getopt's complaint about an unknown one."""
        words = [word for word in complaint.split() if word.startswith("--")]
        near = get_close_matches(words[0][2:], list(self)) if words and words[0][2:] not in self else []
        return f"{complaint} (is --{near[0]} meant?)" if near else complaint

    def _read(self, path: Path) -> None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"--config: cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not TOML: {error}") from error
        for key, value in values.items():
            single = key in self.repeatable and isinstance(value, str)
            self._take(path, key, [value] if single else value)

    def _take(self, path: Path, key: str, value: Any) -> None:
        if key not in self or key in ("config", "version", "help"):
            near = get_close_matches(key, list(self))
            raise ConfigError(f"{path}: unknown key {key!r}" + (f"; is {near[0]!r} meant?" if near else ""))
        if key in self.repeatable:
            wanted, right = (
                "a string or a list of strings",
                isinstance(value, list) and all(isinstance(v, str) for v in value),
            )
        elif key in self.flags:
            wanted, right = "true or false", isinstance(value, bool)
        elif key in self._choices and isinstance(value, bool):
            wanted, right, value = "", True, "yes" if value else "no"
        else:
            wanted, right = "a string or a number", isinstance(value, str | int | float) and not isinstance(value, bool)
        if not right:
            raise ConfigError(f"{path}: {key} must be {wanted}, not {value!r}")
        if key not in self._given:
            super().__setitem__(key, value if key in self.repeatable or key in self.flags else str(value))

    def typed(self, name: str) -> bool:
        """Tell whether an option stands on the command line, which everybody on the host can read."""
        return name in self._given

    @property
    def flags(self) -> set[str]:
        """The options without a value."""
        return {flag[0] for flag in getattr(self, "optFlags", ())}

    @property
    def _choices(self) -> set[str]:
        """The options that take yes or no, for which a file may have true or false."""
        return {name for name, _, default, _ in self.optParameters if default in ("yes", "no")}

    # Checked values.

    @property
    def log_level(self) -> str:
        """What is logged."""
        if self["log-level"] not in LEVELS:
            raise ConfigError(f"--log-level is one of {', '.join(LEVELS)}, not {self['log-level']!r}")
        return str(self["log-level"])

    @property
    def log_format(self) -> str:
        """How it is logged."""
        word = self.one_of("log-format", LOG_FORMATS)
        if word == "json" and self.parent and self.parent.get("logger"):
            raise ConfigError("--log-format json and twistd's --logger exclude each other: both say what makes the log")
        return word

    def required(self, name: str, purpose: str) -> str:
        """Return the value of an option that must be given."""
        value = self[name]
        if not value:
            raise ConfigError(f"--{name} is missing: {purpose}")
        return str(value)

    def path(self, name: str) -> Path | None:
        """Return a path, absolute because a daemon changes its directory, or None if not given."""
        return Path(self[name]).absolute() if self[name] else None

    def file(self, name: str) -> Path | None:
        """Return the path of a file that is there to be read; raises ConfigError, which names the option, if not."""
        path = self.path(name)
        if path is None:
            return None
        try:
            # Not opened: it may be a pipe, which can be read once.
            if stat.S_ISDIR(path.stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(path, os.R_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise ConfigError(f"--{name}: cannot read {path}: {error.strerror}") from error
        return path

    def number(self, name: str, lowest: float) -> float:
        """Return a number that is at least `lowest`."""
        try:
            value = float(self[name])
        except ValueError:
            value = float("nan")
        if not lowest <= value < float("inf"):
            raise ConfigError(f"--{name} takes a number of at least {lowest:g}, not {self[name]!r}")
        return value

    def one_of(self, name: str, words: Sequence[str]) -> str:
        """Return a word that must be one of these."""
        if self[name] not in words:
            raise ConfigError(f"--{name} is {', '.join(words[:-1])} or {words[-1]}, not {self[name]!r}")
        return str(self[name])

    @property
    def device(self) -> Callable[[str], PacketDevice]:
        """The kind of device: what makes one of a name."""
        try:
            return DEVICES[self["device"]]
        except KeyError as error:
            raise ConfigError(f"--device is tun or tap, not {self['device']!r}") from error


def network(option: str, text: str) -> IPv6Network:
    """Read an IPv6 prefix; raises ConfigError if it is none."""
    try:
        return IPv6Network(text)
    except (AddressValueError, NetmaskValueError) as error:
        raise ConfigError(
            f"--{option} {text!r} is not an IPv6 prefix ({error}): it must look like 2001:db8:2::/64"
        ) from error
    except ValueError as error:
        right = IPv6Network(text, strict=False)
        raise ConfigError(f"--{option} {text} has bits beyond its length: is {right} meant?") from error


def complain(command: str, sentence: str, status: int = 1) -> NoReturn:
    """End the program with one sentence on standard error, the real one, not what twistd logs instead."""
    print(f"twistd {command}: {sentence}", file=sys.__stderr__)
    raise SystemExit(status)
