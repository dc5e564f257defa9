"""A client for the control socket of a daemon."""

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
"""Seconds to wait for the answer; the daemon itself closes a connection sooner."""

LONGEST = 64 * 1024 * 1024
"""Maximum size of an answer in bytes."""


_TIMEVAL = struct.Struct("ll")  # socket(7): seconds and microseconds


class AskError(IPHTTPSError):
    """A request that failed or was rejected; `status` is the exit status for it, `code` the daemon's HTTP status."""

    def __init__(self, sentence: str, status: int = 1, *, code: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX)
        # With Python's own timeout, connect() fails at once while the backlog is full.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(*divmod(int(DEADLINE * 1e6), 10**6)))
        self.sock.connect(os.fspath(self._path))
        self.sock.settimeout(DEADLINE)


def ask(path: Path, method: str, resource: str, value: object = None) -> Any:
    """Send a request to a daemon and return its JSON answer.

    Raises:
        AskError: The daemon did not answer, or rejected the request.
    """
    body = None if value is None else json.dumps(value)
    connection = _Connection(path)
    try:
        connection.request(method, resource, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        answer = json.loads(response.read(LONGEST))
    except OSError as error:
        raise AskError(f"{path}: {_explain(error)}") from error
    except (http.client.HTTPException, ValueError, RecursionError) as error:
        raise AskError(f"{path}: the program that listens there is not an iphttps daemon") from error
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise AskError(f"{path}: the program that listens there is not an iphttps daemon")
    if response.status != http.client.OK:
        sentence = printable(str(answer.get("error", f"rejected with status {response.status}")))
        raise AskError(sentence, code=response.status)
    return answer


@contextmanager
def understanding() -> Iterator[None]:
    """Evaluate the daemon's answer within this context, which must contain no other code.

    Raises:
        AskError: The answer lacks a value or has one of another type, as from a daemon of another version.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise AskError("unexpected answer from the daemon: it may be of another version") from error


def is_live(path: Path) -> bool:
    """Return whether a daemon listens on a socket; a socket without access permission counts."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(DEADLINE)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            # An error without errno means that the path is too long for a socket.
            gone = ConnectionRefusedError | FileNotFoundError | NotADirectoryError
            return error.errno is not None and not isinstance(error, gone)
        return True


def _explain(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "no such socket: start the daemon, with --control"
        case ConnectionRefusedError():
            return "no daemon listens there: it may have been killed"
        case PermissionError():
            return "permission denied: only root and the daemon's user may control it"
        case TimeoutError() | BlockingIOError():
            return "the daemon does not answer"
        case ConnectionResetError() | BrokenPipeError():
            return "the daemon closed the connection: only root and the daemon's user may control it"
        case _:
            return error.strerror or str(error)
