"""Decryption of all records of one read in one call of the compiled loop, which calls OpenSSL directly.

The loop calls the OpenSSL that cryptography carries, by the address of its function, and only a tested version.
With any other, or without the compiled module, pyOpenSSL is called for each record. It is called at the end of the data
in any case, and raises what there is to raise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cryptography.hazmat.bindings._rust import _openssl

from ..stream import compiled

__all__ = ["TESTED", "ReadRecords", "compiled_parts", "objection", "reader"]

TESTED = frozenset(((4, 0, 2), (4, 0, 3)))
"""The versions of OpenSSL that the tests have run with."""

ReadRecords = Callable[[int], tuple[bytes, int]]
"""Takes the maximum number of bytes, and returns the bytes and the number of records."""


def version() -> tuple[int, int, int]:
    """Return the version of OpenSSL; 4.0.3 has the number 0x40000030."""
    number: int = _openssl.lib.OpenSSL_version_num()
    return number >> 28, number >> 20 & 0xFF, number >> 4 & 0xFF


def objection() -> str | None:
    """Return why pyOpenSSL is called for each record; None if it is not."""
    if compiled.DECRYPT is None:
        return "the compiled part is missing"
    present = version()
    return None if present in TESTED else f"not tested with OpenSSL {'.'.join(map(str, present))}"


def compiled_parts() -> dict[str, bool | str | None]:
    """Return, for the status, which loops are compiled: those over packets, and that over the records of TLS."""
    return {"packets": compiled.LOOPS is not None, "records": not objection(), "objection": objection()}


def reader(connection: object) -> ReadRecords | None:
    """Return what reads records of a connection, only as long as it exists; None if that is not to be done."""
    ssl = getattr(connection, "_ssl", None)
    if compiled.DECRYPT is None or objection() or not isinstance(ssl, _openssl.ffi.CData):
        return None
    return partial(compiled.DECRYPT, _address(_openssl.ffi.addressof(_openssl.lib, "SSL_read")), _address(ssl))


def _address(pointer: object) -> int:
    return int(_openssl.ffi.cast("uintptr_t", pointer))
