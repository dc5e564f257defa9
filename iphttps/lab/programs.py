"""A program in a namespace, with its output in a file."""

import signal
import subprocess
from pathlib import Path

from iphttps.lab.errors import DeadlinePassed, LabError
from iphttps.lab.namespaces import Namespace
from iphttps.lab.poll import wait_until

END_DEADLINE = 40.0


class Program:
    """A running program, whose output can be waited for, and read after its end."""

    def __init__(self, namespace: Namespace, name: str, *command: str, output: Path) -> None:
        """Start a command that writes to a new file; `name` identifies it in messages."""
        self.namespace = namespace
        self.name = name
        self.command = command
        self.output = output
        with output.open("xb") as file:
            self._process = namespace.start(*command, output=file, directory=output.parent)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True if the program is still running."""
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """Its output so far."""
        return self.output.read_bytes().decode(errors="replace")

    def mark(self) -> int:
        """Return the current length of the output, for `wait_for` to search from there."""
        return len(self.text)

    def wait_for(self, wanted: str, deadline: float = 40.0, since: int = 0) -> str:
        """Return the first line that contains the text; raise LabError if the program ends or time runs out before."""

        def found() -> str | None:
            # Checked before reading, or the last output of an ending program could be missed.
            running = self.running
            for line in self.text[since:].splitlines():
                if wanted in line:
                    return line
            if not running:
                raise LabError(f"{self.name} ended without output {wanted!r}\n{self.tail()}")
            return None

        try:
            return wait_until(found, f"{wanted!r} from {self.name}", deadline)
        except DeadlinePassed as passed:
            raise LabError(f"{passed}\n{self.tail()}") from passed

    def wait_ended(self, deadline: float = END_DEADLINE) -> int:
        """Wait for the program to end and return its exit status; negative for a signal."""
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired as expired:
            raise LabError(f"{self.name}: still running after {deadline:g} s\n{self.tail()}") from expired

    def stop(self, deadline: float = END_DEADLINE) -> int:
        """End the program with SIGTERM and return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait_ended(deadline)

    def kill(self) -> None:
        """End the program with SIGKILL, without cleanup."""
        self._process.kill()
        self._process.wait()

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of output, indented, for failure messages."""
        return "\n".join(f"    {line}" for line in self.text.splitlines()[-lines:])
