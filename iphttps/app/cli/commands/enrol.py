"""`iphttps enrol`: what a new client needs, in a file or in a folder for Windows."""

from __future__ import annotations

from pathlib import Path

import click

from ....pki import atomic_files
from ....pki.authority.issuing import DAYS, MOST_DAYS, KeyKind
from ....pki.authority.names import checked_person
from ...enrol import windows
from ...enrol.bundle import ENDING, seal
from ...enrol.enrolment import Enrolment, check_absent, file_name
from ...enrol.passphrase import new_passphrase
from ...instances.owners import demand_root
from ...instances.paths import Places
from .common_options import root_option


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--windows", "for_windows", is_flag=True, help="Make a folder for Windows, instead of a file for Linux.")
@click.option(
    "--pkcs12",
    type=click.Choice([kind.value for kind in windows.Encryption]),
    default=windows.Encryption.TRIPLE_DES.value,
    help="How the key in that folder is encrypted: 3des, which every Windows imports, or aes, from Windows 10 1709 on.",
)
@click.option(
    "--out",
    metavar="DIRECTORY",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path(),
    help="Where the file or the folder is put; without it the current directory.",
)
@click.option(
    "--days",
    metavar="NUMBER",
    type=click.IntRange(1, MOST_DAYS),
    default=DAYS,
    help=f"How long the certificate is valid; {DAYS} unless given.",
)
@click.option("--key", type=click.Choice([kind.value for kind in KeyKind]), default="rsa", help="The kind of key.")
@click.option("--uri", metavar="URI", help="What the client calls the server, if not by the name in its certificate.")
@click.option("--instance", metavar="NAME", help="Which server, where there are several.")
@root_option
def enrol(
    name: str,
    for_windows: bool,
    pkcs12: str,
    out: Path,
    days: int,
    key: str,
    uri: str | None,
    instance: str | None,
    places: Places,
) -> int:
    """Make a file with which a client of this name joins the server: NAME.iphttps, for `iphttps join`.

    It is encrypted with a passphrase that is shown once, here. Whoever has both is that client, so let them go separate
    ways. The name is what logs, limits and `iphttps ca revoke` know the client by.
    """
    demand_root(places, "enrol", "uses the authority's key")
    enrolment = Enrolment.at(places, instance, uri)
    target = out / (windows.folder_name(name) if for_windows else file_name(name, ENDING))
    check_absent(target)
    before = enrolment.valid(name)
    bundle = enrolment.issue(name, key=KeyKind(key), days=days)
    passphrase = new_passphrase()
    if for_windows:
        windows.write_folder(target, bundle, passphrase, windows.Encryption(pkcs12))
    else:
        atomic_files.create(target, seal(bundle, passphrase), atomic_files.PRIVATE)
    click.echo(f"wrote {target}, which is good for {days} days from today at most")
    click.echo(f"passphrase: {passphrase}")
    if for_windows:
        click.echo(f"next: on the Windows machine, as administrator, {windows.JOIN} in that folder asks for it")
    else:
        click.echo(f"next: on the client, `iphttps join {target.name}` asks for it")
    for number in before:
        click.echo(f"{checked_person(name)} also has {number}; `iphttps ca revoke {number}` ends that")
    return 0
