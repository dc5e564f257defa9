"""The options of the two daemons, from the command line and from a TOML file with the same words."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import AddressValueError, IPv6Network, NetmaskValueError
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from twisted.python import usage

from ...core.errors import ConfigError
from ...host.device.offload import open_tun
from ...host.device.tap import TapDevice
from ...host.device.tun import TunDevice
from ...host.process.pidfile import PidFile
from ...net.interfaces import PacketDevice
from ...net.log import LEVELS
from .tomlfile import COMMAND_LINE, DEFAULT, Problem, Source, TomlFile

Check = tuple[str, Callable[[], object]]
"""An option, and what raises ConfigError if something about it is wrong."""

NOT_IN_FILES = ("config", "root", "version", "help")
"""Options that make sense on a command line only."""

_OPTION = re.compile(r"(?<![\w-])--([a-z0-9-]*[a-z0-9])")

DEVICES: Mapping[tuple[str, bool], Callable[[str], PacketDevice]] = {
    ("tun", True): open_tun,
    ("tun", False): TunDevice,
    ("tap", True): TapDevice,
    ("tap", False): TapDevice,
}
"""What makes a device, by what it is and whether it may offload segmentation; a TAP device never does."""

LOG_FORMATS = ("text", "json")


class DaemonOptions(usage.Options):
    """What both daemons have in common; a wrong word ends in one sentence and exit status 2."""

    command: ClassVar[str]
    longdesc = "Every option can also be set in the file given by --config, without the leading dashes."
    repeatable: ClassVar[tuple[str, ...]] = ()
    """Options that may be given several times."""
    root = Path("/")
    """Beneath what all paths are taken: what --root says, or whoever looks at another machine's configuration."""
    optParameters: ClassVar[Sequence[tuple[str, str | None, object, str]]] = (  # Twisted adds those of the daemon
        ("device", None, "tun", "type of the interface: tun, or tap for an Ethernet interface"),
        ("offload", None, "auto", "segmentation offload of a tun interface: auto (if the kernel supports it) or off"),
        ("log-level", None, "info", "minimum log level: debug, info, warn, error or critical"),
        ("log-format", None, "text", "log format: text, or json (one object per line)"),
        ("root", None, None, "resolve all paths below this directory, as `iphttps up --root` does"),
        ("control", None, None, "UNIX socket for the `iphttps` command, such as /run/iphttps/iphttps0.sock"),
    )

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._arguments: list[str] | None = None
        self._file: TomlFile | None = None
        self._elsewhere: dict[str, Source] = {}
        self.pid_file: PidFile | None = None
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
        self._take_pid_file()

    def _take_pid_file(self) -> None:
        """Look at the pid file and write it in the place of twistd, which does both as root and follows links."""
        if self.parent and self.parent.get("pidfile"):
            owner = self.parent.get("uid"), self.parent.get("gid")
            self.pid_file = PidFile(Path(self.parent["pidfile"]), *owner)
            self.parent["pidfile"] = ""

    def parse(self, arguments: list[str] | None) -> None:
        """Parse the command line, then fill in from the file what it left unsaid; raises ConfigError."""
        for problem in self.read(arguments):
            raise problem

    def read(self, arguments: list[str] | None) -> Iterator[Problem]:
        """Do what `parse` does, and yield everything that is wrong instead of raising what comes first."""
        self._arguments = arguments
        self._given.clear()
        self._file = None
        try:
            super().parseOptions(arguments)
        except usage.UsageError as error:
            yield Problem(f"{self._suggest(str(error))}; see `twistd {self.command} --help`")
            return
        if self["root"]:
            self.root = Path(self["root"]).absolute()
        wrong: list[Problem] = []
        if self.get("config"):
            config = Path(self["config"])
            try:
                self._file = TomlFile.read(self.beneath(config) if self["root"] else config)
            except Problem as error:
                yield error
                return
            wrong = [problem for key in self._file.values for problem in self._take(self._file, key)]
        yield from wrong
        known = {problem.key for problem in wrong}
        # Where a value could not even be taken, what is wrong with its default is no news.
        yield from (problem for problem in self.problems() if problem.key not in known)

    def again(self) -> Self:
        """Return the options as the same command line and the file, as it is now, give them; raises ConfigError."""
        fresh = type(self)()
        fresh.parent = self.parent
        fresh.parse(self._arguments)
        return fresh

    def checks(self) -> Iterable[Check]:
        """Return what has to be right before anything is touched. Each daemon extends this."""
        return (
            ("log-level", lambda: self.log_level),
            ("log-format", lambda: self.log_format),
            ("device", lambda: self.device),
        )

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the values, each thing once."""
        said = set()
        for key, check in self.checks():
            try:
                check()
            except ConfigError as error:
                if str(error) not in said:
                    said.add(str(error))
                    yield self.located(str(error), key)

    def check(self) -> None:
        """Check what was given; raises ConfigError."""
        for problem in self.problems():
            raise problem

    def located(self, sentence: str, key: str) -> Problem:
        """Return the problem in a sentence about an option, with its place if that is in the file."""
        mentioned = [name for name in _OPTION.findall(sentence) if name in self]
        about = [*mentioned, key]
        if self._file is None:
            return Problem(sentence, about[0])
        for name in about:
            if name in self._file.lines and name not in self._given:
                return Problem(sentence, name, self._file.path, self._file.lines[name])
        typed = any(name in self._given for name in about)
        return Problem(sentence, about[0], None if typed else self._file.path)

    def parseArgs(self, *surplus: str) -> None:
        """Refuse words that belong to no option."""
        if surplus:
            raise usage.UsageError(f"do not know what to do with {surplus[0]!r}")

    def _suggest(self, complaint: str) -> str:
        """Add the option that was probably meant to getopt's complaint about an unknown one."""
        words = [word for word in complaint.split() if word.startswith("--")]
        near = get_close_matches(words[0][2:], list(self)) if words and words[0][2:] not in self else []
        return f"{complaint} (is --{near[0]} meant?)" if near else complaint

    def _take(self, file: TomlFile, key: str) -> Iterator[Problem]:
        """Take a value from the file, unless the command line has it; yield what is wrong with it instead."""
        value, line = file.values[key], file.lines[key]
        if key not in self or key in NOT_IN_FILES:
            near = get_close_matches(key, [name for name in self if name not in NOT_IN_FILES])
            meant = f"; is {near[0]!r} meant?" if near else ""
            yield Problem(f"unknown key {key!r}{meant}", key, file.path, line)
            return
        if key in self.repeatable:
            value = [value] if isinstance(value, str) else value
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
            shown = "what has an @ in it" if "@" in repr(value) else repr(value)  # a password may stand before it
            yield Problem(f"{key} must be {wanted}, not {shown}", key, file.path, line)
        elif any("\0" in each for each in (value if isinstance(value, list) else [str(value)])):
            yield Problem(f"{key} must not hold a NUL character", key, file.path, line)
        elif key not in self._given:
            super().__setitem__(key, value if key in self.repeatable or key in self.flags else str(value))

    def put(self, name: str, value: object, source: Source) -> None:
        """Set an option that neither the command line nor the file has said so, and say who has."""
        super().__setitem__(name, value)
        self._elsewhere[name] = source

    def keep(self, name: str, before: Self) -> None:
        """Leave an option as it was before."""
        self.put(name, before[name], before.source(name))

    def source(self, name: str) -> Source:
        """Return where the value of an option comes from."""
        if name in self._elsewhere:
            return self._elsewhere[name]
        if name in self._given:
            return COMMAND_LINE
        if self._file and name in self._file.lines:
            return Source("file", self._file.path, self._file.lines[name])
        return DEFAULT

    def typed(self, name: str) -> bool:
        """Tell whether an option stands on the command line, which everybody on the host can read."""
        return name in self._given

    @property
    def keys_of_file(self) -> list[str]:
        """The options that can stand in a file."""
        return [name for name in self if name not in NOT_IN_FILES]

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
        if not self[name]:
            return None
        return self.beneath(Path(self[name]))

    def beneath(self, path: Path) -> Path:
        """Return a path made absolute and taken beneath the root, where it may lie already."""
        path = path.absolute()
        return path if path.is_relative_to(self.root) else self.root / path.relative_to("/")

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
            raise self.located(f"--{name}: cannot read {path}: {error.strerror}", name) from error
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
        offload = self.one_of("offload", ("auto", "off")) == "auto"
        try:
            return DEVICES[self["device"], offload]
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
