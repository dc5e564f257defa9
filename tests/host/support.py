"""A network namespace for each test of the kernel's half, so that the machine's own network is never touched.

The test runs in this very process: its thread leaves the machine's namespace before the test and comes back after
it, and with the last descriptor in it the namespace is gone with everything that was made there. Where a test gives
up privileges, which nobody gets back, it does so in a child process.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import socket
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from iphttps.host.kernel.network import IFA_F_NODAD
from iphttps.lab import privilege
from iphttps.lab.errors import LabUnavailable
from iphttps.lab.poll import wait_until

NOBODY = 65534
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x20000  # linux/sched.h
OWN_NAMESPACE = "/proc/thread-self/ns/net"

_libc = ctypes.CDLL(None, use_errno=True)

LOCAL = 255
"""The number of the kernel's routing table `local`, RT_TABLE_LOCAL."""

T = TypeVar("T")


class NamespaceCase(SynchronousTestCase):
    """A test in a network namespace of its own, with nothing in it but a loopback that is down."""

    def setUp(self) -> None:
        """Enter a new namespace, or skip the test with the reason why there can be none."""
        super().setUp()
        if reason := _obstacle():
            raise SkipTest(reason)
        outside = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, outside)
        machine = os.readlink(OWN_NAMESPACE)
        _call("unshare", CLONE_NEWNET)
        self.addCleanup(_call, "setns", outside, CLONE_NEWNET)
        self.assertNotEqual(os.readlink(OWN_NAMESPACE), machine)


def _obstacle() -> str | None:
    try:
        if privilege.prefix():
            return "This takes root or a user namespace: type 'make test', which enters one."
    except LabUnavailable as reason:
        return str(reason)
    return None


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def link_up(name: str, *, down: bool = False) -> None:
    """Bring an interface up, or take it down."""
    with IPRoute() as netlink:
        netlink.link("set", index=netlink.link_lookup(ifname=name)[0], state="down" if down else "up")


def add_address(index: int, address: str, prefixlen: int) -> None:
    """Give an interface an address without duplicate address detection, and wait until packets to it are accepted.

    The kernel adds the local route of an IPv6 address in the background.
    """
    with IPRoute() as netlink:
        netlink.addr("add", index=index, address=address, prefixlen=prefixlen, flags=IFA_F_NODAD)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        wait_until(
            lambda: any(route.get_attr("RTA_DST") == address for route in netlink.get_routes(family, table=LOCAL)),
            f"a local route to {address}",
        )


def setting(interface: str, name: str, value: int | None = None) -> int:
    """Return a setting under net.ipv6.conf, after writing it if given."""
    return _setting(Path("/proc/sys/net/ipv6/conf", interface, name), value)


def ipv4_setting(interface: str, name: str, value: int | None = None) -> int:
    """Return a setting under net.ipv4.conf, after writing it if given."""
    return _setting(Path("/proc/sys/net/ipv4/conf", interface, name), value)


def _setting(path: Path, value: int | None) -> int:
    if value is not None:
        path.write_text(str(value))
    return int(path.read_text())


def in_child(action: Callable[[], T]) -> T:
    """Return what the action returns in a child process; what it raises there fails the test here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        result: tuple[bool, object]
        try:
            result = True, action()
        except BaseException:  # noqa: BLE001  # whatever it is, the parent shows it
            result = False, traceback.format_exc()
        with open(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    succeeded, value = pickle.loads(content)
    if not succeeded:
        raise AssertionError(f"in the child process:\n{value}")
    return value  # type: ignore[no-any-return]  # what was pickled is what the action returned


def add_veth(one: str, other: str) -> None:
    """Lay a cable between two interfaces, which are down."""
    with IPRoute() as netlink:
        netlink.link("add", ifname=one, kind="veth", peer={"ifname": other})


def read_only_settings() -> None:
    """Make /proc/sys read-only, as it is in many containers; for a child process."""
    _call("unshare", CLONE_NEWNS)
    for words in (
        ("--make-rprivate", "/"),
        ("--bind", "/proc/sys", "/proc/sys"),
        ("-o", "remount,bind,ro,nosuid,nodev,noexec", "/proc/sys"),
    ):
        subprocess.run(("mount", *words), check=True)


def need_another_user() -> None:
    """Skip the test where there is nobody else to become, as in a user namespace with root alone in it."""
    users = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    if not any(int(first) <= NOBODY < int(first) + int(count) for first, _, count in users):
        raise SkipTest("There is no other user in this user namespace to become: type 'sudo make test'.")


def without_privilege() -> None:
    """Give up every capability, and the right to write what root owns; for a child process."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
