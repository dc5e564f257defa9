"""Reads the password of an SSTP client from the terminal, a file or standard input, never from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

import click

from ....core.errors import ConfigError
from ....core.text import text_of
from ....pki import atomic_files
from ...config.secrets.password_login import PASSWORD, checked_password
from ...config.tomlfile import loosely
from ...instances.instances import Instance
from ...instances.owners import give

LONGEST = 4096
"""Maximum bytes of a password to read."""


def ask_password(user: str) -> str:
    """Ask for a user's password at the terminal; raises ConfigError without a terminal or for an invalid password."""
    if not sys.stdin.isatty():
        raise ConfigError(
            f"there is no terminal to ask for the password of {user}: use password-file, or set {PASSWORD} in the"
            " environment"
        )
    typed: str = click.prompt(f"Password of {user}", hide_input=True, err=True)
    return checked_password(typed, "the input")


def read_password(source: BinaryIO) -> str:
    """Read a password, one line; raises ConfigError if it is invalid."""
    try:
        line = text_of(source.readline(LONGEST))
    except UnicodeDecodeError:
        raise ConfigError("the input holds no password: it must be UTF-8") from None
    return checked_password(line.rstrip("\r\n"), "the input")


def missing_password(instance: Instance, *, by_systemd: bool) -> dict[str, str]:
    """Ask for the password of an SSTP client that has none, and return the variables that its daemon needs.

    If the configuration names a password file that does not exist, the file is written instead.

    Raises:
        ConfigError: There is no terminal, the password is invalid, or the file cannot be written.
    """
    values = loosely(instance.file)
    user, file = values.get("user"), values.get("password-file")
    if instance.role != "sstp-client" or not isinstance(user, str) or not user:
        return {}
    if isinstance(file, str) and file:
        path = instance.places.beneath(Path(file).absolute())
        if path.exists() or not path.parent.is_dir():
            return {}  # the daemon reports any error in it
        atomic_files.create(path, f"{ask_password(user)}\n".encode(), atomic_files.PRIVATE)
        give(instance.places, path)
        click.echo(f"wrote {path}")
        return {}
    if PASSWORD in os.environ and not by_systemd:
        return {}
    if by_systemd:
        raise ConfigError(f"{instance.file} has no password-file: set it, because systemd starts {instance} by itself")
    return {PASSWORD: ask_password(user)}
