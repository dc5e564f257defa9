"""The `iphttps` command: its subcommands, and how it ends.

Exit status: 0 all is fine, 1 there is a problem, 2 the command was used wrongly.
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

COMMANDS = {
    "setup": "setup",
    "enrol": "enrol",
    "join": "join",
    "up": "instances",
    "down": "instances",
    "status": "control",
    "clients": "control",
    "disconnect": "control",
    "enable": "control",
    "disable": "control",
    "reload": "control",
    "ca": "ca",
    "check": "check",
    "config": "config",
    "demo": "misc",
    "completion": "misc",
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with a whole sentence, where click itself would cut long ones off."""
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(one.name or "", sentence(one)) for one in commands if one and not one.hidden])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is asked for, or name the one that was probably meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(args[0], COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; is {near[0]!r} meant?" if near else ""))
        return super().resolve_command(ctx, args)


def sentence(command: click.Command) -> str:
    """Return what a command is for: the short help that it names itself, or the first sentence of its help."""
    if command.short_help:
        return command.short_help
    paragraph = " ".join((command.help or "").split("\n\n")[0].split())
    first, end, _ = paragraph.partition(". ")
    return first + end.rstrip()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="iphttps %(version)s")
def group() -> None:
    """Set up, check, run and watch an IP-HTTPS server or client.

    INSTANCE is the name of a configuration in /etc/iphttps, such as main, or server/main where a client has the
    same name. Where there is only one it need not be named.

    Exit status: 0 all is fine, 1 there is a problem, 2 the command was used wrongly.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line; whatever goes wrong is one sentence on standard error."""
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
        sys.stderr.close()  # else Python complains about standard output at its end
        return 1


def _complain(sentence: str, status: int) -> int:
    click.echo(f"iphttps: {printable(sentence)}", err=True)
    return status
