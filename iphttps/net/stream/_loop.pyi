"""The Python interface of loop.c; iphttps.core.loops describes the functions."""

from collections.abc import Callable, Sequence
from typing import TypeVar

R = TypeVar("R")

def scan(data: bytes, /) -> Sequence[int]: ...
def proven(data: bytes, bounds: Sequence[int], headers: set[bytes], /) -> bool: ...
def sort(
    data: bytes, bounds: Sequence[int], sources: bool, receiver: Callable[[bytes], R | None], /
) -> tuple[list[tuple[R, bytes, Sequence[int]]], list[bytes]]: ...
def decode(data: bytes, offset: int, frame: bytes, /) -> tuple[bytes, Sequence[int], int]: ...
def encode(data: bytes, bounds: Sequence[int], ipv4: bytes, ipv6: bytes, /) -> bytes: ...
def decrypt(read: int, ssl: int, room: int, /) -> tuple[bytes, int]:
    """Call SSL_read, whose address is `read`, until `room` bytes were read or none come; return these and its calls.

    `ssl` is the address of an SSL object. Errors are left to the next call of OpenSSL.
    """
