"""The privileges that the lab needs, and how to gain them.

Root has them. Other users gain them in a user namespace, if the system allows it: there the process is root over its
own network namespaces, and /run is an empty tmpfs in which `ip netns` keeps its names.
`python -m iphttps.lab.privilege COMMAND...` runs a command with these privileges, or without if they cannot be gained,
so that tests can skip what needs them.
"""

import functools
import os
import shutil
import stat
import subprocess
import sys
from typing import NoReturn

from iphttps.lab.errors import LabUnavailable

TUN = "/dev/net/tun"
CAP_NET_ADMIN = 12  # linux/capability.h
CAP_SYS_ADMIN = 21

# An ordinary user's path often lacks the directories where Debian keeps `ip`.
SYSTEM_PATH = "/usr/sbin:/sbin"

# Set in the environment inside the user namespace, so that a failure there does not recurse.
INSIDE = "IPHTTPS_LAB_INSIDE"

ENTER = [
    "unshare", "--user", "--map-root-user", "--mount", "--net",
    "sh", "-c", 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"', "sh",
]  # fmt: skip

# Tests that namespaces can be named and entered, and their settings written.
PROBE = (
    "name=iphttps-$$-probe; ip netns add $name && "
    "{ ip netns exec $name sh -c 'echo 0 > /proc/sys/net/ipv6/conf/all/forwarding'; "
    "status=$?; ip netns delete $name; exit $status; }"
)


@functools.cache
def obstacle() -> str | None:
    """Return why this process cannot create a lab, or None if it can."""
    if reason := _programs_missing() or _tun_unusable():
        return reason
    if not _has_capabilities():
        return "The lab needs root: type 'sudo make demo' or 'sudo make test'."
    if complaint := _complaint(["sh", "-c", PROBE]):
        return f"root may not create network namespaces here ({complaint}): use a host or a privileged container."
    return None


@functools.cache
def prefix() -> tuple[str, ...]:
    """Return the command prefix that gives a command the privileges; raise LabUnavailable if none does."""
    if (reason := obstacle()) is None:
        return ()
    # A user namespace adds privileges only; missing programs stay missing.
    if INSIDE in os.environ or _programs_missing() or _tun_unusable():
        raise LabUnavailable(reason)
    if complaint := _complaint([*ENTER, "sh", "-c", PROBE]):
        raise LabUnavailable(_user_namespace_advice(complaint))
    return tuple(ENTER)


def enter() -> None:
    """Gain the privileges, by running this program again inside a user namespace if necessary."""
    if before := prefix():
        _enter([*before, sys.executable, *sys.orig_argv[1:]])


def _programs_missing() -> str | None:
    if SYSTEM_PATH not in os.environ["PATH"]:
        os.environ["PATH"] += f":{SYSTEM_PATH}"
    missing = [program for program in ("ip", "ping", "unshare") if shutil.which(program) is None]
    if missing:
        return (
            f"Missing here: {', '.join(missing)}; on Debian type 'sudo apt install iproute2 iputils-ping util-linux'."
        )
    return None


def _tun_unusable() -> str | None:
    """Return why the TUN device cannot be opened, or None; root in a user namespace has no privilege for it."""
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except FileNotFoundError:
        return f"{TUN} does not exist: type 'sudo modprobe tun', or give the container that device."
    except PermissionError:
        mode = stat.S_IMODE(os.stat(TUN).st_mode)
        return (
            f"{TUN} may not be opened by this user (its mode is {mode:04o}): "
            f"type 'sudo chmod 0666 {TUN}', or run the same command with sudo."
        )
    except OSError as error:
        return f"{TUN} cannot be opened ({error.strerror}): type 'sudo modprobe tun', or ask for a kernel with TUN."
    return None


def _has_capabilities() -> bool:
    with open("/proc/self/status") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return all(effective >> capability & 1 for capability in (CAP_NET_ADMIN, CAP_SYS_ADMIN))


def _complaint(command: list[str]) -> str | None:
    """Run a command; return its last line of error output if it failed, otherwise None."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"


def _user_namespace_advice(complaint: str) -> str:
    """Return which known setting forbids user namespaces, and how to allow them."""
    for setting, forbidding, allowing in (
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu
        ("kernel.unprivileged_userns_clone", "0", "1"),  # older Debian
        ("user.max_user_namespaces", "0", "10000"),
    ):
        try:
            with open("/proc/sys/" + setting.replace(".", "/")) as file:
                forbidden = file.read().strip() == forbidding
        except OSError:
            continue
        if forbidden:
            return f"User namespaces are off here: type 'sudo sysctl {setting}={allowing}', or run as root with sudo."
    return f"A user namespace could not be set up ({complaint}): run the same command as root, with sudo."


def _enter(command: list[str]) -> NoReturn:
    os.environ[INSIDE] = "1"
    os.execvp(command[0], command)


def main() -> NoReturn:
    """Run a command, with the privileges if they can be gained."""
    command = sys.argv[1:]
    if not command:
        sys.exit("usage: python -m iphttps.lab.privilege COMMAND...")
    try:
        if before := prefix():
            _enter([*before, *command])
    except LabUnavailable:
        pass
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
