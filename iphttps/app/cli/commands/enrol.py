"""`iphttps enrol`: enrol a client with a file or a folder for Windows, or as a user of SSTP."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509

from ....core.identity import printable
from ....pki import atomic_files
from ....pki.authority.issuing import DAYS, MOST_DAYS, KeyKind
from ....pki.authority.names import checked_person
from ...enrol import windows
from ...enrol.bundle import ENDING, seal
from ...enrol.enrolment import Enrolment, check_absent, file_name
from ...enrol.passphrase import new_passphrase
from ...enrol.sstp_enrolment import JOIN, SSTPEnrolment
from ...instances.owners import demand_root
from ...instances.paths import Places
from .common_options import KEY_TYPE, root_option


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--windows", "for_windows", is_flag=True, help="Write a folder for Windows instead of a file for Linux.")
@click.option("--sstp", is_flag=True, help="Add a user of SSTP with a random password instead; no certificate.")
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
    sstp: bool,
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

    With --sstp, add the user NAME with a random password, which is shown once, and write NAME-sstp.iphttps, which
    contains the server's name and authority and is encrypted with the password.
    """
    demand_root(places, "enrol", "reads the authority's key")
    if sstp:
        _enrol_user(SSTPEnrolment.at(places, instance, uri), name, out, for_windows=for_windows)
        return 0
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


def _enrol_user(enrolment: SSTPEnrolment, name: str, out: Path, *, for_windows: bool) -> None:
    """Add a user of SSTP, and write the folder for Windows or the file for `iphttps join` to `out`."""
    target = out / (windows.folder_name(name, "-sstp-windows") if for_windows else file_name(name, f"-sstp{ENDING}"))
    check_absent(target)
    if for_windows:
        enrolment.script(JOIN, name)  # raises if a script cannot contain the name, before the user is added
        password = enrolment.add(name)
        enrolment.write_folder(target, name)
    else:
        password = enrolment.add(name, target)
    click.echo(f"wrote {target}")
    click.echo(printable(f"added {name} to {enrolment.users}"))
    click.echo(f"password: {password}")
    if for_windows:
        click.echo(f"next: on the Windows machine, run {windows.JOIN} as administrator; then connect as {name}")
    else:
        join = f"on a Linux client, run `iphttps join {target.name}`, which asks for the password"
        click.echo(printable(f"next: {join}; elsewhere, connect to {enrolment.server} by SSTP as {name}"))
