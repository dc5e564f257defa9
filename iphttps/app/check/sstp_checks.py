"""Checks of the requirements of SSTP: its users file, and on the host its interface and addresses; changes nothing."""

from __future__ import annotations

import os
import pwd
from ipaddress import IPv4Network
from pathlib import Path

from ...core.sstp.ppp.lcp import Authentication
from ...core.sstp.ppp.pool import AddressPool
from ...host.device.tun import check_name
from ...host.kernel.routes import ipv4_routes
from ..config.server_config import ServerConfig
from ..daemon.sstp import PAP_WARNING, fixed, reserved
from ..instances.paths import USER
from ..users.users_file import UsersFile
from .findings import Findings, Severity


def check_users(config: ServerConfig, findings: Findings) -> None:
    """Load the users file in the same way as the daemon."""
    path, pool, prefix = config.sstp_users, config.sstp_pool, config.sstp_prefix
    if not config.serves_sstp or path is None:
        return
    if Authentication.PAP in config.sstp_authentication:
        findings.add(Severity.WARNING, "sstp-authentication", PAP_WARNING)
    file = findings.attempt("sstp-users", lambda: UsersFile(path))
    if file is None:
        return
    if pool:
        findings.attempt("sstp-users", lambda: AddressPool(pool, fixed(file.users)))
    if prefix:
        findings.attempt("sstp-users", lambda: reserved(prefix, file.users))
    if not any(not user.disabled for user in file.users):
        findings.add(
            Severity.WARNING, "sstp-users", f"{path} has no user who may log in: `iphttps users add NAME` adds one"
        )


def check_owner(path: Path, key: str, findings: Findings) -> None:
    """Check that the daemons' user can read a file with secrets, which only its owner may read; root can read any.

    `key` is the option that names the file.
    """
    try:
        user, owner = pwd.getpwnam(USER), path.stat().st_uid
    except (KeyError, OSError):
        return  # without this user the daemons run as root; loading the file reports that it is missing
    if os.geteuid() == 0 and owner != user.pw_uid:
        findings.add(
            Severity.WARNING,
            key,
            f"{path} cannot be read by {USER}, the service's user: run `chown {USER} {path}`",
        )


def check_host(config: ServerConfig, findings: Findings, *, serving: bool) -> None:
    """Check that the interface's name is free, and that the pool conflicts with no other network."""
    if not config.serves_sstp:
        return
    if config.sstp_users:
        check_owner(config.sstp_users, "sstp-users", findings)
    if not serving:
        findings.attempt("sstp-interface", lambda: check_name(config.sstp_interface))
    if config.sstp_pool:
        _check_pool(config.sstp_pool, config.sstp_interface, findings)


def _check_pool(pool: IPv4Network, interface: str, findings: Findings) -> None:
    for network, name, attached in sorted(ipv4_routes()):
        if name == interface:
            continue
        if network.subnet_of(pool):
            sentence = f"{network} is already routed to {name}, and --sstp-pool {pool} is for the tunnel alone"
            findings.add(Severity.ERROR, "sstp-pool", f"{sentence}: use another")
        elif attached and pool.subnet_of(network) and network.prefixlen:
            findings.add(
                Severity.WARNING,
                "sstp-pool",
                f"--sstp-pool {pool} lies in {network}, the network of {name}, whose hosts expect clients there, not "
                "behind this host: use another",
            )
    findings.add(
        Severity.NOTE,
        "sstp-pool",
        f"your network's routers must route {pool} to this host, or this host must masquerade; this cannot be "
        "checked here",
    )
