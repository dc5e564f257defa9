"""`iphttps setup`: set up a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from ....core.errors import ConfigError
from ....core.identity import printable
from ....host.kernel import firewall
from ....pki.authority import names
from ....pki.authority.issuing import KeyKind
from ...config.addresses.prefixes import link_prefix
from ...config.kinds import ipv6_prefix
from ...enrol.server_setup import ServerSetup
from ...instances import units
from ...instances.owners import demand_root
from ...instances.paths import DEFAULT_NAME, Places
from .common_options import KEY_TYPE, root_option


def _checked_by(check: Callable[[str], object]) -> Callable[..., Any]:
    """Return a click callback that turns the ConfigError of a check into a usage error."""

    def callback(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
        for text in [value] if isinstance(value, str) else value or ():
            try:
                check(text)
            except ConfigError as error:
                raise click.UsageError(str(error)) from error
        return value

    return callback


@click.command()
@click.option(
    "--name",
    "hosts",
    metavar="HOST",
    multiple=True,
    required=True,
    callback=_checked_by(names.checked_host),
    help="Name or address by which clients reach the server; repeatable.",
)
@click.option(
    "--prefix",
    metavar="PREFIX",
    callback=_checked_by(partial(link_prefix, "prefix")),
    help="Prefix (/64) of the tunnel; default: a random unique local prefix.",
)
@click.option(
    "--route",
    "routes",
    metavar="PREFIX",
    multiple=True,
    callback=_checked_by(partial(ipv6_prefix, "route")),
    help="Network that clients may reach through the tunnel; repeatable. If neither --route nor --prefix is given, the "
    "random /48 from which the tunnel's /64 is taken.",
)
@click.option("--port", metavar="NUMBER", type=click.IntRange(1, 65535), help="Port to listen on; default: 443.")
@click.option("--sstp", is_flag=True, help="Serve SSTP too, with a random IPv4 network and IPv6 prefix.")
@click.option("--sstp-only", is_flag=True, help="Serve SSTP alone: users with passwords, no client certificates.")
@click.option("--key", type=click.Choice([kind.value for kind in KeyKind]), default="rsa", help=KEY_TYPE)
@click.option("--instance", metavar="NAME", default=DEFAULT_NAME, help="Name of this server instance; default: main.")
@root_option
def setup(
    hosts: tuple[str, ...],
    prefix: str | None,
    routes: tuple[str, ...],
    port: int | None,
    sstp: bool,
    sstp_only: bool,
    key: str,
    instance: str,
    places: Places,
) -> int:
    """Create an authority, a certificate and a configuration for a server; with systemd, start it.

    Existing files are not changed: it is safe to run the command again.
    """
    if sstp_only and prefix:
        raise click.UsageError("--prefix is for IP-HTTPS: leave out --prefix or --sstp-only")
    demand_root(places, "setup", "writes to /etc/iphttps and /var/lib/iphttps")
    wanted = ServerSetup(places, instance, hosts, prefix, routes, port, KeyKind(key), sstp or sstp_only, not sstp_only)
    changed = False
    for sentence in wanted.perform():
        changed = True
        click.echo(printable(sentence))
    config = wanted.config
    started = units.enable(places, "server", instance)
    if not changed and not started.done:
        click.echo("already set up; no changes")
    click.echo(started.sentence)
    if places.root.samefile("/"):
        _show_obstacles(
            config.uri.port,
            *([config.interface] if config.serves_iphttps else []),
            *([config.sstp_interface] if config.serves_sstp else []),
        )
    networks = [str(each) for each in (config.prefix, config.sstp_pool, config.sstp_prefix) if each]
    click.echo(f"hosts behind this gateway need routes to these networks via this gateway: {', '.join(networks)}")
    if config.serves_sstp:
        click.echo(f"if ICMP is filtered, clamp the TCP MSS to the tunnel's MTU: {clamp(config.sstp_interface)}")
    if config.serves_iphttps:
        click.echo("next: run `iphttps enrol NAME` to enrol a client")
    if config.serves_sstp:
        click.echo("next: run `iphttps enrol NAME --sstp` to add a user of SSTP")
    return 0


def clamp(interface: str) -> str:
    """Return the nft commands that clamp the TCP MSS, in a table of their own: the host's tables are unknown."""
    return (
        "nft add table inet iphttps && "
        "nft add chain inet iphttps clamp '{ type filter hook forward priority mangle; }' && "
        f"nft add rule inet iphttps clamp iifname {interface} tcp flags syn tcp option maxseg size set rt mtu && "
        f"nft add rule inet iphttps clamp oifname {interface} tcp flags syn tcp option maxseg size set rt mtu"
    )


def _show_obstacles(port: int, *interfaces: str) -> None:
    """Print the packet filter's rules that drop tunnel traffic, and the remedy; the server enables forwarding."""
    rules = firewall.nftables()
    if rules is None:
        names = " and ".join(interfaces)
        click.echo(f"cannot read the packet filter: allow input to port {port} and forwarding for {names}")
        return
    older = firewall.legacy()
    found = firewall.input_obstacles(rules, port)
    for interface in interfaces:
        found += [*firewall.discovery_obstacles(rules, interface), *firewall.forward_obstacles(rules, interface)]
        found += firewall.legacy_obstacles(older, interface, port) if older else []
    for sentence in dict.fromkeys(found):
        click.echo(printable(sentence))
