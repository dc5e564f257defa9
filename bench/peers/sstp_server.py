"""The PyPI package sstp-server, in a Python of its own. Its pty end is /dev/null: there is no pppd, and no tunnel."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.progress import say
from iphttps.lab.authority import Authority, Identity
from iphttps.lab.errors import LabError

NAME = "sstp-server without PPP"
PACKAGE = "sstp-server==0.7.2"
PYTHONS = ("python3.14", "python3.13", "python3.12")  # older ones get an older package, which does not work with them
SECONDS = 2.0
PROGRAM = Path(__file__).parents[1] / "sstp_framing.py"  # imports the package
INSTALLING = 180.0  # seconds, at most: it compiles its codec


@dataclass(frozen=True, slots=True)
class Framing:
    """Mbit/s of packets over TLS, from the client and to it."""

    up: float
    down: float


@contextmanager
def installed() -> Iterator[Path | None]:
    """Install the package in an environment of its own and yield the Python there, or say why that cannot be."""
    with tempfile.TemporaryDirectory(prefix="iphttps-bench-") as directory:
        python = Path(directory) / "bin" / "python"
        reason = _install(directory, python)
        if reason:
            say(f"{NAME} is left out: {reason}")
        yield None if reason else python


def _install(directory: str, python: Path) -> str | None:
    """Install the package; return the sentence that says why it is not there."""
    found = found_python()
    if found is None:
        return "it takes Python 3.12 or later, and none of " + ", ".join(PYTHONS) + " is found; install one."
    for command in ([found, "-m", "venv", directory], [str(python), "-m", "pip", "install", "--quiet", PACKAGE]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLING, check=False)
        except subprocess.TimeoutExpired:
            return f"`{' '.join(command)}` takes more than {INSTALLING:g} seconds; try again with a faster network."
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["it fails"]
            return f"`{' '.join(command)}` fails ({lines[-1]}); see whether the package registry can be reached."
    return None


def found_python() -> str | None:
    """Return a Python that the package supports, on the path or one of pyenv's; None if there is none."""
    pyenv = (Path.home() / ".pyenv" / "versions").glob("3.1[2-9]*/bin/python")
    paths = filter(None, map(shutil.which, (*PYTHONS, *sorted(map(str, pyenv)))))
    return next((path for path in paths if _works(path)), None)


def _works(python: str) -> bool:
    """Tell whether it is a Python, and not one of pyenv's scripts without one."""
    return subprocess.run((python, "-c", ""), capture_output=True, check=False).returncode == 0


def framing(python: Path) -> Framing:
    """Measure it in both directions."""
    with tempfile.TemporaryDirectory(prefix="iphttps-bench-") as directory:
        identity = Authority(Path(directory)).server("localhost")
        return Framing(_rate(python, "up", identity), _rate(python, "down", identity))


def _rate(python: Path, direction: str, identity: Identity) -> float:
    command = (str(python), str(PROGRAM), direction, str(SECONDS), str(identity.certificate), str(identity.private_key))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # of another Python
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=10 * SECONDS + 20, check=False, env=environment
    )
    if done.returncode:
        raise LabError(f"{NAME}: {done.stderr.strip()}")
    return float(done.stdout)
