"""DER (X.690): a minimal reader and writer of nested elements, enough to walk through a certificate."""

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
    """One DER element: its tag, its content, and its whole encoding."""

    tag: int
    content: bytes
    whole: bytes

    @property
    def parts(self) -> list[Element]:
        """The elements nested in the content.

        Raises:
            ValueError: The content is not a sequence of complete elements.
        """
        return list(elements(self.content))


def elements(data: bytes) -> Iterator[Element]:
    """Yield elements laid end to end.

    Raises:
        ValueError: An element is incomplete or malformed; the ones before it have been yielded.
    """
    begin = 0
    while begin < len(data):
        element = _first(data, begin)
        yield element
        begin += len(element.whole)


def only(data: bytes, tag: int) -> Element:
    """Return the single element of this tag that the bytes encode.

    Raises:
        ValueError: The tag differs, the element is malformed, or bytes follow it.
    """
    element = _first(data, 0)
    if element.tag != tag or len(element.whole) != len(data):
        raise ValueError(f"expected a single element with tag {tag:#x}")
    return element


def encode(tag: int, content: bytes | Iterable[bytes]) -> bytes:
    """Return the encoding of an element whose content is given whole or in pieces."""
    body = content if isinstance(content, bytes) else b"".join(content)
    size = len(body)
    if size < _LONG:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length + body


def _first(data: bytes, begin: int) -> Element:
    head = data[begin : begin + 2]
    if len(head) < 2 or head[0] & _MULTIBYTE_TAG == _MULTIBYTE_TAG:
        raise ValueError("an element has no header or a multi-byte tag")
    start, size = begin + 2, head[1]
    if size >= _LONG:
        octets = size & ~_LONG
        size = int.from_bytes(data[start : start + octets], "big")
        if not 0 < octets <= 4 or start + octets > len(data):
            raise ValueError("the length of an element is indefinite or too long")
        start += octets
    end = start + size
    if end > len(data):
        raise ValueError("an element is truncated")
    return Element(head[0], data[start:end], data[begin:end])
