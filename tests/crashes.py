"""The states that a command leaves on the disk if it is killed half-way: every intermediate state.

A kill changes nothing on the disk: it only prevents the following steps, and data that the process has not yet handed
to the kernel is lost. So the states that kills leave are those before each file operation of the command, and one run
that records them shows them all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

TOUCHING = (
    "open", "write", "flush", "fsync", "close", "rename", "replace", "link", "unlink", "mkdir",
    "chmod", "fchmod", "chown", "fchown", "flock",
)  # fmt: skip
"""The functions of CPython after which, or before which, something is different on the disk."""


def after_each_crash(directory: Path, kept: Path, work: Callable[[], object], check: Callable[[], None]) -> int:
    """Do the work in another process, and check each state of the directory that it passes through; return how many.

    Two states in a row that are the same count once, and the last is that of the work done. `kept` is a directory
    to be made, where they are kept.
    """
    states = _states(directory, kept, work)
    for state in states:
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        _copy(state, directory)
        check()
    return len(states)


def _states(directory: Path, kept: Path, work: Callable[[], object]) -> list[Path]:
    kept.mkdir()
    child = os.fork()
    if not child:
        status = 1
        try:
            keep = _keeping(directory, kept)
            sys.setprofile(lambda _, event, called: _before(event, called, keep))
            work()
            sys.setprofile(None)
            keep()
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if ended:
        raise AssertionError("the work has not come to its end")
    return sorted(kept.iterdir())


def _before(event: str, called: object, keep: Callable[[], None]) -> None:
    if event == "c_call" and getattr(called, "__name__", "") in TOUCHING:
        keep()


def _keeping(directory: Path, kept: Path) -> Callable[[], None]:
    """Return what keeps the state of the directory, unless it is the one that was kept last."""
    last: object = None
    number = 0

    def keep() -> None:
        nonlocal last, number
        if (now := _described(directory)) != last:
            last = now
            number += 1
            state = kept / f"{number:04}"
            state.mkdir()
            _copy(directory, state)

    return keep


def _described(directory: Path) -> list[tuple[object, ...]]:
    """Return all that there is to a state: names, modes, owners, numbers of links, and contents."""
    found: list[tuple[object, ...]] = []
    for path in sorted(directory.rglob("*")):
        about = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found.append((path, about.st_mode, about.st_uid, about.st_gid, about.st_nlink, content))
    return found


def _copy(source: Path, to: Path) -> None:
    """Copy what is in a directory, with modes, owners, times and hard links."""
    subprocess.run(["cp", "-a", f"{source}/.", str(to)], check=True)
