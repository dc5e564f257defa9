"""A tunnel that stands, whichever program made it, and what all of them need for that."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from iphttps.lab.laboratory import TUNNEL_SERVER, Laboratory
from iphttps.lab.namespaces import Namespace
from iphttps.lab.network import PRIVATE_HOST
from iphttps.lab.programs import Program

# What the peers' devices are called, at both ends: namespaces keep them apart.
DEVICE = "tunnel0"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel in a laboratory, ready for use."""

    lab: Laboratory
    daemons: tuple[Program, ...]
    """The programs at both ends, whose processor time is the tunnel's."""
    target: str = PRIVATE_HOST
    """The address of the private host's listener as seen from the client."""
    host: str = PRIVATE_HOST
    """The address at which the private host listens."""
    gateway: str | None = TUNNEL_SERVER
    """The gateway's address inside the tunnel; None if no packets go through it."""

    @property
    def client(self) -> Namespace:
        """The client's host."""
        return self.lab.clients[0]

    @property
    def private(self) -> Namespace:
        """The host behind the gateway."""
        return self.lab.private


@dataclass(frozen=True, slots=True)
class Peer:
    """A kind of tunnel: how it is called, how put up, and what that takes."""

    name: str
    put_up: Callable[..., AbstractContextManager[Tunnel]]
    programs: tuple[str, ...] = ()
    """The programs that must be installed."""
    over_tls: bool = field(default=False)
    """True if it is one of the tunnels written in C that go through TLS over TCP."""

    @property
    def missing(self) -> str | None:
        """The sentence that says why it cannot be measured here; None if it can."""
        absent = [program for program in self.programs if shutil.which(program) is None]
        if not absent:
            return None
        return (
            f"{self.name} is left out: {' and '.join(absent)} not found; `tools/setup programs bench` as root installs."
        )


def as_it_is(lab: Laboratory) -> None:
    """Leave the laboratory as it is before a tunnel is put up in it."""


def forward(lab: Laboratory) -> None:
    """Make the gateway a router, as our server would."""
    lab.gateway.setting("ipv6.conf.all.forwarding", "1")
