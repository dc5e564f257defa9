"""Hosts of the laboratory that have files of their own in /etc, /var and /run, as machines have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from iphttps.lab.namespaces import Namespace

OWN = ("etc", "var/lib", "var/log", "run")

# `ip netns exec` gives each program mounts of its own; what is mounted here is seen by that program alone.
_MOUNT = (
    'for path in etc var/lib var/log run; do mount --bind "$0/$path" "/$path" || exit; done; cd "$0/root" && exec "$@"'
)


class Machine:
    """A host whose programs share directories that nobody else sees."""

    def __init__(self, host: Namespace, directory: Path) -> None:
        """Make the directories; /etc begins as that of this machine."""
        self.host = host
        self.directory = directory
        for path in (*OWN, "root"):
            (directory / path).mkdir(parents=True)
        host.run("cp", "-a", "/etc/.", str(directory / "etc"))

    def run(
        self, *command: str, check: bool = True, stdin: str | None = None, deadline: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self.host.run(
            "sh", "-c", _MOUNT, str(self.directory), *command, check=check, stdin=stdin, deadline=deadline
        )

    def iphttps(self, *words: str, check: bool = True, stdin: str | None = None) -> str:
        """Give a command of iphttps; return what it said."""
        return self.run(str(Path(sys.executable).with_name("iphttps")), *words, check=check, stdin=stdin).stdout

    @property
    def home(self) -> Path:
        """The directory in which commands are given."""
        return self.directory / "root"

    def logs(self) -> str:
        """Return what the instances have logged."""
        return "".join(f"{path}:\n{path.read_text()}" for path in self.directory.glob("var/log/iphttps/*"))
