"""`iphttps enrol`: write the enrolment of a new client, as a file or as a folder for Windows."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509

from ....pki import atomic_files
from ....pki.authority.issuing import DAYS, MOST_DAYS, KeyKind
from ....pki.authority.names import checked_person
from ...enrol import windows
from ...enrol.bundle import ENDING, seal
from ...enrol.enrolment import Enrolment, check_absent, file_name
from ...enrol.passphrase import new_passphrase
from ...instances.owners import demand_root
from ...instances.paths import Places
from .common_options import KEY_TYPE, root_option


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--windows", "for_windows", is_flag=True, help="Write a folder for Windows instead of a file for Linux.")
@click.option(
    "--pkcs12",
    type=click.Choice([kind.value for kind in windows.Encryption]),
    default=windows.Encryption.TRIPLE_DES.value,
    help="Encryption of the key for Windows: 3des (every version) or aes (Windows 10 1709 and later); default: 3des.",
)
@click.option(
    "--out",
    metavar="DIRECTORY",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path(),
    help="Existing directory to write to; default: the current directory.",
)
@click.option(
    "--days",
    metavar="NUMBER",
    type=click.IntRange(1, MOST_DAYS),
    default=DAYS,
    help=f"Validity of the certificate in days, at most until the authority expires; default: {DAYS}.",
)
@click.option("--key", type=click.Choice([kind.value for kind in KeyKind]), default="rsa", help=KEY_TYPE)
@click.option("--uri", metavar="URI", help="Server URI for the client, if not the name in the server's certificate.")
@click.option("--instance", metavar="NAME", help="Server instance, if there are several.")
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
    """Issue a client certificate and write NAME.iphttps, the file for `iphttps join` on the client.

    The file is encrypted with a passphrase, which is shown once. Send the file and the passphrase by different means:
    together they let anyone connect as this client. NAME identifies the client in logs, limits and `iphttps ca revoke`.
    """
    demand_root(places, "enrol", "reads the authority's key")
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
    end = x509.load_pem_x509_certificate(bundle.certificate_pem).not_valid_after_utc
    click.echo(f"wrote {target}, certificate valid until {end:%Y-%m-%d}")
    click.echo(f"passphrase: {passphrase}")
    if for_windows:
        click.echo(f"next: on the Windows machine, run {windows.JOIN} as administrator; it asks for the passphrase")
    else:
        click.echo(f"next: on the client, run `iphttps join {target.name}`; it asks for the passphrase")
    for number in before:
        click.echo(f"{checked_person(name)} also has {number}: to revoke it, run `iphttps ca revoke {number}`")
    return 0
