"""A Debian or its kin in a folder, and hosts of the laboratory that run it with systemd (systemd-nspawn)."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from iphttps.lab.errors import LabError
from iphttps.lab.namespaces import Namespace
from iphttps.lab.poll import wait_until

INCLUDED = "systemd,python3,passwd"
CAPABILITY = "CAP_NET_ADMIN"  # which nspawn takes away, even where the network is another

UNTOUCHED, BY_UDEV = 0o600, 0o666
"""The mode of /dev/net/tun where only the kernel has set it, and where udev has."""

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}

CHANGING = (
    *("/proc", "/sys", "/dev", "/run", "/tmp"),
    *("/var/tmp", "/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/systemd"),
)
"""Directories in which files come and go whatever is installed."""

# Everything that would be left on the host is in mounts of this process's own, but for the control group: like that it
# works wherever root may mount, whatever the host has for control groups itself.
_BOOT = """
mount -t cgroup2 none /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
mknod -m "$2" /run/systemd/tun c 10 200
shift 2
exec systemd-nspawn "$@"
"""
_REMOVE_GROUP = 'mount -t cgroup2 none /sys/fs/cgroup; find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +'


def bootstrap(folder: Path) -> None:
    """Install the same release as this host's in a folder, as small as can be, from the archive."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    what = "--variant=essential", f"--include={INCLUDED}", "--dpkgopt=force-unsafe-io"
    _done("mmdebstrap", "--quiet", *what, release, str(folder), deadline=300.0)


def copy(folder: Path, to: Path) -> Path:
    """Copy an installed Debian; return the copy."""
    _done("cp", "--archive", str(folder), str(to))
    return to


def install(folder: Path, package: str) -> None:
    """Install a package, a path inside, where no systemd runs."""
    _done("chroot", str(folder), "dpkg", "--install", package)


def content(folder: Path) -> set[str]:
    """Return the names of all files below a folder, but for where they come and go."""
    found = set()
    for above, directories, files in os.walk(folder):
        here = "/" + os.path.relpath(above, folder).removeprefix(".")
        if here in CHANGING:
            directories.clear()
            continue
        found |= {os.path.join(here, name) for name in (*directories, *files)}
    return found


class Machine:
    """A Debian in a folder that boots on a host of the laboratory: its network is that host's."""

    def __init__(self, host: Namespace, root: Path) -> None:
        """Prepare to boot what is in the folder; names are known there as on the laboratory's hosts."""
        self.host = host
        self.name = host.name
        self.root = root
        if host.etc:
            shutil.copytree(host.etc, self.root / "etc", dirs_exist_ok=True)
        self._output = root.with_name(f"{root.name}.log")
        self._process: subprocess.Popen[bytes] | None = None
        self._first = 0

    def write(self, path: str, text: str, mode: int = 0o640) -> None:
        """Write a file that the services' user can read."""
        lines = 'mkdir -p "${0%/*}"; cat >"$0"; chmod "$1" "$0"; chgrp iphttps "$0"'
        self.run("sh", "-ec", lines, path, f"{mode:o}", stdin=text)

    def boot(self, tun: int = UNTOUCHED) -> None:
        """Start systemd, and wait until it has started everything; `tun` is the mode of its /dev/net/tun."""
        # The network is entered by nspawn and not before: it makes the mounts that belong to it.
        options = ["--quiet", f"--machine={self.host.label}", "--register=no", "--keep-unit"]
        options += [f"--directory={self.root}", f"--network-namespace-path=/run/netns/{self.name}"]
        options += [
            f"--capability={CAPABILITY}",
            "--bind=/run/systemd/tun:/dev/net/tun",
            "--resolv-conf=off",
            "--timezone=off",
        ]
        options += ["--link-journal=no", "--console=pipe", "--boot"]
        with self._output.open("xb") as output:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-ec", _BOOT, "sh", self.name, f"{tun:o}", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._first = wait_until(self._systemd, f"systemd on {self.host.label}")
        wait_until(self._booted, f"the end of the boot of {self.host.label}", 60.0)

    def _systemd(self) -> int:
        """Return the number of the process that is number 1 inside, or 0 while there is none."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise LabError(f"{self.host.label} does not boot:\n{self._output.read_text()}")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            with suppress(FileNotFoundError):  # one that was only there for a moment
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return 0

    def _booted(self) -> bool:
        return self.run("systemctl", "is-system-running", status=None) in ("running\n", "degraded\n")

    def run(self, *command: str, status: int | None = 0, deadline: float = 60.0, stdin: str = "") -> str:
        """Run a command inside, check how it ended unless that does not matter, and return all it printed."""
        entered = ("nsenter", f"--target={self._first}", "--all", "--", *command)
        return _done(*entered, status=status, deadline=deadline, stdin=stdin)

    def property(self, unit: str, name: str) -> str:
        """Return what systemd knows of a unit (systemctl(1), show)."""
        return self.run("systemctl", "show", f"--property={name}", "--value", unit).strip()

    def journal(self) -> str:
        """Return what was logged inside, to be shown with a failure."""
        return self.run("journalctl", "--no-pager", "--no-hostname", "--output=short-precise", status=None)

    def stop(self) -> None:
        """End everything inside, and remove its control group; the files stay."""
        if self._process is None:
            return
        os.kill(self._first or self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        self._process, self._first = None, 0
        _done("unshare", "--mount", "sh", "-ec", _REMOVE_GROUP, "sh", self.name)


def _done(*command: str, status: int | None = 0, deadline: float = 60.0, stdin: str = "") -> str:
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=deadline,
            text=True,
            check=False,
            env=os.environ | _ENVIRONMENT,
        )
    except subprocess.TimeoutExpired as expired:
        raise LabError(f"{' '.join(command)}: no end within {deadline:g} s") from expired
    if status is not None and done.returncode != status:
        raise LabError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}")
    return done.stdout
