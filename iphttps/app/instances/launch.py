"""Start and stop of instances: by systemd where it has their unit, otherwise as background processes."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ...core.errors import ConfigError
from ...host.process.opening import open_for
from ...host.process.pidfile import number_in
from .instances import Instance
from .paths import GROUP, ROLES, USER, command, unit
from .units import booted, systemctl

POLL = 0.1
"""Seconds between polls."""

_TWISTD = tuple(f"twistd {command(role)}: " for role in ROLES)
"""The beginning of a daemon's error message."""

NONE: Mapping[str, str] = MappingProxyType({})
"""No environment variables."""

STOPPING = 30.0
"""Seconds for an instance to end its sessions and restore the host."""


class Systemd:
    """Runs instances as systemd units."""

    def start(self, instance: Instance, variables: Mapping[str, str] = NONE) -> Callable[[], str | None]:
        """Start the unit and wait until systemd reports that it is started; it has its own environment.

        Raises:
            ConfigError: The unit failed to start.
        """
        self._do("start", instance)
        return lambda: None

    def stop(self, instance: Instance) -> bool:
        """Stop the unit; return whether it was active. Raises ConfigError."""
        active = systemctl("is-active", "--quiet", _unit(instance)).returncode == 0
        self._do("stop", instance)
        return active

    def _do(self, verb: str, instance: Instance) -> None:
        done = systemctl(verb, _unit(instance))
        if done.returncode != 0:
            why = done.stderr.strip().splitlines()
            raise ConfigError(
                f"systemd failed to {verb} {_unit(instance)}{f' ({why[0]})' if why else ''}: "
                f"see `journalctl -u {_unit(instance)} -n 20`"
            )


class Processes:
    """Runs instances as background processes."""

    def start(self, instance: Instance, variables: Mapping[str, str] = NONE) -> Callable[[], str | None]:
        """Start a process with additional environment variables.

        Return a function that returns why it ended, or None while it is running.

        Raises:
            ConfigError: The process cannot be started.
        """
        assert instance.name
        pid_file = instance.places.pid_file(instance.role, instance.name)
        log_file = instance.places.log_file(instance.role, instance.name)
        user = _user()
        state = instance.places.client_state if instance.role != "server" else None
        for directory in (pid_file.parent, log_file.parent, *([state] if state else ())):
            _make(directory, user)
        words = (
            twistd(), "-n", f"--pidfile={pid_file}", f"--logfile={log_file}",
            *((f"--uid={USER}", f"--gid={GROUP}") if user else ()),
            command(instance.role), *(("--root", str(root)) if (root := instance.places.root) != Path("/") else ()),
            "--config", str(instance.file.absolute()), "--control", str(instance.control),
        )  # fmt: skip
        try:
            owner = (user.pw_uid, user.pw_gid) if user else (None, None)
            with open(open_for(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, *owner), "ab") as log:
                begin = log.tell()
                process = subprocess.Popen(
                    words,
                    cwd="/",
                    env={**os.environ, **({"STATE_DIRECTORY": str(state)} if state else {}), **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ConfigError(f"cannot start {instance}: {error.filename}: {error.strerror}") from error

        def ended() -> str | None:
            if process.poll() is None:
                return None
            _remove(pid_file)
            return last_words(log_file, begin) or f"it ended with status {process.returncode}: see {log_file}"

        return ended

    def stop(self, instance: Instance) -> bool:
        """Stop the process and wait for its end; return whether there was one.

        Raises:
            ConfigError: The process may not be stopped, or does not end.
        """
        assert instance.name
        pid_file = instance.places.pid_file(instance.role, instance.name)
        pid = _pid(pid_file)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGTERM)
        except PermissionError as error:
            raise ConfigError(f"cannot stop {instance}, process {pid}: permission denied; run this as root") from error
        except ProcessLookupError:
            return False
        deadline = time.monotonic() + STOPPING
        while _runs(pid, pid_file):
            if time.monotonic() > deadline:
                raise ConfigError(f"{instance}, process {pid}, does not end: `kill -9 {pid}` kills it without cleanup")
            time.sleep(POLL)
        _remove(pid_file)  # the daemon runs as another user and may not be able to
        return True


def supervisor(instance: Instance) -> Systemd | Processes:
    """Return the supervisor for an instance: systemd if it has the unit, otherwise processes."""
    here = instance.places.root == Path("/")
    if here and booted() and systemctl("cat", _unit(instance)).returncode == 0:
        return Systemd()
    return Processes()


def _unit(instance: Instance) -> str:
    assert instance.name
    return unit(instance.role, instance.name)


def twistd() -> str:
    """Return the twistd of this installation."""
    beside = Path(sys.executable).with_name("twistd")
    found = str(beside) if beside.exists() else shutil.which("twistd")
    if found is None:
        raise ConfigError(f"no twistd beside {sys.executable}: install Twisted completely")
    return found


def _user() -> pwd.struct_passwd | None:
    """Return the daemons' user; None if it does not exist or this process is not root."""
    try:
        return pwd.getpwnam(USER) if os.geteuid() == 0 else None
    except KeyError:
        return None


def _make(directory: Path, user: pwd.struct_passwd | None) -> None:
    try:
        directory.mkdir(mode=0o755, parents=True)
        if user:
            os.chown(directory, user.pw_uid, user.pw_gid, follow_symlinks=False)
    except FileExistsError:
        return
    except OSError as error:
        raise ConfigError(f"cannot create {directory}: {error.strerror}; run this as root") from error


def _remove(pid_file: Path) -> None:
    try:
        pid_file.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot remove {pid_file}: {error.strerror}; run this as root") from error


def _pid(pid_file: Path) -> int | None:
    """Return the process ID in a pid file, if that process was started with this file."""
    pid = number_in(pid_file)
    return pid if pid is not None and _runs(pid, pid_file) else None


def _runs(pid: int, pid_file: Path) -> bool:
    """Return whether the process that was started with a pid file is running; a zombie is not."""
    try:
        if f"--pidfile={pid_file}".encode() not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return False
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def last_words(log_file: Path, begin: int = 0) -> str:
    """Return the last error of a daemon from its log."""
    with log_file.open("rb") as log:
        log.seek(begin)
        said = log.read().decode("utf-8", "replace")
    lines = [line for line in said.splitlines() if line.strip()]
    sentences = [line.partition(": ")[2] for line in lines if line.startswith(_TWISTD)]
    return (sentences or lines or [""])[-1]
