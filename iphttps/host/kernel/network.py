"""The host's network: addresses, link flags, kernel settings, forwarding.

A TUN device becomes an IP-HTTPS link by these settings:

- A TUN is created without ARP: it then does no Duplicate Address Detection and ignores multicast Neighbor
  Solicitations. With the flag set, and `accept_dad`, it does both, without link-layer addresses in its messages,
  because it has none. It does not resolve neighbours and remains point-to-point.
- Turning on forwarding makes the kernel ignore Router Advertisements on every interface whose `accept_ra` is 1, and
  remove the routes learned from them. With `accept_ra` set to 2 beforehand, the host keeps its uplink.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Interface, IPv6Network
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from ...core.errors import ConfigError
from ...core.ip.ipv6 import MINIMUM_MTU
from .identifiers import keep_identifiers
from .ipv4 import NOTHING, IPv4Config, before_forwarding, forward_on, set_address, set_routes
from .routes import routes
from .settings import READ_ONLY, REFUSALS, UNPRIVILEGED, demand_writable, read, write
from .undo import CONF, IPV4_CONF, Note

RECENT = frozenset({"ra_defrtr_metric", "accept_ra_min_lft"})
"""Settings that older kernels lack and do not need: new in Linux 5.12 and 6.6."""

IFF_UP, IFF_NOARP, IFF_MULTICAST = 0x1, 0x80, 0x1000  # linux/if.h
IFA_F_NODAD = 0x02  # linux/if_addr.h
RTPROT_KERNEL = 2  # linux/rtnetlink.h
PREFIX_METRIC = 256  # IP6_RT_PRIO_ADDRCONF, linux/ipv6_route.h: the metric of the kernel's own prefix routes

QUEUE_LENGTH = 2000
"""Length in packets of the kernel's transmit queue for a device.

The default of 500 is less than a few TCP bursts, which the kernel splits into packets before it queues them. The queue
only absorbs such bursts: the device is read all the time, and sustained queueing happens elsewhere.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A setting's required value, and other acceptable ones, which are the administrator's choice and stay."""

    value: int
    also: Container[int] = ()

    def among(self, found: int) -> bool:
        """Tell whether the value found is acceptable."""
        return found == self.value or found in self.also


LINK = {
    "disable_ipv6": 0,
    "accept_dad": 1,  # 2 disables IPv6 on the interface for good after a duplicate
    "keep_addr_on_down": 0,  # remove addresses when the link goes down
}
"""The settings under net.ipv6.conf that every tunnel needs.

New interfaces inherit their settings from net.ipv6.conf.default, which hardened hosts change. So every setting that the
tunnel depends on is listed, even if the kernel's default is right.
"""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The desired state of the network for one tunnel.

    `settings` are the interface's own, under net.ipv6.conf; `forwarding` makes the whole host a router. `routes` are
    reached through the interface while it is up. Without `ipv4` nothing of IPv4 changes. Interface identifiers are
    derived from `stable_secret` (RFC 7217).
    """

    interface: str
    up: bool
    mtu: int = MINIMUM_MTU
    addresses: tuple[IPv6Interface, ...] = ()
    settings: Mapping[str, int | Wanted] = field(default_factory=dict)
    forwarding: bool = False
    ipv4: IPv4Config | None = None
    routes: tuple[IPv6Network, ...] = ()
    stable_secret: bytes | None = field(default=None, repr=False)


