"""The options of the daemons, from the command line and from a TOML file with the same names."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from twisted.python import usage

from twisted import __version__ as twisted_version

from ... import __version__
from ...core.errors import ConfigError
from ...host.process.pidfile import PidFile
from .daemon_config import DaemonConfig
from .kinds import OptionError, WrongValues, quoted
from .option import Option, rows
from .tomlfile import COMMAND_LINE, DEFAULT, Problem, Source, TomlFile

Check = tuple[str, Callable[[], object]]
"""An option, and a function that raises ConfigError if its value conflicts with others."""

CONFIG = "TOML file with these options; the command line overrides it"
ROOT = "directory to use as the root for all paths"
"""The help of --config and --root, the only options that a file cannot set."""

_OPTION = re.compile(r"(?<![\w-])--([a-z0-9-]*[a-z0-9])")


class DaemonOptions(usage.Options):
    """The options of a daemon; an error in them ends in one sentence and exit status 2."""

    command: ClassVar[str]
    table: ClassVar[dict[str, Option]]
    """The options that a file can set."""
    configuration: ClassVar[type[DaemonConfig]]
    optParameters: ClassVar[list[list[str | None]]] = []  # the name is Twisted's
    optFlags: ClassVar[list[list[str | None]]] = []  # the name is Twisted's
    synopsis = "[options]"
    longdesc = "The file given by --config takes the same options, without the leading dashes."
    root = Path("/")
    """The directory to which all paths are relative: that of --root, or the root of another machine's files."""

    def __init_subclass__(cls) -> None:
        """Convert the table to Twisted's form: optParameters, optFlags and opt_*."""
        super().__init_subclass__()
        cls.table = table = rows(cls.configuration)
        valued = [row for row in table.values() if not row.is_flag and not row.is_repeatable]
        cls.optParameters = [
            *([row.name, None, row.default, row.text] for row in valued),
            ["root", None, None, ROOT],
            ["config", None, None, CONFIG],
        ]
        cls.optFlags = [[row.name, None, row.text] for row in table.values() if row.is_flag]
        for row in table.values():
            if row.is_repeatable:
                setattr(cls, f"opt_{row.name.replace('-', '_')}", _collecting(row))

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._arguments: list[str] | None = None
        self._directory: Path | None = None
        self._file: TomlFile | None = None
        self._elsewhere: dict[str, Source] = {}
        self._kept: set[str] = set()
        self._values: dict[str, object] = {}
        self.pid_file: PidFile | None = None
        super().__init__()
        self._reset()

    def _reset(self) -> None:
        """Set every option to its default."""
        for row in self.table.values():
            self._set(row.name, [] if row.is_repeatable else 0 if row.is_flag else row.default)
        self._set("config", None)
        self._set("root", None)
        self._given.clear()
        self._elsewhere.clear()
        self._kept.clear()
        self._file = None

    def __setitem__(self, name: str, value: Any) -> None:
        """Set an option, and record that the command line gave it."""
        self._set(name, value)
        self._given.add(name)

    def _set(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._values.pop(name, None)

    @property
    def role(self) -> str:
        """The role of the daemon: server, client or sstp-client."""
        return self.command.removeprefix("iphttps-")

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse the command line; on an error in it or the file, exit with one sentence."""
        try:
            self.parse(options)
        except ConfigError as error:
            complain(self.command, str(error), 2)
        self._take_pid_file()

    def _take_pid_file(self) -> None:
        """Check and write the pid file instead of twistd, which does both as root and follows symbolic links."""
        if self.parent and self.parent.get("pidfile"):
            owner = self.parent.get("uid"), self.parent.get("gid")
            self.pid_file = PidFile(Path(self.parent["pidfile"]), *owner)
            self.parent["pidfile"] = ""

    def opt_version(self) -> NoReturn:
        """Display the versions of iphttps and Twisted, and exit."""
        print(f"iphttps {__version__}, Twisted {twisted_version}")
        raise SystemExit(0)

    def parse(self, arguments: list[str] | None) -> None:
        """Parse the command line, then take other values from the file; raises ConfigError."""
        for problem in self.read(arguments):
            raise problem

    def read(self, arguments: list[str] | None) -> Iterator[Problem]:
        """Parse like `parse`, but yield all problems instead of raising the first."""
        self._arguments = arguments
        self._reset()
        try:
            super().parseOptions(arguments)
        except usage.UsageError as error:
            yield Problem(f"{self._suggest(str(error))}; see `twistd {self.command} --help`")
            return
        if self["root"]:
            self.root = Path(self["root"]).absolute()
        wrong: list[Problem] = []
        if self["config"]:
            try:
                self._file = TomlFile.read(self._path_of_file())
            except Problem as error:
                yield error
                return
            wrong = [problem for key in self._file.values for problem in self._take(self._file, key)]
        if self._directory is None:
            self._directory = _current_directory()
        yield from wrong
        known = {problem.key for problem in wrong}
        # After a value of the wrong type, a problem with its default is redundant.
        yield from (problem for problem in self.problems() if problem.key not in known)

    def _path_of_file(self) -> Path:
        path = Path(self["config"])
        if self["root"]:
            return self._locate(self["config"])
        # Keep a relative path if it means the same.
        elsewhere = self._directory is not None and self._directory != _current_directory()
        return Path(self._directory or "", path) if elsewhere else path

    def again(self) -> Self:
        """Read the same command line and the same file again; raises ConfigError.

        Relative paths refer to the directory in which the daemon was started.
        """
        fresh = type(self)()
        fresh.parent, fresh.root, fresh._directory = self.parent, self.root, self._directory
        fresh.parse(self._arguments)
        return fresh

    def checks(self) -> Iterable[Check]:
        """Return the checks that involve several options. Each daemon extends this."""
        return (("log-format", self._check_log_format),)

    def _check_log_format(self) -> None:
        if self.values_so_far.log_format == "json" and self.parent and self.parent.get("logger"):
            raise ConfigError(
                "--log-format json and twistd's --logger exclude each other: both select the log observer"
            )

    def problems(self) -> Iterator[Problem]:
        """Yield all problems with the values, each message once."""
        said = set()
        each: list[Check] = [(name, partial(self.value, name)) for name in self.table]
        for key, check in (*each, *self.checks()):
            for error in _errors(check):
                if str(error) not in said:
                    said.add(str(error))
                    yield self.located(str(error), key)

    def check(self) -> None:
        """Check all values; raises ConfigError."""
        for problem in self.problems():
            raise problem

    def located(self, sentence: str, key: str) -> Problem:
        """Return a problem with this message about an option, with its position if it is in the file."""
        mentioned = [name for name in _OPTION.findall(sentence) if name in self]
        about = [*mentioned, key]
        if self._file is None:
            return Problem(sentence, about[0])
        for name in about:
            if name in self._file.lines and name not in self._given:
                return Problem(sentence, name, self._file.path, self._file.lines[name])
        typed = any(name in self._given for name in about)
        return Problem(sentence, about[0], None if typed else self._file.path)

    def placed(self, error: ConfigError) -> ConfigError:
        """Return an error with its position, if it concerns a file named by an option."""
        return self.located(str(error), error.option) if isinstance(error, OptionError) else error

    def parseArgs(self, *surplus: str) -> None:
        """Refuse positional arguments."""
        if surplus:
            raise usage.UsageError(f"unexpected argument {surplus[0]!r}")

    def _suggest(self, complaint: str) -> str:
        """Add the closest option name to getopt's error about an unknown option."""
        words = [word for word in complaint.split() if word.startswith("--")]
        near = get_close_matches(words[0][2:], list(self)) if words and words[0][2:] not in self else []
        return f"{complaint} (did you mean --{near[0]}?)" if near else complaint

    def _take(self, file: TomlFile, key: str) -> Iterator[Problem]:
        """Take a value from the file, unless the command line gave it; yield problems with it."""
        value, line = file.values[key], file.lines.get(key)
        if key not in self.table:
            near = get_close_matches(key, self.table)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            yield Problem(f"unknown key {key!r}{meant}", key, file.path, line)
            return
        kind = self.table[key].kind
        try:
            raw = kind.taken(value)
        except TypeError:
            yield Problem(f"{key} must be {kind.wanted}, not {quoted(value)}", key, file.path, line)
            return
        if any("\0" in text for text in (raw if isinstance(raw, list) else [str(raw)])):
            # A command line cannot contain one, and no file name, group or program accepts it.
            yield Problem(f"{key} must not hold a null character", key, file.path, line)
            return
        if key not in self._given:
            self._set(key, raw)

    def put(self, name: str, value: object, source: Source) -> None:
        """Set an option from a source other than the command line or the file."""
        self._set(name, value)
        self._elsewhere[name] = source

    def keep(self, name: str, before: Self) -> None:
        """Keep the value and source of an option from earlier options."""
        self.put(name, before[name], before.source(name))
        self._kept.add(name)
        self._values[name] = before.value(name)

    def is_kept(self, *names: str) -> bool:
        """Return whether one of these options was kept from earlier options."""
        return not self._kept.isdisjoint(names)

    def source(self, name: str) -> Source:
        """Return the source of an option's value."""
        if name in self._elsewhere:
            return self._elsewhere[name]
        if name in self._given:
            return COMMAND_LINE
        if self._file and name in self._file.lines:
            return Source("file", self._file.path, self._file.lines[name])
        return DEFAULT

    @property
    def file(self) -> Path | None:
        """The file that was read, if any."""
        return self._file.path if self._file else None

    def typed(self, name: str) -> bool:
        """Return whether an option was given on the command line, which every user of the host can read."""
        return name in self._given

    # Values.

    @property
    def config(self) -> DaemonConfig:
        """The values of all options. Raises ConfigError if one is invalid."""
        return self.configuration(**{row.field: self.value(name) for name, row in self.table.items()})

    @property
    def values_so_far(self) -> Any:
        """The values for use in checks: each is parsed when read, so only those that a check reads must be valid."""
        return _Values(self)

    def value(self, name: str) -> Any:
        """Return the value of an option. Raises ConfigError if it is invalid."""
        if name not in self._values:
            self._values[name] = self.table[name].parse(self[name], self._locate)
        return self._values[name]

    def _locate(self, text: str) -> Path:
        """Return an absolute path beneath the root, because a daemon changes its working directory."""
        path = Path(self._directory or "", text).absolute()
        return path if path.is_relative_to(self.root) else self.root / path.relative_to("/")


class _Values:
    """A proxy with the attributes of a configuration that parses each when it is read."""

    def __init__(self, options: DaemonOptions) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        return self._options.value(name.replace("_", "-"))


def _current_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it has been removed
        return None


def _errors(check: Callable[[], object]) -> Sequence[ConfigError]:
    try:
        check()
    except WrongValues as error:
        return error.errors
    except ConfigError as error:
        return [error]
    return []


def _collecting(row: Option) -> Callable[[DaemonOptions, str], None]:
    """Return the method that Twisted calls for a repeatable option."""

    def take(self: DaemonOptions, value: str) -> None:
        self[row.name] = [*self[row.name], value]

    take.__doc__ = row.text
    return take


def complain(command: str, sentence: str, status: int = 1) -> NoReturn:
    """Exit with one sentence on the original standard error, which twistd does not redirect to the log."""
    print(f"twistd {command}: {sentence}", file=sys.__stderr__)
    raise SystemExit(status)
