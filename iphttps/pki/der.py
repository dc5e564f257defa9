"""DER (X.690) as far as it takes to go through a certificate by hand: elements within elements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

INTEGER = 0x02
SEQUENCE = 0x30
OBJECT_IDENTIFIER = 0x06
OCTET_STRING = 0x04
UTF8_STRING = 0x0C

_LONG = 0x80
_MULTIBYTE_TAG = 0x1F


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, its content, and all its bytes."""

    tag: int
    content: bytes
    whole: bytes

    @property
    def parts(self) -> list[Element]:
        """The elements that the content is made of.

        Raises:
            ValueError: ???
        """
        return list(elements(self.content))


def elements(data: bytes) -> Iterator[Element]:
    """Go through elements laid end to end.

    Raises:
        ValueError: At the first that is not whole.
    """
    begin = 0
    while begin < len(data):
        element = _first(data, begin)
        yield element
        begin += len(element.whole)


def only(data: bytes, tag: int) -> Element:
    """Return the one element that the bytes are.

    Raises:
        ValueError: If they are another, or more.
    """
    element = _first(data, 0)
    if element.tag != tag or len(element.whole) != len(data):
        raise ValueError(f"there is not one element of the tag {tag:#x}")
    return element


def encode(tag: int, content: bytes | Iterable[bytes]) -> bytes:
    """Write an element of this content, or of these pieces of content."""
    body = content if isinstance(content, bytes) else b"".join(content)
    size = len(body)
    if size < _LONG:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length + body


def _first(data: bytes, begin: int) -> Element:
    head = data[begin : begin + 2]
    if len(head) < 2 or head[0] & _MULTIBYTE_TAG == _MULTIBYTE_TAG:
        raise ValueError("an element has no head, or a tag of several bytes")
    start, size = begin + 2, head[1]
    if size >= _LONG:
        octets = size & ~_LONG
        size = int.from_bytes(data[start : start + octets], "big")
        if not 0 < octets <= 4 or start + octets > len(data):
            raise ValueError("an element has an indefinite or too long a length")
        start += octets
    end = start + size
    if end > len(data):
        raise ValueError("an element is cut off")
    return Element(head[0], data[start:end], data[begin:end])
