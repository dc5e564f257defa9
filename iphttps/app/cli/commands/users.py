"""`iphttps users`: the users that may log in by SSTP."""

from __future__ import annotations

import sys
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from pathlib import Path

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ....core.queues.rate import MaxRate
from ....core.text import text_of
from ...config.rates import WANTED, max_rate
from ...instances.owners import demand_root, give, make_public_directory
from ...instances.paths import Places
from ...users import editing, users_file
from .. import tables
from ..groups import InOrder
from .common_options import Command, echo_json, json_option, root_option

LONGEST_LINE = 4096


def file_option(command: Command) -> Command:
    """Add the options that locate the users file."""
    about = "The users file; default: /etc/iphttps/users.toml."
    option = click.option("--file", metavar="PATH", type=click.Path(dir_okay=False, path_type=Path), help=about)
    return option(root_option(command))


def password_option(command: Command) -> Command:
    """Add the option for a password from standard input."""
    about = "Read the password from standard input, one line; default: ask for it twice."
    return click.option("--password-stdin", is_flag=True, help=about)(command)


def _ipv4(ctx: click.Context, param: click.Parameter, text: str | None) -> IPv4Address | None:
    try:
        return None if text is None else IPv4Address(text)
    except AddressValueError as error:
        raise click.BadParameter(f"{text!r} is not an IPv4 address, such as 10.99.0.7", ctx, param) from error


def _ipv6(ctx: click.Context, param: click.Parameter, text: str | None) -> IPv6Address | None:
    try:
        return None if text is None else IPv6Address(text)
    except AddressValueError as error:
        raise click.BadParameter(f"{text!r} is not an IPv6 address, such as 2001:db8:3::7", ctx, param) from error


def _rate(ctx: click.Context, param: click.Parameter, text: str | None) -> MaxRate | None:
    try:
        return None if text is None else max_rate(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not {WANTED}", ctx, param) from error


@click.group(cls=InOrder)
def users() -> None:
    """Add, remove and list the users who may log in by SSTP, and set their passwords.

    They are in a TOML file of mode 0600, which a running server reads again when it changes. Only the NT hash of a
    password is stored; that is enough to log in with MS-CHAPv2, so keep it as secret as the password.
    """


@users.command()
@click.argument("name", metavar="NAME")
@password_option
@click.option("--address", metavar="IPV4", callback=_ipv4, help="Fixed IPv4 address.")
@click.option("--address6", metavar="IPV6", callback=_ipv6, help="Fixed IPv6 address.")
@click.option(
    "--max-rate",
    metavar="RATE",
    callback=_rate,
    help="Maximum rate in each direction, in bit/s, such as 20M; 0: no limit; default: max-rate of the server.",
)
@file_option
def add(
    name: str,
    password_stdin: bool,
    address: IPv4Address | None,
    address6: IPv6Address | None,
    max_rate: MaxRate | None,
    file: Path | None,
    places: Places,
) -> int:
    """Add a user; the file is made if there is none.

    The user can log in as NAME, DOMAIN\\NAME or NAME@REALM, in upper or lower case.
    """
    path = _to_change(file, places)
    if not file:
        make_public_directory(path.parent)
    new = not path.exists()
    editing.check_new(path, name)
    editing.add(path, name, _password(name, password_stdin), address, address6, max_rate)
    if new and not file:
        give(places, path)
    click.echo(printable(f"added {name} to {path}"))
    return 0


@users.command()
@click.argument("name", metavar="NAME")
@file_option
def remove(name: str, file: Path | None, places: Places) -> int:
    """Remove a user, which ends the user's sessions."""
    path = _to_change(file, places)
    editing.remove(path, name)
    click.echo(printable(f"removed {name} from {path}"))
    return 0


@users.command(name="list")
@json_option
@file_option
def list_(as_json: bool, file: Path | None, places: Places) -> int:
    """List the users.

    The list shows how each password is stored, fixed addresses, and who is disabled.
    """
    path = _path(file, places)
    found = [_values(user) for user in users_file.read(path)]
    if as_json:
        echo_json({"file": str(path), "users": found})
    else:
        click.echo(_text(found), nl=False)
    return 0


@users.command()
@click.argument("name", metavar="NAME")
@password_option
@file_option
def passwd(name: str, password_stdin: bool, file: Path | None, places: Places) -> int:
    """Give a user a new password, which ends the user's sessions."""
    path = _to_change(file, places)
    editing.check_known(path, name)
    editing.set_password(path, name, _password(name, password_stdin))
    click.echo(printable(f"{name} has a new password in {path}"))
    return 0


def _path(file: Path | None, places: Places) -> Path:
    return file or places.users


def _to_change(file: Path | None, places: Places) -> Path:
    if not file:
        demand_root(places, "users", "writes to /etc/iphttps")
    return _path(file, places)


def _password(name: str, from_stdin: bool) -> str:
    """Return the password: never from the command line, which everybody on this host can read."""
    if from_stdin:
        line = sys.stdin.buffer.readline(LONGEST_LINE)
        try:
            return editing.checked_password(text_of(line).rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise ConfigError("not a password: standard input must be UTF-8") from error
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for the password: use --password-stdin")
    text = f"Password for {printable(name)}"
    typed: str = click.prompt(text, hide_input=True, err=True, confirmation_prompt="The same again")
    return editing.checked_password(typed)


def _values(user: users_file.User) -> dict[str, object]:
    return {
        "name": user.name,
        "stored": "password" if user.in_clear else "nt-hash",
        "address": user.address and str(user.address),
        "address6": user.address6 and str(user.address6),
        "max_rate": None if user.max_rate is None else user.max_rate.up,
        "disabled": user.disabled,
    }


def _shown(rate: object) -> str:
    return "-" if not isinstance(rate, int) else tables.rate(rate) if rate else "no limit"


def _text(found: list[dict[str, object]]) -> str:
    if not found:
        return "no users\n"
    rows: list[tables.Row] = [("NAME", "STORED", "ADDRESS", "ADDRESS6", "MAX RATE", "STATE")]
    for user in found:
        state = "disabled" if user["disabled"] else "enabled"
        addresses = user["address"] or "-", user["address6"] or "-"
        rows.append((user["name"], user["stored"], *addresses, _shown(user["max_rate"]), state))
    return tables.table(rows)
