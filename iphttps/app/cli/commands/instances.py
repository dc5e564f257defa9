"""`iphttps up` and `iphttps down`: start and stop an instance."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ...control.ask import AskError, ask, is_live, understanding
from ...instances.instances import Instance, named, only
from ...instances.launch import POLL, Systemd, supervisor
from ...instances.paths import Places
from .. import tables
from .common_options import instance_argument, root_option
from .control import working
from .passwords import missing_password


@click.command()
@instance_argument
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(0), default=30.0, help="Seconds to wait; default: 30."
)
@root_option
def up(instance: str | None, timeout: float, places: Places) -> int:
    """Start an instance and wait until it is up.

    A server is up when it is listening, a client when its link is up and has an address that can be used, and its
    router answers, with SSTP the server. With systemd this starts the unit of the instance; otherwise a background
    process that logs to /var/log/iphttps. If the password of an SSTP client is missing, the command asks for it.

    Exit status: 1 if the instance does not start, or is not up when the timeout expires. In the latter case it keeps
    running.
    """
    meant = named(places, instance) if instance else only(places)
    control = meant.control
    assert control is not None
    ended = _unknown if is_live(control) else _start(meant)
    deadline = time.monotonic() + timeout
    while True:
        if why := ended():
            raise ConfigError(f"{meant} failed to start: {why}")
        try:
            status = ask(control, "GET", "/status")
        except AskError as error:
            lacks = str(error) if control.exists() else "it is still starting"
        else:
            with understanding():
                up_to = status["waiting"] if status.get("waiting") else status["state"] if working(status) else None
                lacks = _lacks(meant, status)
            if up_to:
                break
        if time.monotonic() > deadline:
            raise ConfigError(f"{meant} is running but not up after {timeout:g} s: {lacks}")
        time.sleep(POLL)
    click.echo(printable(f"{meant} is up: {up_to}"))
    return 0


def _start(instance: Instance) -> Callable[[], str | None]:
    """Start an instance, after asking for a password that it lacks."""
    found = supervisor(instance)
    return found.start(instance, missing_password(instance, by_systemd=isinstance(found, Systemd)))


def _unknown() -> str | None:
    """Return None: the exit of an instance that was not started here cannot be observed."""
    return None


@click.command()
@instance_argument
@root_option
def down(instance: str | None, places: Places) -> int:
    """Stop an instance and wait until it has ended its sessions and restored the host."""
    meant = named(places, instance) if instance else only(places)
    stopped = supervisor(meant).stop(meant)
    if not stopped and meant.control and is_live(meant.control):
        raise ConfigError(f"{meant} was not started by `iphttps up`: stop it by the means that started it")
    click.echo(f"{meant} stopped" if stopped else f"{meant} is not running")
    return 0


def _lacks(instance: Instance, status: dict[str, Any]) -> str:
    """Return the reason why an instance is not up yet."""
    failure, attempt = status.get("last_failure"), status.get("next_attempt")
    if failure and attempt:
        return (
            f"{tables.failed_at(failure)}: {failure['reason']}; next attempt in {tables.duration(attempt['seconds'])}"
        )
    stage = tables.STAGES.get(status.get("stage") or "")
    return f"{status['state']}{f', {stage}' if stage else ''}; see `iphttps status {instance}`"
