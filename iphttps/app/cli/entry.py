"""The `iphttps` command: its subcommands, its errors and its exit status.

Exit status: 0 success, 1 a problem was found, 2 wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from ... import __version__
from ...core.errors import ConfigError
from ...core.identity import printable
from ..control.ask import AskError
from .groups import InOrder

COMMANDS = {
    "setup": "setup",
    "enrol": "enrol",
    "join": "join",
    "connect": "connect",
    "up": "instances",
    "down": "instances",
    "status": "control",
    "clients": "control",
    "disconnect": "control",
    "enable": "control",
    "disable": "control",
    "reload": "control",
    "ca": "ca",
    "users": "users",
    "check": "check",
    "config": "config",
    "demo": "misc",
    "completion": "misc",
    "cleanup": "cleanup",
}
"""Each subcommand, in the order in which help lists them, and its module in `commands/`."""


class Commands(InOrder):
    """A group that imports a command when it is used, so that no command waits for the imports of another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with this name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".commands.{COMMANDS[cmd_name]}", __package__)
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or fail and suggest the closest name."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(args[0], COMMANDS)
            ctx.fail(f"no such command {args[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="iphttps %(version)s")
def group() -> None:
    """Set up, check, run and monitor an IP-HTTPS server or client.

    INSTANCE is the name of a configuration in /etc/iphttps, such as main; use server/main or client/main if both
    exist. It can be omitted if there is only one.

    Exit status: 0 success, 1 a problem was found, 2 wrong usage.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; report an error as one sentence on standard error."""
    try:
        return int(group.main(arguments, prog_name="iphttps", standalone_mode=False) or 0)
    except ConfigError as error:
        return _complain(str(error), 1)
    except AskError as error:
        return _complain(str(error), error.status)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _complain(f"{error.format_message().rstrip('.')} (see `iphttps --help`)", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # otherwise Python reports an error for standard output when it exits
        return 1


def _complain(sentence: str, status: int) -> int:
    click.echo(f"iphttps: {printable(sentence)}", err=True)
    return status
