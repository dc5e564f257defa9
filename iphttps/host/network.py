"""The host's network: addresses, link flags, kernel settings, forwarding.

What the kernel must be told so that a TUN device becomes an IP-HTTPS link:

- A TUN is created without ARP: it then does no Duplicate Address Detection and is deaf to multicast
  Neighbor Solicitations. With the flag set, and `accept_dad`, it does both, and still puts no link-layer
  address into its messages, for it has none. Nor does it resolve neighbours: it remains point-to-point.
- Turning on forwarding has the kernel ignore Router Advertisements on every interface whose `accept_ra`
  is 1, and forget the routes they gave. Set to 2 beforehand, it stays reachable.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Interface
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ..core.errors import ConfigError
from ..core.ipv6 import MINIMUM_MTU
from .undo import CONF, Note

RECENT = frozenset({"ra_defrtr_metric"})
"""Settings that older kernels lack, and can do without: Linux 5.12."""

IFF_UP = 0x1  # linux/if.h
IFF_NOARP = 0x80
IFA_F_NODAD = 0x02  # linux/if_addr.h


QUEUE_LENGTH = 2000
"""Packets that the kernel keeps for a device until they are read.

The default of 500 is less than what a few of TCP's bursts come to, which the kernel cuts into packets before it hands
them over. It is there for these moments only: a device is read all the time, and what waits for long waits elsewhere.
"""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How the network should be, as far as one tunnel is concerned.

    `settings` are the interface's own, under net.ipv6.conf; `forwarding` makes the whole host a router.
    """

    interface: str
    up: bool
    mtu: int = MINIMUM_MTU
    addresses: tuple[IPv6Interface, ...] = ()
    settings: Mapping[str, int] = field(default_factory=dict)
    forwarding: bool = False


class LinuxNetwork:
    """The network of the namespace that this process is in, by netlink and /proc/sys.

    What outlives this process is written into the note before it is done, if there is one.
    """

    def __init__(self, note: Note | None = None) -> None:
        self._before: dict[Path, str] = {}
        self._note = note

    def apply(self, config: NetworkConfig) -> None:
        """Make the network so; raises ConfigError if the kernel refuses."""
        if not CONF.is_dir():
            raise ConfigError("this kernel has no IPv6: start it without ipv6.disable=1")
        try:
            self._set_up(config)
        except NetlinkError as error:
            raise ConfigError(f"cannot configure {config.interface}: {os.strerror(error.code)}") from error
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            raise ConfigError(f"cannot configure {config.interface}: {what}{error.strerror}") from error

    def _set_up(self, config: NetworkConfig) -> None:
        with IPRoute() as netlink:
            found = netlink.link_lookup(ifname=config.interface)
            if not found:
                raise ConfigError(f"there is no interface {config.interface} any more")
            index = found[0]
            for name, value in {"disable_ipv6": 0, "accept_dad": 1, **config.settings}.items():
                if name not in RECENT or (CONF / config.interface / name).exists():
                    _write(CONF / config.interface / name, str(value))
            if config.forwarding:
                self._forward()
            up = IFF_UP if config.up else 0
            netlink.link("set", index=index, mtu=config.mtu, txqlen=QUEUE_LENGTH, flags=up, change=IFF_UP | IFF_NOARP)
            for address in config.addresses:
                # The server is the authority on its link; it need not ask whether its address is free.
                netlink.addr(
                    "replace",
                    index=index,
                    address=str(address.ip),
                    prefixlen=address.network.prefixlen,
                    flags=IFA_F_NODAD,
                )

    def _forward(self) -> None:
        if _read(CONF / "all" / "forwarding") == "1":
            return
        # What is written for all reaches every other, so it stands last, and is the first to be put back.
        directories = sorted(CONF.iterdir(), key=lambda directory: directory.name == "all")
        before = {directory / "forwarding": _read(directory / "forwarding") for directory in directories}
        listening = [
            directory / "accept_ra"
            for directory in directories
            # One that forwards already has not listened to routers, and does not begin to.
            if _read(directory / "accept_ra") == "1" and before[directory / "forwarding"] == "0"
        ]
        self._before = dict.fromkeys(listening, "1") | before
        if self._note:
            self._note.write(self._before)
        for accept_ra in listening:
            _write(accept_ra, "2")
        _write(CONF / "all" / "forwarding", "1")

    def restore(self) -> None:
        """Put the settings back that outlive the device.

        In reverse order, so that routers are still listened to while forwarding ends.
        """
        before, self._before = self._before, {}
        _put_back(before)
        if before and self._note:
            self._note.erase()


def undo(note: Note) -> bool:
    """Put back what a daemon that was killed has left changed, by its note; return whether there was anything.

    What somebody has set since stays as it is. Raises ConfigError.
    """
    before = note.read()
    if not before:
        note.erase()
        return False
    ours = {"forwarding": _read(CONF / "all" / "forwarding") == "1"}
    left = {
        setting: value
        for setting, value in before.items()
        if setting.exists() and ours.get(setting.name, _read(setting) == "2")
    }
    _put_back(left)
    note.erase()
    return bool(left)


def _put_back(before: dict[Path, str]) -> None:
    for setting, value in reversed(before.items()):
        try:
            if _read(setting) != value:
                _write(setting, value)
        except FileNotFoundError:
            pass  # an interface that is gone since


def _read(setting: Path) -> str:
    return setting.read_text().strip()


def _write(setting: Path, value: str) -> None:
    try:
        setting.write_text(value)
    except PermissionError as error:
        raise ConfigError(f"cannot set {setting} to {value}: it takes root or CAP_NET_ADMIN") from error
    except OSError as error:
        if error.errno == errno.EROFS:
            raise ConfigError(f"cannot set {setting} to {value}: /proc/sys is mounted read-only") from error
        raise
