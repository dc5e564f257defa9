"""Evaluates a proxy auto-configuration file: a program of its own, `python -m iphttps.host.pac.evaluator`.

Such a file is a program from somewhere else, which may compute for ever, or until no memory is left. So it runs in a
process that can do nothing but compute, ask another process for the addresses of names, and answer; that has nothing
of the daemon's but three pipes; that is not root; that can open no file, socket or process, where the kernel has
seccomp and Landlock; and that the kernel ends when it takes too much. Who starts it limits the time.

It reads one JSON object with `pac`, `url` and `host`, and writes one, with `answer` or with `error`, and with
`unconfined`, a list of what the kernel lacks to confine it, if there is anything.
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
"""Characters of an answer that are passed on; of a longer one there is only the length."""

SHOWN = 200
"""Characters of an error."""

MEMORY = 64 * MEBIBYTE
"""Bytes that the file's own objects may take; it is told when there are no more."""

LIMITS = (
    (resource.RLIMIT_CPU, 3),  # seconds
    (resource.RLIMIT_AS, 512 * MEBIBYTE),  # of which Python and its libraries take a part
    (resource.RLIMIT_NOFILE, 16),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NPROC, 0),  # of no effect on root
)

LIFETIME = 15
"""Seconds after which it ends even if nobody ends it, because who started it is no more."""

_PLACE = re.compile(r"<input>:([0-9]{1,9}):([0-9]{1,9})")
"""A place in the file, as the library writes it."""

NOBODY = 65534  # the kernel's overflow user, which owns nothing


class Refused(Exception):
    """The file gives no answer; the text says why."""


def main() -> None:
    """Read the question, and answer it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFETIME)
    with suppress(PermissionError):  # a shell may have made it a leader already
        os.setsid()
    try:
        asking, resolver = pacnames.start(_confine_resolver)  # before there is a second thread
    except OSError as error:
        _answer({"error": f"it is not evaluated, because no process can look names up: {error.strerror}"})
        return
    try:
        # While Python's files can still be read, and a thread can be made, as this library does.
        import quickjs
    except ImportError:
        _answer({"error": "evaluating it takes a library that is not there: pip install quickjs-ng"})
        return
    limit()
    try:
        give_up_root()
        now = datetime.now().astimezone()  # which reads the time zone
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
    os.waitpid(resolver, 0)  # it has nothing more to answer, and ends at once


def _confine_resolver() -> None:
    signal.alarm(LIFETIME)
    limit()
    give_up_root()
    confine()


def limit() -> None:
    """Have the kernel bound what this process takes."""
    for which, wanted in LIMITS:
        _, most = resource.getrlimit(which)
        value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(which, (value, value))


def give_up_root() -> None:
    """Become nobody, if this is root; raises Refused if that cannot be, as where nobody else exists."""
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError as error:
        raise Refused(f"it is not evaluated as root, and another user cannot be had: {error.strerror}") from error


def evaluate(context: Any, pac: str, url: str, host: str, names: Names, now: datetime) -> str:
    """Return what the file's FindProxyForURL answers; raises Refused if it does not.

    A file with FindProxyForURLEx alone is Microsoft's for IPv6, and is asked for that.
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
    except Exception as error:  # JavaScript's own, memory that is out, values that Python has not
        raise Refused(f"the file fails: {_reason(error)}") from error
    if not isinstance(answer, str):
        raise Refused("its FindProxyForURL does not answer with a string")
    if len(answer) > MAXIMUM_ANSWER:
        raise Refused(f"it answers with {len(answer)} characters, more than {MAXIMUM_ANSWER}")
    return answer


def _reason(error: Exception) -> str:
    """Put the library's error into a line: what it says, and of the places behind that the first."""
    said, _, places = str(error).partition("\n    at ")
    words = " ".join(said.removesuffix("\nundefined").split())[:SHOWN] or type(error).__name__
    place = _PLACE.search(places)
    return f"{words}, line {place[1]}, column {place[2]}" if place else words


def _answer(values: dict[str, object], to: TextIO = sys.stdout) -> None:
    to.write(json.dumps(values) + "\n")
    to.flush()


if __name__ == "__main__":
    main()
