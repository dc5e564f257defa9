"""What a client sees of a host's systemd-resolved: its runtime directory, and a resolvectl that takes notes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iphttps.lab.laboratory import Laboratory

# /run is the started program's own.
_TWISTD = """\
#!/bin/sh
mount -t tmpfs none /run && mkdir -p /run/systemd/resolve || exit 1
PATH={directory}:$PATH exec {twistd} "$@"
"""
_RESOLVECTL = '#!/bin/sh\necho "$@" >> {directory}/resolved\n'


class Resolved:
    """What daemons told it that were started while it was there, one line for each command."""

    def __init__(self, lab: Laboratory, directory: Path) -> None:
        """Make the programs in a directory."""
        self._lab = lab
        self._notes = directory / "resolved"
        twistd = Path(sys.executable).with_name("twistd")
        self._twistd = directory / "twistd"
        for path, text in ((self._twistd, _TWISTD), (directory / "resolvectl", _RESOLVECTL)):
            path.write_text(text.format(directory=directory, twistd=twistd))
            path.chmod(0o755)

    @property
    def told(self) -> list[str]:
        """The commands so far."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    @contextmanager
    def there(self) -> Iterator[None]:
        """Have daemons find it that are started meanwhile."""
        usual, self._lab.twistd = self._lab.twistd, [str(self._twistd)]
        try:
            yield
        finally:
            self._lab.twistd = usual
