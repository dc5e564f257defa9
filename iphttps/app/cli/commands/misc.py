"""`iphttps demo` and `iphttps completion`: what the program shows of itself."""

from __future__ import annotations

import subprocess
import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

VARIABLE = "_IPHTTPS_COMPLETE"
"""The environment variable by which a shell asks the command to complete a word."""


@click.command()
def demo() -> int:
    """Show a tunnel between network namespaces of this machine, step by step, and leave nothing behind.

    It takes root, or a system that allows user namespaces, and the programs ip and ping.
    """
    # The laboratory is no part of the program, and ends itself in ways of its own.
    return subprocess.run((sys.executable, "-m", "iphttps.lab.demo"), check=False).returncode


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print what has a shell complete the words of this command.

    \b
    bash:  source <(iphttps completion bash)   in ~/.bashrc
    zsh:   source <(iphttps completion zsh)    in ~/.zshrc, after compinit
    fish:  iphttps completion fish > ~/.config/fish/completions/iphttps.fish
    """
    click.echo(script(ctx.find_root().command, shell))
    return 0


def script(command: click.Command, shell: str) -> str:
    """Return what has a shell complete the words of the whole command."""
    found = get_completion_class(shell)
    assert found is not None
    # bash's own class would look for bash here first.
    return ShellComplete.source(found(command, {}, "iphttps", VARIABLE))
