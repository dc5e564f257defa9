"""The programs of the bench that are written in C, so that the load costs less of the machine than what it is for."""

import subprocess
from pathlib import Path

from iphttps.lab.errors import LabError

FOLDER = Path(__file__).parent
OPENSSL = ("-lssl", "-lcrypto")
OFFLOAD = FOLDER.parent / "iphttps" / "host" / "device" / "offload.c"

WITH: dict[str, tuple[str, ...]] = {
    "sessions": (str(FOLDER / "session.c"), *OPENSSL),
    "light_clients": (str(FOLDER / "session.c"), str(OFFLOAD), *OPENSSL),
}
"""The files that a program consists of besides its own."""


def program(name: str, directory: Path) -> str:
    """Compile one of them into a directory, unless it is there; return its path."""
    path = directory / name
    if not path.exists():
        source = FOLDER / f"{name}.c"
        command = ("gcc", "-O2", "-o", str(path), str(source), *WITH.get(name, ()))
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
