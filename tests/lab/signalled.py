"""Starts a daemon many times and sends it a signal at another moment each time; says what was left behind.

    signalled.py DIRECTORY SEED COUNT PLUGIN FLAG...

It runs in the namespace of one host. What a daemon imports is imported once, before it forks, so that a start takes a
fraction of a second. Half of the moments are spread over the first two seconds, most of them over the first third; the
others are aimed: up to 50 ms after the first change that can be seen of the host. One line of JSON is printed for each
start that ended wrongly, and in the end how many there were.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import twisted.scripts.twistd

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
INTERFACE = "iphttps0"
ALLOWED = 3.0
"""Seconds that a daemon may take to end."""


def state(control: Path) -> dict[str, object]:
    """Return what a daemon changes of its host."""
    conf = Path("/proc/sys/net/ipv6/conf")
    settings = {name: (conf / name).read_text().strip() for name in ("all/forwarding", "default/accept_ra")}
    return {
        **settings,
        "interface": (conf / INTERFACE).exists(),
        "files": sorted(path.name for path in control.parent.iterdir() if path.suffix != ".log"),
    }


def start(log: Path, plugin: str, flags: list[str]) -> int:
    """Fork, and run the daemon in the child; returns its process id."""
    child = os.fork()
    if child:
        return child
    status = 3
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["twistd", "-n", "--pidfile=", plugin, *flags]
        twisted.scripts.twistd.run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)


def wait(child: int, seconds: float) -> int | None:
    """Return how the child ended, or None if it has not within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def strike(child: int, moment: float, aimed: bool, control: Path, before: dict[str, object], number: int) -> None:
    """Send the signal at its moment; one that reloads a running daemon is followed by one that ends it."""
    until = time.monotonic() + 5.0
    while aimed and state(control) == before and time.monotonic() < until:
        pass
    time.sleep(moment)  # this is what is tested: a moment, not a condition
    os.kill(child, number)
    if number == signal.SIGHUP:
        time.sleep(moment)
        os.kill(child, signal.SIGTERM)


def main(directory: str, seed: str, count: str, plugin: str, *flags: str) -> None:
    """Strike so many times."""
    assert "twisted.internet.reactor" not in sys.modules, "each child makes a reactor of its own"
    moments = random.Random(int(seed))
    control, log = Path(directory) / "daemon.sock", Path(directory) / "daemon.log"
    before, wrong = state(control), 0
    for turn in range(int(count)):
        aimed, number = turn % 2 == 1, SIGNALS[turn % 3]
        moment = moments.uniform(0, 0.05) if aimed else moments.uniform(0, 2.0 if turn % 8 == 0 else 0.6)
        child = start(log, plugin, [*flags, "--control", str(control)])
        strike(child, moment, aimed, control, before, number)
        ended = wait(child, ALLOWED)
        if ended is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        after, text = state(control), log.read_text()
        if ended is None or after != before or "Traceback" in text or "Unhandled" in text:
            wrong += 1
            print(json.dumps([number, moment, aimed, ended, before, after, text[-2000:]]), flush=True)
    print(f"{wrong} of {count} wrong", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
