"""`iphttps up` and `iphttps down`: start and stop an instance."""

from __future__ import annotations

import time
from typing import Any

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ...control.ask import AskError, ask, is_live, understanding
from ...instances.instances import Instance, named, only
from ...instances.launch import POLL, supervisor
from ...instances.paths import Places
from .. import tables
from .common_options import instance_argument, root_option
from .control import working


@click.command()
@instance_argument
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(0), default=30.0, show_default=True, help="How long to wait."
)
@root_option
def up(instance: str | None, timeout: float, places: Places) -> int:
    """Start an instance, and wait until it is really up.

    A server is up when it listens, a client when its link is up and the router on it answers. With systemd the
    instance's unit is started; elsewhere a process in the background, with a log in /var/log/iphttps.

    Exit status: 1 if it does not start, or is not up in time; then it goes on trying.
    """
    meant = named(places, instance) if instance else only(places)
    control = meant.control
    assert control is not None
    ended = _unseen if is_live(control) else supervisor(meant).start(meant)
    deadline = time.monotonic() + timeout
    while True:
        if why := ended():
            raise ConfigError(f"{meant} does not start: {why}")
        try:
            status = ask(control, "GET", "/status")
        except AskError as error:
            lacks = str(error) if control.exists() else "it is still about to start"
        else:
            with understanding():
                up_to = status["waiting"] if status.get("waiting") else status["state"] if working(status) else None
                lacks = _lacks(meant, status)
            if up_to:
                break
        if time.monotonic() > deadline:
            raise ConfigError(f"{meant} runs, but is not up after {timeout:g} s: {lacks}")
        time.sleep(POLL)
    click.echo(printable(f"{meant} is up: {up_to}"))
    return 0


def _unseen() -> str | None:
    """Say why an instance that somebody else started has ended: nobody here can tell."""
    return None


@click.command()
@instance_argument
@root_option
def down(instance: str | None, places: Places) -> int:
    """Stop an instance, and wait until it has ended its sessions and left nothing behind."""
    meant = named(places, instance) if instance else only(places)
    stopped = supervisor(meant).stop(meant)
    if not stopped and meant.control and is_live(meant.control):
        raise ConfigError(f"{meant} was not started by `iphttps up`: stop it in the way in which it was started")
    click.echo(f"{meant} is stopped" if stopped else f"{meant} does not run")
    return 0


def _lacks(instance: Instance, status: dict[str, Any]) -> str:
    """Say what an instance waits for."""
    failure, attempt = status.get("last_failure"), status.get("next_attempt")
    if failure and attempt:
        return (
            f"{failure['stage']}: {failure['reason']}; the next attempt is due in {tables.duration(attempt['seconds'])}"
        )
    stage = tables.STAGES.get(status.get("stage") or "")
    return f"{status['state']}{f', {stage}' if stage else ''}; `iphttps status {instance}` shows how it goes on"
