"""The programs of the bench that are written in C, so that the load costs less of the machine than what it is for."""

import subprocess
from pathlib import Path

from iphttps.lab.errors import LabError

LIBRARIES = {"sessions": ("-lssl", "-lcrypto")}


def program(name: str, directory: Path) -> str:
    """Compile one of them into a directory, unless it is there; return its path."""
    path = directory / name
    if not path.exists():
        source = Path(__file__).with_name(f"{name}.c")
        command = ("gcc", "-O2", "-o", str(path), str(source), *LIBRARIES.get(name, ()))
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)
        except FileNotFoundError as error:
            raise LabError("gcc is not found: `tools/setup programs bench` as root installs it.") from error
        except subprocess.CalledProcessError as error:
            first = next(iter(error.stderr.splitlines()), "")
            raise LabError(
                f"{source.name} cannot be compiled ({first}): "
                "`tools/setup programs bench` as root installs what it takes."
            ) from error
    return str(path)
