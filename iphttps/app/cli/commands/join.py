"""`iphttps join`: set up a client from an enrolment file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ....core.text import without_mark
from ...enrol.bundle import Bundle, read_bundle, unseal
from ...enrol.client_setup import Joining, default_instance
from ...enrol.passphrase import read_passphrase
from ...instances import units
from ...instances.owners import demand_root
from ...instances.paths import Places
from .common_options import root_option

TRIES = 3
LONGEST = 1024


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--passphrase-file",
    metavar="FILE",
    type=click.File("rb"),
    help="File that holds the passphrase, or - for standard input; default: ask for it.",
)
@click.option("--instance", metavar="NAME", help="Name of this client instance; default: the name of its server.")
@click.option("--replace", is_flag=True, help="Replace an earlier enrolment with the same server.")
@root_option
def join(file: Path, passphrase_file: BinaryIO | None, instance: str | None, replace: bool, places: Places) -> int:
    """Set up a client on this machine from a file made by `iphttps enrol`; with systemd, start it.

    It is safe to run the command again. Files of other clients are not overwritten.
    """
    demand_root(places, "join", "writes to /etc/iphttps")
    data = read_bundle(file)
    bundle = _opened(data, passphrase_file)
    name = instance or default_instance(bundle)
    changed = False
    for sentence in Joining(places, name, bundle, replace).perform():
        changed = True
        click.echo(printable(sentence))
    started = units.enable(places, "client", name)
    if not changed and not started.done:
        click.echo(f"{name}: already joined; no changes")
    click.echo(started.sentence)
    click.echo(f"next: check the client with `iphttps status client/{name}`; {file} is no longer needed")
    return 0


def _opened(data: bytes, source: BinaryIO | None) -> Bundle:
    """Decrypt the file; a passphrase typed by hand may be wrong twice."""
    if source is not None:
        return unseal(data, read_passphrase(without_mark(source.read(LONGEST)).decode("utf-8", "replace")))
    if not sys.stdin.isatty():
        return unseal(data, read_passphrase(sys.stdin.readline(LONGEST)))
    for left in reversed(range(TRIES)):
        try:
            return unseal(data, read_passphrase(click.prompt("Passphrase", hide_input=True, err=True)))
        except ConfigError as error:
            if not left:
                raise
            click.echo(f"iphttps: {error}; try again", err=True)
    raise AssertionError
