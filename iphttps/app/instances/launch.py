"""Starts and stops instances: by systemd where it runs them, else each as a process with a pid file of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...core.errors import ConfigError
from ...host.process.opening import open_for
from ...host.process.pidfile import number_in
from .instances import Instance
from .paths import GROUP, USER, unit
from .units import booted, systemctl

POLL = 0.1
"""Seconds from one look at something that is waited for to the next."""

_STOPPING = 30.0
"""Seconds that an instance has to end its sessions and undo what it did to the host."""


class Systemd:
    """The units of the instances."""

    def start(self, instance: Instance) -> Callable[[], str | None]:
        """Start the unit, and wait until systemd says that it is; raises ConfigError."""
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
                f"systemd cannot {verb} {_unit(instance)}{f' ({why[0]})' if why else ''}: "
                f"`journalctl -u {_unit(instance)} -n 20` says more"
            )


class Processes:
    """Processes of their own, in the background."""

    def start(self, instance: Instance) -> Callable[[], str | None]:
        """Start one; return what tells why it has ended, None as long as it runs. Raises ConfigError."""
        assert instance.name
        pid_file = instance.places.pid_file(instance.role, instance.name)
        log_file = instance.places.log_file(instance.role, instance.name)
        user = _user()
        for directory in (pid_file.parent, log_file.parent):
            _make(directory, user)
        command = (
            _twistd(), "-n", f"--pidfile={pid_file}", f"--logfile={log_file}",
            *((f"--uid={USER}", f"--gid={GROUP}") if user else ()),
            f"iphttps-{instance.role}", *(("--root", str(root)) if (root := instance.places.root) != Path("/") else ()),
            "--config", str(instance.file.absolute()), "--control", str(instance.control),
        )  # fmt: skip
        try:
            owner = (user.pw_uid, user.pw_gid) if user else (None, None)
            with open(open_for(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, *owner), "ab") as log:
                begin = log.tell()
                process = subprocess.Popen(
                    command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
        except OSError as error:
            raise ConfigError(f"cannot start {instance}: {error.filename}: {error.strerror}") from error

        def ended() -> str | None:
            if process.poll() is None:
                return None
            _remove(pid_file)
            return _last_words(log_file, begin) or f"it ended with status {process.returncode}: {log_file} may say why"

        return ended

    def stop(self, instance: Instance) -> bool:
        """Stop the process, and wait until it is gone; return whether there was one. Raises ConfigError."""
        assert instance.name
        pid_file = instance.places.pid_file(instance.role, instance.name)
        pid = _pid(pid_file)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGTERM)
        except PermissionError as error:
            raise ConfigError(f"cannot stop {instance}, process {pid}: it takes root") from error
        except ProcessLookupError:
            return False
        deadline = time.monotonic() + _STOPPING
        while _runs(pid, pid_file):
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"{instance}, process {pid}, does not end: `kill -9 {pid}` ends it without tidying up"
                )
            time.sleep(POLL)
        _remove(pid_file)  # it cannot always do that itself, as another user
        return True


def supervisor(instance: Instance) -> Systemd | Processes:
    """Return what runs an instance on this machine."""
    here = instance.places.root == Path("/")
    if here and booted() and systemctl("cat", _unit(instance)).returncode == 0:
        return Systemd()
    return Processes()


def _unit(instance: Instance) -> str:
    assert instance.name
    return unit(instance.role, instance.name)


def _twistd() -> str:
    """Return the twistd of this very installation."""
    beside = Path(sys.executable).with_name("twistd")
    found = str(beside) if beside.exists() else shutil.which("twistd")
    if found is None:
        raise ConfigError(f"there is no twistd beside {sys.executable}: is Twisted installed in full?")
    return found


def _user() -> pwd.struct_passwd | None:
    """Return as whom the daemons run, None if there is no such user or we cannot become him."""
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
        raise ConfigError(f"cannot make {directory}: {error.strerror}; start instances as root") from error


def _remove(pid_file: Path) -> None:
    try:
        pid_file.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot remove {pid_file}: {error.strerror}; stop and start instances as root") from error


def _pid(pid_file: Path) -> int | None:
    """Return the process that a pid file is about, if that is still the one."""
    pid = number_in(pid_file)
    return pid if pid is not None and _runs(pid, pid_file) else None


def _runs(pid: int, pid_file: Path) -> bool:
    """Tell whether a process runs that was started with a pid file; not one that only nobody has asked for its end."""
    try:
        if f"--pidfile={pid_file}".encode() not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return False
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _last_words(log_file: Path, begin: int) -> str:
    """Return the sentence with which a daemon ended, from its log."""
    with log_file.open("rb") as log:
        log.seek(begin)
        said = log.read().decode("utf-8", "replace")
    lines = [line for line in said.splitlines() if line.strip()]
    sentences = [line.partition(": ")[2] for line in lines if line.startswith("twistd iphttps-")]
    return (sentences or lines or [""])[-1]
