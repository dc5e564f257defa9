"""The manual pages of the command and its subcommands, the daemons, and their configuration files."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from iphttps.app.cli.entry import group
from iphttps.app.cli.groups import sentence
from iphttps.app.config.daemons import OPTIONS
from iphttps.app.config.options import CONFIG, DaemonOptions
from iphttps.app.config.proxy_options import PASSWORD, USER
from iphttps.app.config.secrets import password_login
from iphttps.app.control.ask import VARIABLE
from iphttps.app.instances import paths

from .example import Example
from .troff import Page

WHAT = {
    "server": "server for IPv6 over HTTPS, for Windows and Linux clients",
    "client": "client for IPv6 over HTTPS",
    "sstp-client": "client for IPv4 and IPv6 over SSTP",
}
NAMES = {"server": "IP-HTTPS server", "client": "IP-HTTPS client", "sstp-client": "SSTP client"}
PROTOCOLS = {
    "iphttps": "IP-HTTPS is Microsoft's protocol [MS-IPHTTPS] that carries IPv6 packets inside HTTPS.",
    "sstp": "SSTP is Microsoft's protocol [MS-SSTP] that carries PPP, and so IPv4 and IPv6 packets, inside HTTPS.",
}
"""What each daemon's protocol is, by the first word of its command."""

DAEMON_PAGES = tuple(f"{paths.command(role)}(8)" for role in OPTIONS)
FILE_PAGES = tuple(f"{paths.command(role)}.toml(5)" for role in OPTIONS)


def pages() -> Iterator[Page]:
    """Yield every page."""
    yield _main()
    context = _context()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield _command(command, click.Context(command, info_name=name, parent=context))
    for role in OPTIONS:
        yield _daemon(role)
        yield _file(role)


def _context() -> click.Context:
    return click.Context(group, info_name="iphttps", **group.context_settings)


def _main() -> Page:
    page = Page("iphttps", 1, "set up, check, run and control an IP-HTTPS server or client")
    context = _context()
    _synopsis(page, group, context)
    page.heading("DESCRIPTION")
    status = _help(page, group)
    page.heading("COMMANDS")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        page.item(f"iphttps-{name}(1)", sentence(command))
    _options(page, group, context)
    page.heading("EXIT STATUS")
    page.paragraph(status)
    page.heading("ENVIRONMENT")
    page.item(VARIABLE, "Control socket of the daemon, unless the command line names one.")
    page.item("NO_COLOR", "If set, disables colours, which are only used on a terminal.")
    page.heading("FILES")
    for role in OPTIONS:
        page.item(f"{paths.CONFIGURATION}/{role}/INSTANCE.toml", f"Configuration of an {NAMES[role]}.")
    page.item(f"{paths.STATE}/ca", "Certificate authority for clients.")
    page.item(f"{paths.RUN}/ROLE-INSTANCE.sock", "Control socket of an instance.")
    page.item(f"{paths.LOGS}/ROLE-INSTANCE.log", "Log of an instance that runs without systemd.")
    page.see_also((*DAEMON_PAGES, *FILE_PAGES, "twistd(1)"))
    return page


def _command(command: click.Command, context: click.Context) -> Page:
    page = Page(f"iphttps-{context.info_name}", 1, _what(command))
    _synopsis(page, command, context)
    page.heading("DESCRIPTION")
    status = _help(page, command)
    if isinstance(command, click.Group):
        page.heading("COMMANDS")
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            inner = click.Context(below, info_name=name, parent=context)
            page.subheading(" ".join((inner.command_path, *below.collect_usage_pieces(inner))))
            if more := _help(page, below):
                page.paragraph(f"Exit status: {more}")
            _items(page, below, inner)
    _options(page, command, context)
    page.heading("EXIT STATUS")
    page.paragraph(status or "0 success, 1 problem found, 2 wrong usage.")
    page.see_also(("iphttps(1)", *DAEMON_PAGES, *FILE_PAGES))
    return page


