"""`iphttps ca`: run a certificate authority."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from ....core.errors import ConfigError
from ....pki import atomic_files, certificate_files
from ....pki.authority import issuing, names
from ....pki.authority.issuing import AUTHORITY_DAYS, DAYS, MOST_DAYS, KeyKind, Kind
from ....pki.authority.store import CERTIFICATE, Authority, Issued
from ...daemon.servers_list import copy_servers_list
from ...instances.paths import Places
from .. import certificate_list
from ..groups import InOrder
from .common_options import KEY_TYPE

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def authority_option(default: str) -> Callable[[Command], Command]:
    """Add the options that locate the authority; `default` describes which one is used without them."""

    def add(command: Command) -> Command:
        about = f"The authority's directory; default: {default}."
        command = click.option("--authority", "directory", metavar="DIRECTORY", type=PATH, help=about)(command)
        about = "Use DIRECTORY as the root for default paths."
        return click.option("--root", metavar="DIRECTORY", type=PATH, default=Path("/"), help=about)(command)

    return add


OF_CLIENTS = "/var/lib/iphttps/ca"
OF_SERVERS = "/etc/iphttps/server-ca if it exists, else /var/lib/iphttps/ca"
OF_EITHER = "the one of /etc/iphttps/server-ca and /var/lib/iphttps/ca that issued the certificate"
"""The authority that a command uses by default, for its help."""


def days_option(default: int, about: str) -> Callable[[Command], Command]:
    """Add the option for the lifetime of a certificate; `about` says of which."""
    return click.option(
        "--days",
        metavar="NUMBER",
        type=click.IntRange(1, MOST_DAYS),
        default=default,
        help=f"{about}; default: {default}.",
    )


OF_CERTIFICATE = "Validity in days, at most until the authority expires"
"""The help of --days for a certificate that an authority issues."""


def key_option(command: Command) -> Command:
    """Add the option for the type of a new key."""
    return click.option("--key", type=click.Choice([kind.value for kind in KeyKind]), default="rsa", help=KEY_TYPE)(
        command
    )


def out_option(command: Command) -> Command:
    """Add the option for the output directory."""
    about = "Existing directory to write to; default: the current directory."
    place = click.Path(file_okay=False, exists=True, path_type=Path)
    return click.option("--out", metavar="DIRECTORY", type=place, default=Path(), help=about)(command)


@click.group(cls=InOrder)
def ca() -> None:
    """Run a certificate authority: issue, renew, revoke and list certificates.

    The authority is a directory. Its private key can issue certificates that your server accepts, so only root and the
    server's user may read it.
    """


@ca.command()
@click.option(
    "--name", metavar="NAME", default="IP-HTTPS CA", help="Common name of the authority; default: IP-HTTPS CA."
)
@click.option(
    "--for",
    "purpose",
    type=click.Choice([*(kind.value + "s" for kind in Kind), "both"]),
    default="both",
    help="Holders of the certificates that the authority issues: servers, clients or both; default: both.",
)
@click.option(
    "--host",
    "hosts",
    metavar="HOST",
    multiple=True,
    help="Name of the server; repeatable. Certificates give the first as the location of the revocation list.",
)
@click.option("--crl-uri", "uris", metavar="URI", multiple=True, help="Further location of the revocation list.")
@key_option
@days_option(AUTHORITY_DAYS, "Validity of the authority's certificate, in days")
@authority_option(f"{OF_CLIENTS}, or with --for servers /etc/iphttps/server-ca")
def init(
    name: str,
    purpose: str,
    hosts: tuple[str, ...],
    uris: tuple[str, ...],
    key: str,
    days: int,
    directory: Path | None,
    root: Path,
) -> None:
    """Create an authority: its key, its certificate and an empty revocation list.

    An existing authority is never overwritten.

    An authority for servers is limited by name constraints to the names given with --host and their subdomains.
    `iphttps ca allow` adds names later.
    """
    if purpose == "servers" and not hosts:
        raise click.UsageError("--for servers needs at least one --host")
    kind = next((kind for kind in Kind if f"{kind.value}s" == purpose), None)
    place = directory or (Places(root).server_authority if kind is Kind.SERVER else Places(root).authority)
    document = names.SERVERS_DOCUMENT if kind is Kind.SERVER else names.DOCUMENT
    places = [*([names.crl_uri(hosts[0], document)] if hosts else []), *uris]
    confined = hosts if kind is Kind.SERVER else ()
    made = Authority.create
    authority = made(place, name, key=KeyKind(key), days=days, crl_uris=places, kind=kind, hosts=confined)
    until = _date(authority.issuer.certificate.not_valid_after_utc)
    click.echo(f"created an authority in {place}, valid until {until}")
    click.echo(f"every client needs its certificate: {authority.certificate_path}")


@ca.command()
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@authority_option(OF_SERVERS)
def allow(hosts: tuple[str, ...], directory: Path | None, root: Path) -> None:
    """Add names to the name constraints of an authority for servers.

    This renews the authority's certificate with the same key; certificates already issued stay valid. Clients need the
    new ca.pem before they connect to a new name.
    """
    authority = _open_to_change(directory or _of_servers(root), root)
    if authority.allow(hosts):
        click.echo(f"wrote {authority.certificate_path}: clients need it before they connect to a new name")
    else:
        click.echo(f"{authority.directory} already covers {', '.join(hosts)}")


@ca.command()
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@key_option
@days_option(DAYS, OF_CERTIFICATE)
@out_option
@authority_option(OF_SERVERS)
def server(hosts: tuple[str, ...], key: str, days: int, out: Path, directory: Path | None, root: Path) -> None:
    """Issue a certificate for a server.

    The certificate covers every name and address given. It is written to HOST.pem and its key to HOST.key, named after
    the first. An existing HOST.key without a HOST.pem is used as the key.
    """
    known = names.checked_hosts(hosts)
    authority = _open_to_change(directory or _of_servers(root), root)
    pair = certificate_files.Pair.of(out, known[0])
    issued = pair.complete(KeyKind(key), lambda public: authority.find_or_sign_server(known, public, days=days))
    copy_servers_list(Places(root))
    _say_issued(pair, issued)


@ca.command()
@click.argument("name", metavar="NAME")
@key_option
@days_option(DAYS, OF_CERTIFICATE)
@out_option
@authority_option(OF_CLIENTS)
def client(name: str, key: str, days: int, out: Path, directory: Path | None, root: Path) -> None:
    """Issue a certificate for a client.

    The certificate is written to NAME.pem and its key to NAME.key. NAME identifies the client in logs and limits. An
    existing NAME.key without a NAME.pem is used as the key.
    """
    known = names.checked_person(name)
    authority = _open_to_change(directory, root)
    pair = certificate_files.Pair.of(out, known)
    issued = pair.complete(KeyKind(key), lambda public: authority.find_or_sign_client(known, public, days=days))
    _say_issued(pair, issued)
    others = [record for record in authority.find(known) if record.serial != issued.serial]
    for record in others:
        if record.state(datetime.now(UTC)) == "valid":
            serial = record.shown_serial
            click.echo(f"{known} also has {serial}: to revoke it, run `iphttps ca revoke {serial}`")


@ca.command()
@click.argument("which", metavar="NAME|SERIAL")
@days_option(DAYS, OF_CERTIFICATE)
@click.option("--out", metavar="PATH", type=PATH, default=Path(), help="File to write, or the directory of NAME.pem.")
@authority_option(OF_EITHER)
def renew(which: str, days: int, out: Path, directory: Path | None, root: Path) -> None:
    """Renew a certificate, with the same key and names.

    The new certificate replaces NAME.pem; the private key does not have to be moved. The old certificate stays valid
    until it expires or is revoked. For a new key, issue a new certificate.
    """
    authority = _open_to_change(directory or _that_knows(which, root), root)
    record = authority.newest(which)
    path = out / f"{record.name}.pem" if out.is_dir() else out
    certificate_files.check_same_key(path, record.public_key)
    issued = authority.renew(record.serial, days=days)
    atomic_files.write(path, issued.certificate_pem)
    copy_servers_list(Places(root))
    click.echo(f"wrote {path}, valid until {_date(issued.not_after)}, for the existing key of {record.name}")


@ca.command()
@click.argument("which", metavar="NAME|SERIAL...", nargs=-1, required=True)
@authority_option(OF_EITHER)
def revoke(which: tuple[str, ...], directory: Path | None, root: Path) -> None:
    """Revoke certificates; their sessions end within seconds.

    NAME revokes all certificates of that name; SERIAL, or its first eight digits, revokes one.
    """
    authority = _open_to_change(directory or _that_knows(which[0], root), root)
    for each in which:
        authority.find(each)  # if one does not exist, revoke none
    for each in which:
        found = authority.revoke(each)
        for record in found:
            click.echo(f"revoked {record.shown_serial}, {record.kind.value} {record.name}")
        if not found:
            click.echo(f"{each} is already revoked")
    copy_servers_list(Places(root))


@ca.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@authority_option(OF_CLIENTS)
def list_(as_json: bool, directory: Path | None, root: Path) -> None:
    """List the certificates.

    The list shows the days of validity left, revocations, and the day on which a client first used each. Without
    --authority it also shows those of /etc/iphttps/server-ca, except with --json.
    """
    values = certificate_list.values(_open(directory, root))
    if as_json:
        click.echo(json.dumps(values, indent=2))
        return
    shown = [certificate_list.text(values)]
    if directory is None and (second := _of_servers(root)):
        shown.append(certificate_list.text(certificate_list.values(_open(second, root))))
    click.echo("\n".join(shown), nl=False)


@ca.command()
@click.option("--out", metavar="FILE", type=PATH, help="Write a copy to FILE.")
@click.option("--der", is_flag=True, help="Write the copy in DER, the format for distribution points, instead of PEM.")
@authority_option(OF_CLIENTS)
def crl(out: Path | None, der: bool, directory: Path | None, root: Path) -> None:
    """Issue a new revocation list; a running server does this automatically."""
    authority = _open(directory, root, issues=False)
    content = authority.write_list()
    if out:
        atomic_files.write(out, issuing.as_der(content) if der else content)
    current = authority.current_list()
    assert current is not None
    assert current.next_update_utc is not None
    click.echo(f"wrote {out or authority.list_path}, valid until {_date(current.next_update_utc)}")


def _open(directory: Path | None, root: Path, *, issues: bool = True) -> Authority:
    return Authority.open(directory or Places(root).authority, issues=issues)


def _of_servers(root: Path) -> Path | None:
    """Return the directory of the authority for servers, or None if one authority serves both."""
    directory = Places(root).server_authority
    return directory if (directory / CERTIFICATE).exists() else None


def _that_knows(which: str, root: Path) -> Path | None:
    """Return the directory of the authority for servers if it issued this certificate, or None."""
    directory = _of_servers(root)
    try:
        return directory if directory and Authority.open(directory).find(which) else None
    except ConfigError:
        return None


def _open_to_change(directory: Path | None, root: Path) -> Authority:
    authority = _open(directory, root)
    authority.repair_list()
    return authority


def _say_issued(pair: certificate_files.Pair, issued: Issued) -> None:
    click.echo(f"wrote {pair.certificate}, valid until {_date(issued.not_after)}, and its key {pair.key}")


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
