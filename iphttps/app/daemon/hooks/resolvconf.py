"""resolvconf(8), of openresolv or Debian, which writes /etc/resolv.conf from a record for each interface."""

from __future__ import annotations

import os
import shutil

from ....core.ip.rdnss import Names
from ....net.interfaces import IReactor
from .dns_settings import Command, DNSSettings
from .resolved import Resolved, resolvectl

SBIN = ("/usr/sbin", "/sbin")
"""Debian's directories for it, which may be missing from a daemon's PATH."""


def resolvconf() -> str | None:
    """Return the path of resolvconf; None without it, or if it is only another name of resolvectl."""
    found = shutil.which("resolvconf", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN)))
    return None if found and os.path.basename(os.path.realpath(found)) == "resolvectl" else found


class Resolvconf(DNSSettings):
    """The record of one interface in resolvconf, which outlives the interface."""

    service = "resolvconf"
    advice = "only root can change its records: run the client as root, or use an up script"
    outlives = True

    def commands(self, interface: str, names: Names) -> list[Command]:
        """Return the command that adds or replaces the interface's record, or deletes it."""
        record = f"{interface}.iphttps"
        if not names:
            return [(["-d", record], b"")]
        lines = [f"nameserver {server}" for server in names.servers]
        # "~." is a route of systemd-resolved's, no domain to search.
        if domains := [domain for domain in names.domains if not domain.startswith("~")]:
            lines.append(f"search {' '.join(domains)}")
        return [(["-a", record], "".join(f"{line}\n" for line in lines).encode("ascii"))]


def dns_settings(reactor: IReactor, interface: str) -> DNSSettings:
    """Return the DNS settings of an interface: in systemd-resolved if it runs, otherwise in resolvconf."""
    if program := resolvectl():
        return Resolved(reactor, interface, program)
    if program := resolvconf():
        return Resolvconf(reactor, interface, program)
    return DNSSettings(reactor, interface)