def _what(command: click.Command) -> str:
    first = sentence(command).rstrip(".")
    return first[:1].lower() + first[1:]


def _synopsis(page: Page, command: click.Command, context: click.Context) -> None:
    page.heading("SYNOPSIS")
    page.paragraph(f"`{context.command_path}` {' '.join(command.collect_usage_pieces(context))}")


def _help(page: Page, command: click.Command) -> str:
    """Write a command's help text; return its paragraph on the exit status, which has a section of its own."""
    status = ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("Exit status: "):
            status = paragraph.removeprefix("Exit status: ")
        elif paragraph.startswith("\b"):
            page.verbatim(paragraph.removeprefix("\b").strip("\n"))
        else:
            page.paragraph(paragraph)
    return status


def _options(page: Page, command: click.Command, context: click.Context) -> None:
    page.heading("OPTIONS")
    _items(page, command, context)


def _items(page: Page, command: click.Command, context: click.Context) -> None:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:
            page.item(*record)


def _daemon(role: str) -> Page:
    options = OPTIONS[role]()
    name = options.command
    page = Page(name, 8, WHAT[role])
    page.heading("SYNOPSIS")
    page.paragraph(f"`twistd` [twistd options] `{name}` [options]")
    page.paragraph(f"`iphttps up` {role}/INSTANCE")
    page.heading("DESCRIPTION")
    page.paragraph(
        f"The {NAMES[role]}, a plugin of twistd(1). {PROTOCOLS[name.partition('-')[0]]} The daemon needs root, or the "
        "capabilities CAP_NET_ADMIN and CAP_NET_BIND_SERVICE. It keeps only these after `twistd --uid` has changed the "
        "user."
    )
    page.paragraph(f"Options can also be set in the file named by `--config`: see {name}.toml(5).")
    page.heading("OPTIONS")
    for flag, value, text in flags(options):
        page.item(f"--{flag}{f' {value}' if value else ''}", text)
    page.heading("SIGNALS")
    page.item("TERM, INT", "End all sessions, restore the host's settings, and exit.")
    reload = (
        "Reload the configuration and the files that it names." if role == "server" else "No effect but a log line."
    )
    page.item("HUP", reload)
    if role != "server":
        page.heading("ENVIRONMENT")
        page.item(f"{USER}, {PASSWORD}", "Login for the web proxy, unless `--proxy-credentials` names a file.")
    if role == "sstp-client":
        page.item(password_login.PASSWORD, "Password of the user, unless `--password-file` names a file.")
    page.see_also(("iphttps(1)", f"{name}.toml(5)", "twistd(1)"))
    return page


def flags(options: DaemonOptions) -> Iterator[tuple[str, str, str]]:
    """Yield every option of a daemon: its name, what it takes, and a sentence, in the order of the alphabet."""
    found = {name: ("" if row.is_flag else "VALUE", row.described) for name, row in options.table.items()}
    found["config"] = ("VALUE", CONFIG)
    for name in sorted(found):
        value, text = found[name]
        quoted = text.split()[0].endswith(":")  # a literal value keeps its case
        yield name, value, (text if quoted else text[:1].upper() + text[1:]).rstrip(".") + "."


def _file(role: str) -> Page:
    name = paths.command(role)
    page = Page(f"{name}.toml", 5, f"configuration of the {NAMES[role]}")
    page.heading("SYNOPSIS")
    page.paragraph(f"`{paths.CONFIGURATION}/{role}/INSTANCE.toml`")
    page.heading("DESCRIPTION")
    page.paragraph(
        f"A TOML file with lines `key = value`. The keys are the options of {name}(8); the command line "
        "overrides the file. `iphttps check` reports errors in it, `iphttps config --effective` the values in force."
    )
    page.heading("KEYS")
    for entry in Example.read(role).entries:
        page.item([f"{key.name} = {key.value}" for key in entry.keys], entry.text)
    page.paragraph("The values shown are the defaults, or examples for keys without a default.")
    page.see_also((f"{name}(8)", "iphttps-check(1)", "iphttps-config(1)"))
    return page