class LinuxNetwork:
    """The network of this process's namespace, through netlink and /proc/sys.

    Changes that outlive this process are recorded in the note, if there is one, before they are made.
    """

    def __init__(self, note: Note | None = None) -> None:
        self._before: dict[Path, str] = {}
        self._ipv4_before: dict[Path, str] = {}
        self._ipv4 = NOTHING
        self._note = note

    def apply(self, config: NetworkConfig) -> None:
        """Apply a configuration; may be called repeatedly.

        Raises:
            ConfigError: The kernel rejects a setting, or the interface is gone.
        """
        if not CONF.is_dir():
            raise ConfigError("this kernel has no IPv6: start it without ipv6.disable=1")
        try:
            self._set_up(config)
        except NetlinkError as error:
            reason = UNPRIVILEGED if error.code == errno.EPERM else os.strerror(error.code)
            raise ConfigError(f"cannot configure {config.interface}: {reason}") from error
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            raise ConfigError(f"cannot configure {config.interface}: {what}{error.strerror}") from error

    def _set_up(self, config: NetworkConfig) -> None:
        with IPRoute() as netlink:
            found = netlink.link_lookup(ifname=config.interface)
            if not found:
                raise ConfigError(f"there is no interface {config.interface} any more")
            index = found[0]
            if not (CONF / config.interface).is_dir():
                _bring_ipv6_back(netlink, index, config)
            if not os.access(CONF / config.interface / "accept_dad", os.W_OK):
                _begin_anew(netlink, index, config)
            keep_identifiers(config.interface, config.stable_secret)
            _settle(config.interface, {**LINK, **config.settings})
            if config.forwarding:
                self._forward()
                # Even on a forwarding host new interfaces may not forward: their Neighbor Advertisements would lack
                # the Router flag, and clients would drop their routes (RFC 4861 section 7.2.5).
                _settle(config.interface, {"forwarding": 1})
            if config.ipv4 and config.ipv4.forwarding:
                self._forward_ipv4(config.interface)
            netlink.link(
                "set",
                index=index,
                mtu=config.mtu,
                txqlen=QUEUE_LENGTH,
                flags=IFF_MULTICAST | (IFF_UP if config.up else 0),
                change=IFF_UP | IFF_NOARP | IFF_MULTICAST,
            )
            for address in config.addresses:
                # The server decides about addresses on its link; it needs no Duplicate Address Detection.
                netlink.addr(
                    "replace",
                    index=index,
                    address=str(address.ip),
                    prefixlen=address.network.prefixlen,
                    flags=IFA_F_NODAD,
                )
            # The kernel creates these with an address, but not again after another program has removed them.
            present = routes(config.interface, link_local=True) if config.up else ()
            wanted = {address.network for address in config.addresses}.union(config.routes if config.up else ())
            for network in wanted.difference(present):
                netlink.route(
                    "replace",
                    family=socket.AF_INET6,
                    dst=str(network),
                    oif=index,
                    proto=RTPROT_KERNEL,
                    priority=PREFIX_METRIC,
                )
            if config.ipv4:
                set_address(netlink, index, config.ipv4)
                if config.up:
                    set_routes(netlink, index, config.ipv4, self._ipv4)
                    self._ipv4 = config.ipv4

    def _forward(self) -> None:
        if read(CONF / "all" / "forwarding") == "1":
            return
        # Checked before any change: the only setting that the administrator has to make.
        demand_writable(CONF / "all" / "forwarding", "1")
        # Writing "all" changes every interface, so "all" is set last and restored first.
        directories = sorted(CONF.iterdir(), key=lambda directory: directory.name == "all")
        before = {directory / "forwarding": read(directory / "forwarding") for directory in directories}
        listening = [
            directory / "accept_ra"
            for directory in directories
            # One that forwards already has not listened to routers, and does not begin to.
            if read(directory / "accept_ra") == "1" and before[directory / "forwarding"] == "0"
        ]
        self._before = dict.fromkeys(listening, "1") | before
        if self._note:
            self._note.write(self._before | self._ipv4_before)
        for accept_ra in listening:
            write(accept_ra, "2")
        write(CONF / "all" / "forwarding", "1")

    def _forward_ipv4(self, interface: str) -> None:
        everywhere = IPV4_CONF / "all" / "forwarding"
        if before := before_forwarding():
            demand_writable(everywhere, "1")
            self._ipv4_before = before
            if self._note:
                self._note.write(self._before | before)
            write(everywhere, "1")
        forward_on(interface)

    def restore(self) -> None:
        """Restore the settings that outlive the device.

        This is done in reverse order, so that Router Advertisements are still accepted while forwarding ends.
        """
        before, self._before, self._ipv4_before = self._before | self._ipv4_before, {}, {}
        _put_back(before)
        if before and self._note:
            self._note.erase()


_OURS = {"accept_ra": "2", "accept_redirects": "0"}
"""The values that a daemon sets while it forwards; any other value was set later by somebody else."""


def undo(note: Note) -> bool:
    """Restore the settings that a killed daemon has left changed, from its note; tell whether there were any.

    Settings changed again since then stay.

    Raises:
        ConfigError: The note cannot be read, or a setting cannot be written.
    """
    before = note.read()
    if not before:
        note.erase()
        return False
    router = {conf: read(conf / "all" / "forwarding") == "1" for conf in (CONF, IPV4_CONF)}
    left = {
        setting: value
        for setting, value in before.items()
        if setting.exists()
        and (setting.name == "accept_ra" or router[setting.parent.parent])
        and read(setting) == _OURS.get(setting.name, read(setting))
    }
    _put_back(left)
    note.erase()
    return bool(left)


