"""Evaluates a proxy auto-configuration file, as a separate program: `python -m iphttps.host.pac.evaluator`.

Such a file is a program from an untrusted source, which may loop for ever or use up all memory. So it runs in a process
that can only compute, ask another process for the addresses of names, and answer. This process has only three pipes in
common with the daemon, is not root, cannot open files, sockets or processes if the kernel supports seccomp and
Landlock, and is killed by the kernel if it exceeds its limits. Its parent limits the time.

It reads one JSON object with `pac`, `url` and `host`, and writes one, with `answer` or `error`. `unconfined` lists the
confinement that the kernel does not support, if any.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any, TextIO

from ..process.confinement import confine
from ..process.seccomp import only_compute
from . import names as pacnames
from .functions import Names, PACFunctions

MEBIBYTE = 1 << 20

MAXIMUM_ANSWER = 4096
"""Maximum characters of a result; a longer one is an error."""

SHOWN = 200
"""Maximum characters of an error message."""

MEMORY = 64 * MEBIBYTE
"""Maximum bytes for the file's objects; beyond, the file gets an exception."""

LIMITS = (
    (resource.RLIMIT_CPU, 3),  # seconds
    (resource.RLIMIT_AS, 512 * MEBIBYTE),  # including Python and its libraries
    (resource.RLIMIT_NOFILE, 16),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NPROC, 0),  # of no effect on root
)

LIFETIME = 15
"""Seconds after which the process ends by itself, in case its parent has ended."""

_PLACE = re.compile(r"<input>:([0-9]{1,9}):([0-9]{1,9})")
"""A line and column in the file, in the library's format."""

NOBODY = 65534  # the kernel's overflow user, which owns nothing


class Refused(Exception):
    """The file has no result; the text says why."""


def main() -> None:
    """Read the request and write the answer."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFETIME)
    with suppress(PermissionError):  # the daemon or a shell may have made it a leader already
        os.setsid()
    try:
        asking, resolver = pacnames.start(_confine_resolver)  # before there is a second thread
    except OSError as error:
        _answer({"error": f"it is not evaluated, because the resolver process cannot start: {error.strerror}"})
        return
    try:
        # Import while files can still be read and threads created, which this library needs.
        import quickjs
    except ImportError:
        _answer({"error": "evaluating it requires a missing library: pip install quickjs-ng"})
        return
    limit()
    try:
        give_up_root()
        now = datetime.now().astimezone()  # reads the time zone
        lacking = [name for name, can in (("Landlock", confine()), ("seccomp", only_compute())) if not can]
        question = json.load(sys.stdin)
        names = pacnames.AskedNames(asking)
        answer = evaluate(quickjs.Context(), question["pac"], question["url"], question["host"], names, now)
        _answer({"answer": answer, "unconfined": lacking} if lacking else {"answer": answer})
    except Refused as reason:
        _answer({"error": str(reason)})
    except OSError as error:
        _answer({"error": f"it is not evaluated, because it cannot be confined: {error.strerror}"})
    os.close(asking)
    os.waitpid(resolver, 0)  # it ends at once without its peer


def _confine_resolver() -> None:
    signal.alarm(LIFETIME)
    limit()
    give_up_root()
    confine()


def limit() -> None:
    """Set the kernel's resource limits for this process."""
    for which, wanted in LIMITS:
        _, most = resource.getrlimit(which)
        value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(which, (value, value))


def give_up_root() -> None:
    """Change from root to nobody.

    Raises:
        Refused: The user cannot be changed, such as in a user namespace without other users.
    """
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        raise Refused(f"it is not evaluated as root, and the user cannot be changed: {error.strerror}") from error


def evaluate(context: Any, pac: str, url: str, host: str, names: Names, now: datetime) -> str:
    """Return the result of the file's FindProxyForURL, else of its FindProxyForURLEx (Microsoft's for IPv6).

    Raises:
        Refused: The file fails, or its result is not a string or too long.
    """
    context.set_memory_limit(MEMORY)
    functions = PACFunctions(names, now)
    for name, function in functions.by_name().items():
        context.add_callable(name, function)
    try:
        context.eval(pac)
        for name in ("FindProxyForURL", "FindProxyForURLEx"):
            if context.eval(f"typeof {name} === 'function'") is True:
                answer = context.eval(f"{name}({json.dumps(url)}, {json.dumps(host)})")
                break
        else:
            raise Refused("it has no function FindProxyForURL")
    except Refused:
        raise
    except Exception as error:  # JavaScript errors, out of memory, values without a Python type
        raise Refused(f"the file fails: {_reason(error)}") from error
    if not isinstance(answer, str):
        raise Refused("its FindProxyForURL does not answer with a string")
    if len(answer) > MAXIMUM_ANSWER:
        raise Refused(f"it answers with {len(answer)} characters, more than {MAXIMUM_ANSWER}")
    return answer


def _reason(error: Exception) -> str:
    """Return the library's error in one line: its message and its first position."""
    said, _, places = str(error).partition("\n    at ")
    words = " ".join(said.removesuffix("\nundefined").split())[:SHOWN] or type(error).__name__
    place = _PLACE.search(places)
    return f"{words}, line {place[1]}, column {place[2]}" if place else words


def _answer(values: dict[str, object], to: TextIO = sys.stdout) -> None:
    to.write(json.dumps(values) + "\n")
    to.flush()


if __name__ == "__main__":
    main()
