"""`iphttps connect`: connect in the foreground, without a configuration."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ...control.ask import AskError, ask, understanding
from ...instances.foreground import Foreground
from ...instances.interfaces import free_interface
from ...instances.launch import POLL
from ...instances.owners import demand_root
from ...instances.paths import Places
from .. import tables
from .control import working

ENDED = 130
"""The exit status after Ctrl-C before the link was up."""


@dataclass(frozen=True, slots=True)
class Target:
    """The role of the daemon for a URI, the server's URI, and for SSTP the user."""

    role: str
    uri: str
    user: str | None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parse sstp://USER@HOST, or the URI of an IP-HTTPS server; raises ConfigError."""
        scheme, separator, _ = text.partition("://")
        if not separator or scheme.lower() != "sstp":
            return cls("client", text, None)
        try:
            parts = urlsplit(text)
            user, password = parts.username, parts.password
        except ValueError as error:
            raise ConfigError("the URI is invalid: it must look like sstp://alice@vpn.example.org") from error
        if password is not None:  # the sentence must not quote it
            raise ConfigError(
                "the URI contains a password, and every local user can read the command line: leave it out, and the "
                "command asks for it"
            )
        if not user:
            raise ConfigError(f"{text!r} names no user: it must look like sstp://alice@vpn.example.org")
        server = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return cls("sstp-client", server, unquote(user))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("uri", metavar="URI")
@click.argument("more", metavar="[DAEMON OPTION]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--ca", metavar="FILE", type=click.Path(), help="PEM file with the authorities to trust; default: the system's."
)
@click.option("--proxy", metavar="URL", help="Web proxy: a URL, environment or auto; default: none.")
@click.option("--proxy-credentials", metavar="FILE", type=click.Path(), help="TOML file with the login for the proxy.")
@click.option(
    "--password-file", metavar="FILE", type=click.File("rb"), help="File with the password, or - for standard input."
)
@click.option("--interface", metavar="NAME", help="Interface to create; default: the first free one.")
@click.option("--verbose", is_flag=True, help="Show the daemon's log.")
def connect(
    uri: str,
    more: tuple[str, ...],
    ca: str | None,
    proxy: str | None,
    proxy_credentials: str | None,
    password_file: BinaryIO | None,
    interface: str | None,
    verbose: bool,
) -> int:
    """Connect to a server in the foreground until Ctrl-C, without writing a configuration.

    URI is sstp://USER@HOST for SSTP, or https://HOST/IPHTTPS for IP-HTTPS. The command asks for the password of USER,
    unless --password-file or IPHTTPS_SSTP_PASSWORD gives it. After the URI, all options of `twistd sstp-client` or
    `twistd iphttps-client` are allowed, such as --route, --default-route yes or --certificate.

    The command prints each step. Once the link has been up, the client reconnects after a failure.

    Exit status: 1 if the first attempt fails.
    """
    from ...config.secrets.password_login import PASSWORD  # slow: imports TLS
    from .passwords import ask_password, read_password

    target = Target.parse(uri)
    demand_root(Places(), "connect", "creates a network interface")
    variables = {}
    if target.user is not None:
        if password_file:
            variables[PASSWORD] = read_password(password_file)
        elif PASSWORD not in os.environ:
            variables[PASSWORD] = ask_password(target.user)
    elif password_file:
        raise click.UsageError("--password-file is for sstp://")
    chosen = interface or free_interface(Places(), "sstp" if target.user else "iphttps")
    options = ["--uri", target.uri, "--interface", chosen, *more]
    given = {"--user": target.user, "--ca": ca, "--proxy": proxy, "--proxy-credentials": proxy_credentials}
    for name, value in given.items():
        options += [name, value] if value is not None else []
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    with Foreground(target.role, options, variables, verbose=verbose) as daemon:
        return _follow(daemon)


def _follow(daemon: Foreground) -> int:
    """Print each change until Ctrl-C, or until a failure before the link is up; return the exit status."""
    progress = Progress()
    try:
        while True:
            if why := daemon.ended():
                raise ConfigError(why)
            for line in progress.changes(_status(daemon.control)):
                click.echo(printable(line))
            if progress.failed:
                raise ConfigError(progress.failed)
            time.sleep(POLL)
    except KeyboardInterrupt:
        click.echo("disconnecting")
        return 0 if progress.was_up else ENDED


def _status(control: Path) -> dict[str, Any] | None:
    """Return the daemon's status, or None while it starts or ends."""
    try:
        answer: dict[str, Any] = ask(control, "GET", "/status")
    except AskError:
        return None
    return answer


class Progress:
    """The progress of a client that has been printed: its step, its link and its last failure."""

    def __init__(self) -> None:
        self.was_up = False
        """True if the link has been up."""
        self.failed: str | None = None
        """The reason for which the first attempt has failed, or None."""
        self._said: object = None
        self._failure: object = None

    def changes(self, status: dict[str, Any] | None) -> Iterator[str]:
        """Yield a line for each change since the last status."""
        if status is None:
            return
        with understanding():
            lines = [*self._failures(status), *self._step(status)]
        yield from lines

    def _failures(self, status: dict[str, Any]) -> Iterator[str]:
        failure = status["last_failure"]
        found = failure and (failure["stage"], failure["reason"], failure["uri"])
        if not failure or found == self._failure:
            return
        self._failure, self._said = found, None
        sentence = tables.failure(failure, status)
        if not self.was_up:
            self.failed = sentence
        else:
            yield f"{sentence}; connecting again"

    def _step(self, status: dict[str, Any]) -> Iterator[str]:
        if self.failed:
            return
        if working(status):
            self.was_up, self._failure = True, None
            said = f"connected: {' '.join((status['interface'], *status['addresses']))}"
        elif status["waiting"]:
            said = status["waiting"]
        elif status["stage"]:
            said = tables.STAGES.get(status["stage"], str(status["stage"]))
        else:
            return
        if said != self._said:
            self._said = said
            yield said
