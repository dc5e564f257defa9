"""systemd-resolved, which resolvectl(1) configures by interface."""

from __future__ import annotations

import shutil
from pathlib import Path

from ....core.ip.rdnss import Names
from .dns_settings import Command, DNSSettings

RUNTIME = Path("/run/systemd/resolve")
"""The runtime directory of systemd-resolved, which exists while it runs."""


def resolvectl() -> str | None:
    """Return the path of resolvectl, or None if systemd-resolved is not running."""
    return shutil.which("resolvectl") if RUNTIME.is_dir() else None


class Resolved(DNSSettings):
    """The DNS settings of one interface in systemd-resolved, which forgets them when the interface goes."""

    service = "systemd-resolved"
    advice = "a user other than root needs a polkit rule, see Names in docs/client.md"

    def commands(self, interface: str, names: Names) -> list[Command]:
        """Return the commands that set these names for the interface, or revert its settings."""
        if not names:
            return [(["revert", interface], b"")]
        # An empty argument clears the previous setting.
        servers, domains = [str(server) for server in names.servers] or [""], list(names.domains) or [""]
        return [(["dns", interface, *servers], b""), (["domain", interface, *domains], b"")]
