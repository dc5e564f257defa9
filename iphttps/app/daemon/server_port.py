"""The server's port as given by `--uri`: TCP, or a UNIX socket for front ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from twisted.internet.interfaces import IListeningPort, IProtocolFactory

from ...host.kernel import addresses
from ...host.process.front_socket import FrontSocket
from ...net.connect.endpoints import listen
from ...net.interfaces import IReactor
from ...net.listen.accept import AcceptFilter
from ...net.listen.descriptor_reserve import RESERVE
from ...net.listen.front_port import FrontPort, secured
from ...net.log import logger
from ...net.tls.contexts import ServerTLS
from ..config.server_config import ServerConfig

log = logger()


def open_port(
    reactor: IReactor,
    config: ServerConfig,
    factory: IProtocolFactory,
    tls: ServerTLS | None,
    accept_filter: Callable[[IProtocolFactory], AcceptFilter],
    user: int | None,
) -> IListeningPort:
    """Listen and return the port; `user` is the owner of a UNIX socket, by default this user. Raises ConfigError."""
    uri = config.uri
    if not uri.socket:
        return listen(reactor, uri, factory, tls, accept_filter)
    owner = user if os.geteuid() == 0 else None
    opened = FrontSocket(Path(uri.socket), config.socket_group or "", owner)
    port = FrontPort(reactor, opened, accept_filter(secured(factory, tls)))
    port.startListening()
    return port


def local_fronts(config: ServerConfig) -> str | None:
    """Return a warning if every local user can connect as a front end can, or None.

    A local connection to an address of the host also has that address as its source, not a loopback address.
    """
    if warning := config.on_loopback:
        return warning
    trusted = config.trusted_proxy
    own = [each for each in addresses.everywhere() if any(each in network for network in trusted)] if trusted else []
    if not own:
        return None
    return (
        f"--trusted-proxy has {own[0]}, an address of this host, from which any local user can connect and claim to "
        "be any client: trust only the addresses of other hosts; connect a proxy on this host by a UNIX socket"
    )


def warn_of_few_descriptors(clients: int, limit: int | None) -> None:
    """Warn if the limit on file descriptors is too low for this number of clients."""
    if limit and clients + RESERVE > limit:
        log.warn(
            "--max-clients {clients} needs more than the limit of {limit} file descriptors: raise "
            "LimitNOFILE= of the unit, or `ulimit -n`",
            event="few-descriptors",
            clients=clients,
            limit=limit,
        )
