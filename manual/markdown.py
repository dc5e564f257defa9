"""docs/configuration.md: every key of both files, from the same source as the manual pages."""

from __future__ import annotations

from collections.abc import Iterator

from iphttps.app.config.daemons import OPTIONS
from iphttps.app.config.options import DaemonOptions
from iphttps.app.config.reload import RESTART

from .example import Example, Key

HEAD = """# Configuration

<!-- Made by `make doc` from etc/server.toml and etc/client.toml: change those. -->

A server or client has one file in TOML, `/etc/iphttps/server/NAME.toml` or `/etc/iphttps/client/NAME.toml`, where NAME
is what the `iphttps` command calls the instance; the option `--config` of both daemons takes any other. The keys are
the options of the daemons, with the same words: `prefix = "..."` is `--prefix ...`, `strict = true` is `--strict`, and
a list is an option given several times. What stands on the command line prevails. Relative paths are taken from where
the daemon is started.

    iphttps check                 # what is wrong, with file and line, before a daemon uses it
    iphttps config --effective    # every value, and where it comes from
    iphttps reload                # a server reads its file again, and ends no session

`iphttps check` looks at the file, then at the certificates, keys and revocation lists that it names, then at the
machine: the device node, the port, routes, the packet filter, the clock. It says an error where the daemon would refuse
to start, in the same sentence, or where nobody could connect; a warning where it works, but not for long or perhaps not
for everybody. In these sentences options are written as on the command line; the key in the file is the same word
without the dashes. The exit status is 1 if there are errors, with `--strict` also if there are warnings; `--json`
prints the findings as [schemas/check.schema.json](schemas/check.schema.json) describes them.
"""


def document() -> str:
    """Return the whole document."""
    return HEAD + "".join(f"\n{section}" for role in OPTIONS for section in _sections(role))


def _sections(role: str) -> Iterator[str]:
    options = OPTIONS[role]()
    yield f"## The {role}'s keys\n"
    for entry in Example.read(role).entries:
        names = ", ".join(f"`{key.name}`" for key in entry.keys)
        yield f"### {names}\n\n{entry.text}\n\n" + "".join(f"- {_line(role, options, key)}\n" for key in entry.keys)


def _line(role: str, options: DaemonOptions, key: Key) -> str:
    parts = [f"`{key.name}`: {kind(options, key.name)}"]
    if not key.is_default:
        parts.append(f"such as `{key.value}`")
    elif key.value in ('""', "[]"):
        parts.append("not set by default")
    else:
        parts.append(f"by default `{key.value}`")
    if role == "server" and key.name in RESTART:
        parts.append("a change takes a restart")
    return "; ".join(parts)


def kind(options: DaemonOptions, name: str) -> str:
    """Say what a key takes."""
    if name in options.flags:
        return "true or false"
    if name in options.repeatable:
        return "a string, or a list of strings"
    if key_is_number(options, name):
        return "a number"
    return "a string"


def key_is_number(options: DaemonOptions, name: str) -> bool:
    """Tell whether the default of a key is a number."""
    try:
        float(options[name])
    except (TypeError, ValueError):
        return False
    return True
