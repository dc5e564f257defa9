"""`iphttps demo` and `iphttps completion`."""

from __future__ import annotations

import subprocess
import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

VARIABLE = "_IPHTTPS_COMPLETE"
"""The environment variable with which a shell requests completion."""


@click.command()
def demo() -> int:
    """Demonstrate a tunnel between network namespaces on this machine, step by step.

    Everything is removed at the end. The demo needs root, or a system that allows user namespaces, and the programs ip
    and ping.
    """
    # A process of its own: the lab replaces its process to gain privileges, and handles signals itself.
    return subprocess.run((sys.executable, "-m", "iphttps.lab.demo"), check=False).returncode


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the shell completion script.

    \b
    bash:  source <(iphttps completion bash)   in ~/.bashrc
    zsh:   source <(iphttps completion zsh)    in ~/.zshrc, after compinit
    fish:  iphttps completion fish > ~/.config/fish/completions/iphttps.fish
    """
    click.echo(script(ctx.find_root().command, shell))
    return 0


def script(command: click.Command, shell: str) -> str:
    """Return the shell completion script."""
    found = get_completion_class(shell)
    assert found is not None
    # click's class for bash would first look for bash on this machine.
    return ShellComplete.source(found(command, {}, "iphttps", VARIABLE))
