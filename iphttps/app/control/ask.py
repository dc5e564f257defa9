"""Asks a daemon through its control socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.errors import IPHTTPSError
from ...core.identity import printable

VARIABLE = "IPHTTPS_CONTROL"
"""The environment variable that names the control socket."""

DEADLINE = 15.0
"""Seconds that the daemon has for its answer; it cuts a connection off sooner by itself."""

LONGEST = 64 * 1024 * 1024
"""Bytes of an answer that are read."""


_TIMEVAL = struct.Struct("ll")  # socket(7): seconds and microseconds


class AskError(IPHTTPSError):
    """A daemon that could not be asked, or that refused: `status` is the exit status that goes with it."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        # With a time-out of Python's, connecting would not wait at all while others wait to be accepted.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(*divmod(int(DEADLINE * 1e6), 10**6)))
        self.sock.connect(os.fspath(self._path))
        self.sock.settimeout(DEADLINE)


def ask(path: Path, method: str, resource: str, value: object = None) -> Any:
    """Return the daemon's answer, read from JSON; raises AskError if there is none, or if it is a refusal."""
    body = None if value is None else json.dumps(value)
    connection = _Connection(path)
    try:
        connection.request(method, resource, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        answer = json.loads(response.read(LONGEST))
    except OSError as error:
        raise AskError(f"{path}: {_explain(error)}") from error
    except (http.client.HTTPException, ValueError, RecursionError) as error:
        raise AskError(f"{path}: what answers there is no daemon of iphttps") from error
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise AskError(f"{path}: what answers there is no daemon of iphttps")
    if response.status != http.client.OK:
        raise AskError(printable(str(answer.get("error", f"refused with status {response.status}"))))
    return answer


@contextmanager
def understanding() -> Iterator[None]:
    """Make of an answer what a command needs; nothing else is done within.

    Raises:
        AskError: if the answer lacks something, or has it of another kind: the daemon is of another version.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise AskError("the daemon's answer lacks something: is it of another version?") from error


def is_live(path: Path) -> bool:
    """Tell whether somebody listens on a socket, or at least may: one that is closed to us counts."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(DEADLINE)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            # Without a number it is the path that is too long for a socket.
            gone = ConnectionRefusedError | FileNotFoundError | NotADirectoryError
            return error.errno is not None and not isinstance(error, gone)
        return True


def _explain(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such socket; does the daemon run, with --control?"
        case ConnectionRefusedError():
            return "nobody listens there any more; has the daemon died?"
        case PermissionError():
            return "only root and the user that the daemon runs as may control it"
        case TimeoutError() | BlockingIOError():
            return "the daemon does not answer"
        case ConnectionResetError() | BrokenPipeError():
            return "the daemon hung up; only root and the user that it runs as may control it"
        case _:
            return error.strerror or str(error)
