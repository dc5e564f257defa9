"""The `iphttps` command: its subcommands, and how it ends.

Exit status: 0 all is fine, 1 there is a problem, 2 the command was used wrongly.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from .. import __version__
from ..core.identity import printable
from .ask import AskError

COMMANDS = {
    "status": "running",
    "clients": "running",
    "disconnect": "running",
    "enable": "running",
    "disable": "running",
    "reload": "running",
    "cleanup": "cleanup",
}
"""The subcommands in the order in which help lists them, and the module in `commands/` that has each."""


class Commands(click.Group):
    """A group whose commands are imported when they are asked for, so that none waits for what others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None if there is none of the name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".commands.{COMMANDS[cmd_name]}", __package__)
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for, or name the one that was probably meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(args[0], COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; is {near[0]!r} meant?" if near else ""))
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="iphttps %(version)s")
def group() -> None:
    """Look at a running IP-HTTPS server or client, and control it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; whatever goes wrong is one sentence on standard error."""
    try:
        return int(group.main(arguments, prog_name="iphttps", standalone_mode=False) or 0)
    except AskError as error:
        return _complain(str(error), error.status)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _complain(f"{error.format_message().rstrip('.')} (see `iphttps --help`)", error.exit_code)
    except (KeyError, TypeError, AttributeError):  # only an answer is taken apart here
        return _complain("the daemon's answer lacks something: is it of another version?", 1)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # else Python complains about standard output at its end
        return 1


def _complain(sentence: str, status: int) -> int:
    click.echo(f"iphttps: {printable(sentence)}", err=True)
    return status
