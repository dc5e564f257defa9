"""Checks of the host; nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

from ...core.errors import IPHTTPSError
from ...host.device.tun import check_name
from ...host.kernel import firewall, inspection
from ...host.kernel.network import unprepared
from ...host.process import front_socket, privileges
from ...host.process.unix import check_place
from ...net.connect.endpoints import bind
from ..config import interface_settings
from ..config.client_config import ClientConfig
from ..config.daemon_config import DaemonConfig
from ..config.server_config import ServerConfig
from ..config.sstp_client_config import SSTPClientConfig
from ..control.ask import ask, is_live
from ..daemon.server_port import local_fronts
from ..daemon.sstp_network import network_config
from . import sstp_checks, sstp_client_checks
from .findings import Findings, Severity

PRIVILEGED_PORTS = 1024


def running(control: Path | None) -> dict[str, Any] | None:
    """Return the status of the daemon on a control socket: empty if it cannot be read, None if no daemon listens."""
    if control is None or not is_live(control):
        return None
    try:
        status = ask(control, "GET", "/status")
    except IPHTTPSError:
        return {}
    return status if isinstance(status, dict) else {}


def check_system(config: DaemonConfig, findings: Findings, now: datetime, control: Path | None) -> None:
    """Check the requirements of the daemon on the host, except those that a running daemon already meets."""
    findings.add(Severity.ERROR, "device", _clock(now))
    obstacle = inspection.device_obstacle()
    if obstacle:
        findings.add(Severity.ERROR, "device", f"cannot create the interface {config.interface}: {obstacle}")
    if inspection.forwards() is None:
        findings.add(Severity.ERROR, "interface", "the kernel has no IPv6: boot it without ipv6.disable=1")
    status = running(control)
    if inspection.forwards() is not None and status is None:
        for sentence in _unprepared(config):
            findings.add(Severity.ERROR, "interface", sentence)
    served = not isinstance(config, ServerConfig) or config.serves_iphttps
    if served and (status is None or status.get("interface") not in (None, config.interface)):
        findings.attempt("interface", lambda: check_name(config.interface))
    if status is None and (path := config.control):
        findings.attempt("control", lambda: check_place(path))
    if not privileges.has(privileges.CAP_NET_ADMIN):
        sentence = (
            "not running as root: the firewall and possibly some files were not checked; repeat the check as root"
        )
        findings.add(Severity.WARNING, "interface", sentence)
    if isinstance(config, ServerConfig):
        _check_server(config, findings, serving=status is not None)
        sstp_checks.check_host(config, findings, serving=status is not None)
        return
    if isinstance(config, SSTPClientConfig):
        sstp_client_checks.check_host(config, findings)
    if ruleset := firewall.nftables():
        purpose = "by which this host gets its address and routes"
        for sentence in firewall.discovery_obstacles(ruleset, config.interface, purpose):
            findings.add(Severity.WARNING, "interface", sentence)


def _unprepared(config: DaemonConfig) -> list[str]:
    """Return a sentence for each setting that the daemon needs and cannot change; correct ones are not written."""
    match config:
        case ServerConfig():
            return unprepared(interface_settings.SERVER, forwarding=True)
        case ClientConfig():
            return unprepared(interface_settings.client_settings(config), forwarding=False)
        case SSTPClientConfig():
            return unprepared(network_config(config).settings, forwarding=False)
    return []


def _check_server(config: ServerConfig, findings: Findings, *, serving: bool) -> None:
    port = config.uri.port
    if config.uri.socket:
        place = Path(config.uri.socket)
        if not serving:
            findings.attempt("uri", lambda: front_socket.check(place, config.socket_group or ""))
    elif not serving and (port >= PRIVILEGED_PORTS or privileges.has(privileges.CAP_NET_BIND_SERVICE)):
        findings.attempt("uri", lambda: bind(config.uri).close())
    findings.add(Severity.WARNING, "trusted-proxy", local_fronts(config))
    links: list[tuple[str, str, IPv6Network | None]] = []
    if config.serves_iphttps:
        links.append((config.interface, "prefix", config.prefix))
    if config.serves_sstp:
        links.append((config.sstp_interface, "sstp-prefix", config.sstp_prefix))
    interfaces = [interface for interface, _, _ in links]
    for interface, key, prefix in links:
        if prefix:
            _check_prefix(findings, key, prefix, interface)
    for route in config.route:
        found = inspection.leading(route)
        if found is None:
            findings.add(
                Severity.WARNING,
                "route",
                f"this host has no route to {route}: add one, or it cannot forward clients' packets",
            )
        elif found[1] in interfaces:
            findings.add(Severity.WARNING, "route", f"{route} is routed to {found[1]}, back to the clients")
    if inspection.forwards() is False and inspection.can_forward() and not serving:
        findings.add(
            Severity.NOTE, "route", "IPv6 forwarding is off: the server turns it on, and off again when it stops"
        )
    for number, interface in enumerate(interfaces):
        _check_firewall(findings, interface, None if number else port)


def _check_prefix(findings: Findings, key: str, prefix: IPv6Network, interface: str) -> None:
    for other, name in inspection.overlapping(prefix, interface):
        findings.add(
            Severity.ERROR,
            key,
            f"{other} is already routed to {name}, and --{key} {prefix} must be the tunnel's alone: use another",
        )
    findings.add(
        Severity.NOTE, key, f"your network's routers must route {prefix} to this host; this cannot be checked here"
    )


def _check_firewall(findings: Findings, interface: str, port: int | None) -> None:
    """Check the rules for an interface, and those for the port unless it is None: they are checked once."""
    ruleset = firewall.nftables()
    if ruleset is not None:
        for sentence in firewall.forward_obstacles(ruleset, interface):
            findings.add(Severity.WARNING, "interface", sentence)
        for sentence in firewall.discovery_obstacles(ruleset, interface):
            findings.add(Severity.WARNING, "interface", sentence)
        for sentence in firewall.input_obstacles(ruleset, port) if port else ():
            findings.add(Severity.WARNING, "uri", sentence)
    rules = firewall.legacy()
    if rules is not None and port:
        for sentence in firewall.legacy_obstacles(rules, interface, port):
            findings.add(Severity.WARNING, "interface", sentence)


def _clock(now: datetime) -> str | None:
    """Return a sentence if the clock, on which the validity of certificates depends, is wrong, or None."""
    try:
        made = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    except OSError:  # not readable by this user
        return None
    if now < made - timedelta(days=1):
        return f"the clock says {now:%Y-%m-%d %H:%M} UTC, which is before this program was installed: set the clock"
    return None
