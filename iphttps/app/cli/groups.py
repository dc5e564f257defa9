"""Groups of commands whose help lists each command with a whole sentence."""

from __future__ import annotations

import click


class InOrder(click.Group):
    """A group that lists its commands in the order of their definition."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each command with a whole sentence; click would truncate long ones."""
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(one.name or "", sentence(one)) for one in commands if one and not one.hidden])


def sentence(command: click.Command) -> str:
    """Return the summary of a command: its short help, or else the first sentence of its help."""
    if command.short_help:
        return command.short_help
    paragraph = " ".join((command.help or "").split("\n\n")[0].split())
    first, end, _ = paragraph.partition(". ")
    return first + end.rstrip()
