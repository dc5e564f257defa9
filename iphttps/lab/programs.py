"""A program that runs in a namespace, with what it prints kept in a file."""

import signal
import subprocess
from pathlib import Path

from iphttps.lab.errors import DeadlinePassed, LabError
from iphttps.lab.namespaces import Namespace
from iphttps.lab.poll import wait_until

END_DEADLINE = 40.0


class Program:
    """A running program; its output can be waited for and is there to be read after its end."""

    def __init__(self, namespace: Namespace, name: str, *command: str, output: Path) -> None:
        """Start a command that writes to a new file; the name is how messages speak of it."""
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
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_bytes().decode(errors="replace")

    def mark(self) -> int:
        """Return the place in the text where it stands now; wait_for can look from there on."""
        return len(self.text)

    def wait_for(self, wanted: str, deadline: float = 40.0, since: int = 0) -> str:
        """Return the first line with the wanted text in it; fail if the program ends or the time is up before."""

        def found() -> str | None:
            # Asked before reading, so that the last words of a program that ends now are not missed.
            running = self.running
            for line in self.text[since:].splitlines():
                if wanted in line:
                    return line
            if not running:
                raise LabError(f"{self.name} ended without saying {wanted!r}\n{self.tail()}")
            return None

        try:
            return wait_until(found, f"{wanted!r} from {self.name}", deadline)
        except DeadlinePassed as passed:
            raise LabError(f"{passed}\n{self.tail()}") from passed

    def wait_ended(self, deadline: float = END_DEADLINE) -> int:
        """Return the exit status once the program has ended by itself; a signal's is negative."""
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired as expired:
            raise LabError(f"{self.name}: not ended within {deadline:g} s\n{self.tail()}") from expired

    def stop(self, deadline: float = END_DEADLINE) -> int:
        """Ask the program to end with SIGTERM and return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait_ended(deadline)

    def kill(self) -> None:
        """End the program with SIGKILL; it gets no chance to tidy up."""
        self._process.kill()
        self._process.wait()

    def tail(self, lines: int = 40) -> str:
        """Return the last lines of the text, indented, to be shown with a failure."""
        return "\n".join(f"    {line}" for line in self.text.splitlines()[-lines:])
