"""`iphttps cleanup`: puts back what a daemon that was killed has left changed; the systemd units run it."""

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
    required=True,
    type=click.Path(path_type=Path),
    help=f"The control socket that the daemon had; without it ${VARIABLE}.",
)
def cleanup(control: Path) -> int:
    """Put back what a daemon that was killed has left changed of this host, and remove its control socket.

    The services do this by themselves. A daemon that runs is left alone.
    """
    try:
        if not remove_dead(control):
            raise AskError(f"the daemon of {control} runs, and puts everything back when it is stopped")
        note = Note(note_beside(control))
        try:
            if undo(note):
                click.echo("forwarding and Router Advertisements are as they were before the daemon")
        except UnreadableNote as error:
            raise AskError(f"{error}, and nothing is put back: renamed to {note.set_aside()}") from error
    except ConfigError as error:
        raise AskError(str(error)) from error
    except OSError as error:
        raise AskError(f"{control}: {error.strerror}") from error
    return 0
