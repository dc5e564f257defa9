"""`iphttps ca`: the commands of an authority of one's own."""

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

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


def authority_option(command: Command) -> Command:
    """Let a command be told which authority is meant."""
    about = "The authority's directory; without it /var/lib/iphttps/ca."
    command = click.option("--authority", "directory", metavar="DIRECTORY", type=PATH, help=about)(command)
    about = "Take the paths that are not given beneath this directory instead of /."
    return click.option("--root", metavar="DIRECTORY", type=PATH, default=Path("/"), help=about)(command)


def days_option(default: int) -> Callable[[Command], Command]:
    """Let a command be told how long a certificate is valid."""
    return click.option(
        "--days",
        metavar="NUMBER",
        type=click.IntRange(1, MOST_DAYS),
        default=default,
        help=f"How long it is valid; {default} unless given, and never longer than the authority.",
    )


def key_option(command: Command) -> Command:
    """Let a command be told what kind of key is made."""
    about = "The kind of key: rsa, which every client knows, or ecdsa (P-256), which is smaller."
    return click.option("--key", type=click.Choice([kind.value for kind in KeyKind]), default="rsa", help=about)(
        command
    )


def out_option(command: Command) -> Command:
    """Let a command be told where it writes."""
    about = "Where the files are written; without it the current directory."
    return click.option("--out", metavar="DIRECTORY", type=PATH, default=Path(), help=about)(command)


class InOrder(click.Group):
    """A group that lists its commands in the order in which they stand here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(self.commands)


@click.group(cls=InOrder)
def ca() -> None:
    """Make certificates by an authority of your own.

    The authority is a directory. Whoever has its key can make certificates that your server lets in, so it is only for
    root and the user that the server runs as.
    """


@ca.command()
@click.option("--name", metavar="NAME", default="IP-HTTPS CA", help="What the authority is called in its certificates.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice([*(kind.value + "s" for kind in Kind), "both"]),
    default="both",
    help="What its certificates are good for: servers, clients, or both.",
)
@click.option(
    "--host",
    "hosts",
    metavar="HOST",
    multiple=True,
    help="The server's name; repeatable. The first is where certificates say that the list is published.",
)
@click.option("--crl-uri", "uris", metavar="URI", multiple=True, help="Where else the revocation list is to be had.")
@key_option
@days_option(AUTHORITY_DAYS)
@authority_option
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
    """Make an authority.

    That is a key, its own certificate, and an empty revocation list. One that is there is never overwritten.

    One for servers is confined to the names given by --host, and those below them: whoever trusts it trusts it for
    nothing else. `iphttps ca allow` adds names later.
    """
    kind = next((kind for kind in Kind if f"{kind.value}s" == purpose), None)
    place = directory or (Places(root).server_authority if kind is Kind.SERVER else Places(root).authority)
    document = names.SERVERS_DOCUMENT if kind is Kind.SERVER else names.DOCUMENT
    places = [*([names.crl_uri(hosts[0], document)] if hosts else []), *uris]
    confined = hosts if kind is Kind.SERVER else ()
    made = Authority.create
    authority = made(place, name, key=KeyKind(key), days=days, crl_uris=places, kind=kind, hosts=confined)
    click.echo(f"made an authority in {place}, valid until {_date(authority.issuer.certificate.not_valid_after_utc)}")
    click.echo(f"its certificate, which all clients need, is {authority.certificate_path}")


@ca.command()
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@authority_option
def allow(hosts: tuple[str, ...], directory: Path | None, root: Path) -> None:
    """Add hosts to an authority for servers.

    Its own certificate is made anew, for the same key: certificates of the old names stay good. Clients that have the
    old ca.pem need the new one before they call the server by a new name.
    """
    authority = _open_to_change(directory or _of_servers(root), root)
    if authority.allow(hosts):
        click.echo(f"wrote {authority.certificate_path}: clients need it before they call the server by a new name")
    else:
        click.echo(f"{authority.directory} vouches for {', '.join(hosts)} already")


@ca.command()
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@key_option
@days_option(DAYS)
@out_option
@authority_option
def server(hosts: tuple[str, ...], key: str, days: int, out: Path, directory: Path | None, root: Path) -> None:
    """Issue a certificate for a server.

    It is for all the names or addresses given, and is written as HOST.pem and HOST.key, after the first of them. A
    HOST.key that is there already, without a HOST.pem, is the key that it gets.
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
@days_option(DAYS)
@out_option
@authority_option
def client(name: str, key: str, days: int, out: Path, directory: Path | None, root: Path) -> None:
    """Issue a certificate for a client.

    It is written as NAME.pem and NAME.key. The name is what logs and limits know the client by. A NAME.key that is
    there already, without a NAME.pem, is the key that it gets.
    """
    known = names.checked_person(name)
    authority = _open_to_change(directory, root)
    pair = certificate_files.Pair.of(out, known)
    issued = pair.complete(KeyKind(key), lambda public: authority.find_or_sign_client(known, public, days=days))
    _say_issued(pair, issued)
    others = [record for record in authority.find(known) if record.serial != issued.serial]
    for record in others:
        if record.state(datetime.now(UTC)) == "valid":
            click.echo(f"{known} also has {record.shown_serial}; `iphttps ca revoke {record.shown_serial}` ends that")


