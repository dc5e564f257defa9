"""Network namespaces as hosts, with their programs, and their removal."""

import itertools
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from iphttps.lab.errors import LabError

_serial = itertools.count(1)

# `ip netns exec` gives each program its own mount namespace: only that program sees the files mounted in /etc.
_WITH_FILES = 'for file in "$0"/*; do mount --bind "$file" "/etc/${file##*/}" || exit; done; exec "$@"'

_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}


class Namespace:
    """A host of the lab: a network namespace with its loopback up, and the processes started in it."""

    niceness = 0
    """The nice value of the autogroup (sched(7)) of each program started; the kernel makes one a session."""

    def __init__(self, label: str, etc: Path | None = None) -> None:
        """Name a host; the namespace's name contains this process's number, so that labs do not collide."""
        self.label = label
        self.name = f"{_prefix()}{next(_serial)}-{label}"
        self.etc = etc
        """A directory of files that replace existing ones in /etc, for programs started from now on."""
        self._processes: list[subprocess.Popen[bytes]] = []

    def create(self) -> None:
        """Create the namespace."""
        _ip("netns", "add", self.name)
        self.ip("link set lo up")

    def remove(self) -> None:
        """Kill the processes started here and remove the namespace, with every device in it."""
        self._end_processes()
        # The namespace may not exist if its creation failed.
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)

    def ip(self, *commands: str) -> None:
        """Run commands of `ip` here, in order, by one process."""
        _ip("-n", self.name, "-batch", "-", stdin="\n".join(commands))

    def setting(self, name: str, value: str | None = None) -> str:
        """Return a kernel setting of this host's network (`ipv6.conf.all.forwarding`), after setting a value given."""
        path = "/proc/sys/net/" + name.replace(".", "/")
        enter = "ip", "netns", "exec", self.name  # these files need no files in /etc
        if value is None:
            return _output(*enter, "cat", path).strip()
        _output(*enter, "sh", "-c", 'echo "$1" > "$0"', path, value)
        return value

    def run(
        self, *command: str, check: bool = True, stdin: str | None = None, deadline: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command here to its end and return its result; unless `check` is false it must succeed."""
        try:
            done = subprocess.run(
                self._entering(command),
                input=stdin or "",
                capture_output=True,
                text=True,
                timeout=deadline,
                check=False,
                env=os.environ | _ENVIRONMENT,
            )
        except subprocess.TimeoutExpired as expired:
            raise LabError(f"{self.label}: {' '.join(command)}: still running after {deadline:g} s") from expired
        if check and done.returncode != 0:
            raise LabError(f"{self.label}: {' '.join(command)}: {(done.stderr or done.stdout).strip()}")
        return done

    def start(self, *command: str, output: IO[bytes], directory: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program here in a new session; it is killed with the namespace at the latest."""
        process = subprocess.Popen(
            self._entering(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,
            env=os.environ | _ENVIRONMENT,
        )
        self._processes.append(process)
        if self.niceness:
            with suppress(OSError):  # it has ended, or this kernel has no autogroups
                Path(f"/proc/{process.pid}/autogroup").write_text(str(self.niceness))
        return process

    def _entering(self, command: Sequence[str]) -> list[str]:
        # Each step replaces its process with exec: the PID is the program's own.
        enter = ["ip", "netns", "exec", self.name]
        if self.etc is not None:
            enter += ["sh", "-c", _WITH_FILES, str(self.etc)]
        return [*enter, *command]

    def _end_processes(self) -> None:
        """Kill the processes in this namespace that belong to sessions started here; others stay."""
        sessions = {process.pid for process in self._processes}
        inside = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        for number in map(int, inside.stdout.split()):
            try:
                if os.getsid(number) in sessions:
                    os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended
        for process in self._processes:
            if process.poll() is None:
                process.kill()  # it has not entered the namespace yet
            process.wait()
        self._processes.clear()


def join(one: Namespace, its_device: str, other: Namespace, other_device: str) -> None:
    """Connect two hosts with a veth pair and bring it up, without duplicate address detection."""
    _ip("link", "add", its_device, "netns", one.name, "type", "veth",
        "peer", "name", other_device, "netns", other.name)  # fmt: skip
    for host, device in ((one, its_device), (other, other_device)):
        # Without duplicate address detection the link-local address is usable at once.
        host.setting(f"ipv6.conf.{device}.accept_dad", "0")
        host.setting(f"ipv6.conf.{device}.accept_ra", "0")
        host.ip(f"link set {device} up")


def remaining() -> list[str]:
    """Return the names of the namespaces that this process created and has not removed."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.startswith(_prefix())]


def _prefix() -> str:
    return f"iphttps-{os.getpid()}-"


def _ip(*arguments: str, stdin: str = "") -> None:
    _output("ip", *arguments, stdin=stdin)


def _output(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)} {stdin!r}: {done.stderr.strip()}")
    return done.stdout
