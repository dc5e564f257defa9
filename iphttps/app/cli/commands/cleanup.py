"""`iphttps cleanup`: restore the host after a daemon was killed; the systemd units run it."""

from __future__ import annotations

from pathlib import Path

import click

from ....core.errors import ConfigError
from ....host.kernel.network import undo
from ....host.kernel.undo import Note, UnreadableNote
from ....host.process.unix import remove_dead
from ...control.ask import VARIABLE, AskError
from ...daemon.service import note_beside


@click.command()
@click.option(
    "--control",
    metavar="PATH",
    envvar=VARIABLE,
    type=click.Path(path_type=Path),
    help=f"Control socket of the daemon; default: ${VARIABLE}.",
)
def cleanup(control: Path | None) -> int:
    """Restore the settings of this host after a daemon was killed, and remove its control socket.

    The systemd services run this automatically. The command fails if the daemon is still running.
    """
    if control is None:
        raise click.UsageError(f"give --control, or set {VARIABLE}")
    try:
        if not remove_dead(control):
            raise AskError(f"the daemon of {control} is running: it restores everything itself when it is stopped")
        note = Note(note_beside(control))
        try:
            if undo(note):
                click.echo("restored the settings for forwarding and Router Advertisements")
        except UnreadableNote as error:
            raise AskError(f"{error}: nothing was restored; the file is now {note.set_aside()}") from error
    except ConfigError as error:
        raise AskError(str(error)) from error
    except OSError as error:
        raise AskError(f"{control}: {error.strerror}") from error
    return 0