@ca.command()
@click.argument("which", metavar="NAME|SERIAL")
@days_option(DAYS)
@click.option(
    "--out", metavar="PATH", type=PATH, default=Path(), help="The file to write, or a directory for NAME.pem."
)
@authority_option
def renew(which: str, days: int, out: Path, directory: Path | None, root: Path) -> None:
    """Issue a certificate anew, for the same key.

    It has the same names, and takes the place of NAME.pem. Only the certificate is new, so nothing secret has to be
    moved. The old one is good until it ends, or is revoked. For another key, issue a new certificate.
    """
    authority = _open_to_change(directory or _that_knows(which, root), root)
    record = authority.newest(which)
    path = out / f"{record.name}.pem" if out.is_dir() else out
    certificate_files.check_same_key(path, record.public_key)
    issued = authority.renew(record.serial, days=days)
    atomic_files.write(path, issued.certificate_pem)
    copy_servers_list(Places(root))
    click.echo(f"wrote {path}, valid until {_date(issued.not_after)}; its key is the one that {record.name} has")


@ca.command()
@click.argument("which", metavar="NAME|SERIAL...", nargs=-1, required=True)
@authority_option
def revoke(which: tuple[str, ...], directory: Path | None, root: Path) -> None:
    """Revoke certificates; their sessions end within seconds.

    A name means all certificates of that name, a serial number, or its first eight digits, one.
    """
    authority = _open_to_change(directory or _that_knows(which[0], root), root)
    for each in which:
        authority.find(each)  # all are there, or nothing is done
    for each in which:
        found = authority.revoke(each)
        for record in found:
            click.echo(f"revoked {record.shown_serial}, {record.kind.value} {record.name}")
        if not found:
            click.echo(f"{each} was revoked before")
    copy_servers_list(Places(root))


@ca.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@authority_option
def list_(as_json: bool, directory: Path | None, root: Path) -> None:
    """List the certificates.

    It shows how many days they are valid, whether they are revoked, and since when they are in use.
    """
    authority = _open(directory, root)
    values = certificate_list.values(authority)
    text = json.dumps(values, indent=2) + "\n" if as_json else certificate_list.text(values)
    click.echo(text, nl=False)


@ca.command()
@click.option("--out", metavar="FILE", type=PATH, help="Write a copy there.")
@click.option("--der", is_flag=True, help="Have that copy in DER, as distribution points need it, instead of PEM.")
@authority_option
def crl(out: Path | None, der: bool, directory: Path | None, root: Path) -> None:
    """Write a new revocation list; the server does so by itself."""
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
    """Return the authority that is for servers only, or None if the other is for both."""
    directory = Places(root).server_authority
    return directory if (directory / CERTIFICATE).exists() else None


def _that_knows(which: str, root: Path) -> Path | None:
    """Return the authority for servers if it has issued this certificate, or None."""
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
