"""`iphttps join`: set up a client from an enrolment file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ....core.text import without_mark
from ...enrol import sstp_client_setup
from ...enrol.bundle import Bundle, read_bundle
from ...enrol.client_setup import Joining, default_instance
from ...enrol.passphrase import read_passphrase
from ...enrol.sstp_bundle import SSTPBundle, unseal
from ...enrol.sstp_client_setup import SSTPJoining
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

    A file made by `iphttps enrol --sstp` sets up an SSTP client; its passphrase is the user's password.

    It is safe to run the command again. Files of other clients are not overwritten.
    """
    demand_root(places, "join", "writes to /etc/iphttps")
    data = read_bundle(file)
    setup = _setup(places, _opened(data, passphrase_file), instance, replace)
    role, name = setup.ROLE, setup.instance
    changed = False
    for sentence in setup.perform():
        changed = True
        click.echo(printable(sentence))
    started = units.enable(places, role, name)
    if not changed and not started.done:
        click.echo(f"{name}: already joined; no changes")
    click.echo(started.sentence)
    click.echo(f"next: check the client with `iphttps status {role}/{name}`; {file} is no longer needed")
    return 0


def _setup(places: Places, bundle: Bundle | SSTPBundle, instance: str | None, replace: bool) -> Joining | SSTPJoining:
    if isinstance(bundle, SSTPBundle):
        return SSTPJoining(places, instance or sstp_client_setup.default_instance(bundle), bundle, replace)
    return Joining(places, instance or default_instance(bundle), bundle, replace)


def _opened(data: bytes, source: BinaryIO | None) -> Bundle | SSTPBundle:
    """Decrypt the file; at a terminal, the user has three tries."""
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