def _put_back(before: dict[Path, str]) -> None:
    for setting, value in reversed(before.items()):
        try:
            if read(setting) != value:
                write(setting, value)
        except FileNotFoundError:
            pass  # the interface is gone


def _bring_ipv6_back(netlink: IPRoute, index: int, config: NetworkConfig) -> None:
    """Re-enable IPv6 on an interface that lost it because another program set an MTU below 1280 (RFC 8200).

    The link goes down first: otherwise the kernel forms addresses before the settings are right.
    """
    netlink.link("set", index=index, flags=0, change=IFF_UP | IFF_NOARP)
    netlink.link("set", index=index, mtu=config.mtu)


def _begin_anew(netlink: IPRoute, index: int, config: NetworkConfig) -> None:
    """Make the kernel reset the interface's settings to those of net.ipv6.conf.default.

    When IPv6 starts on an interface without ARP, such as a TUN, the kernel turns Duplicate Address Detection off,
    regardless of the default. Where that setting is read-only, an MTU below 1280 stops IPv6 on the interface, and the
    right MTU starts it again.
    """
    if "accept_dad" in unsettled(config.interface, LINK):
        netlink.link("set", index=index, mtu=MINIMUM_MTU - 1, flags=0, change=IFF_UP | IFF_NOARP)
        netlink.link("set", index=index, mtu=config.mtu)


def unsettled(interface: str, settings: Mapping[str, int | Wanted]) -> dict[str, tuple[str, int]]:
    """Return the settings of an interface that are not acceptable, each with its current and its required value.

    `interface` may be "default", whose settings new interfaces inherit.

    Raises:
        OSError: The kernel lacks a setting.
    """
    found = {}
    for name, value in settings.items():
        setting = CONF / interface / name
        if name in RECENT and not setting.exists():
            continue
        wanted, now = value if isinstance(value, Wanted) else Wanted(value), read(setting)
        if not wanted.among(int(now)):
            found[name] = now, wanted.value
    return found


def unprepared(settings: Mapping[str, int | Wanted], *, forwarding: bool) -> list[str]:
    """Return the errors that a daemon with these settings will report because /proc/sys is read-only.

    This works before the interface exists. Settings that are right already need not be written; an empty list means
    that the daemon can start. `forwarding`: the host must be a router.
    """
    if not os.statvfs(CONF).f_flag & os.ST_RDONLY:
        return []
    said = []
    router = read(CONF / "all" / "forwarding") == "1"
    if forwarding and not router:
        said.append(_refused("all", {"forwarding": 1}))
    try:
        own = {**LINK, **settings, **({"forwarding": 1} if forwarding and router else {})}
        lacking = {name: value for name, (_, value) in unsettled("default", own).items()}
    except OSError as error:
        return [*said, f"{error.filename}: {error.strerror}"]
    return [*said, _refused("default", lacking)] if lacking else said


def _refused(interface: str, settings: Mapping[str, int]) -> str:
    """Return the sentence about settings that cannot be written, and how to set them before the start."""
    words = " ".join(f"--sysctl net.ipv6.conf.{interface}.{name}={value}" for name, value in settings.items())
    return (
        f"cannot set {_dotted(interface, settings)}: {READ_ONLY}; set it before the start, as by `docker run {words}`"
    )


def _settle(interface: str, settings: Mapping[str, int | Wanted]) -> None:
    """Write the settings that are not right yet.

    Settings that are right are not written: where /proc/sys is read-only, the administrator may have prepared them.
    """
    refused, reason = {}, ""
    for name, (_, value) in unsettled(interface, settings).items():
        try:
            (CONF / interface / name).write_text(str(value))
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            refused[name], reason = value, REFUSALS[error.errno]
    if refused:
        raise ConfigError(f"cannot set {_dotted(interface, refused)}: {reason}{_mend(refused, reason)}")


def _dotted(interface: str, settings: Mapping[str, int]) -> str:
    return ", ".join(f"net.ipv6.conf.{interface}.{name} to {value}" for name, value in settings.items())


def _mend(settings: Mapping[str, int], reason: str) -> str:
    if reason != READ_ONLY:
        return ""
    words = " ".join(f"--sysctl net.ipv6.conf.default.{name}={value}" for name, value in settings.items())
    return f"; have new interfaces begin with these values, as by `docker run {words}`, or make /proc/sys writable"
