"""Text from outside: files that a person writes, and words of a peer made fit for a log."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, utf_16_be_decode, utf_16_le_decode

SHOWN_LENGTH = 100
"""Maximum number of characters of a peer's text that a sentence quotes."""


def text_of(content: bytes) -> str:
    """Return the text of a file: UTF-8, or UTF-16 after its byte order mark; a mark is removed.

    Raises:
        UnicodeDecodeError: The file is neither UTF-8 nor marked UTF-16.
    """
    # These functions are built in; a codec loaded by name may be unreadable after `twistd --uid`.
    if content.startswith(BOM_UTF16_LE):
        return utf_16_le_decode(content.removeprefix(BOM_UTF16_LE), "strict", True)[0]
    if content.startswith(BOM_UTF16_BE):
        return utf_16_be_decode(content.removeprefix(BOM_UTF16_BE), "strict", True)[0]
    return content.removeprefix(BOM_UTF8).decode("utf-8")


def without_mark(content: bytes) -> bytes:
    """Return the content as UTF-8 without a byte order mark; content without a mark, or malformed, is unchanged."""
    if not content.startswith((BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)):
        return content
    try:
        return text_of(content).encode("utf-8")
    except UnicodeDecodeError:
        return content


def ascii_only(text: bytes) -> str:
    """Return a peer's words fit for a log: printable ASCII, the rest escaped."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text)


def shortened(text: str, length: int = SHOWN_LENGTH) -> str:
    """Return the first `length` characters of a peer's text, with an ellipsis if there are more."""
    return text if len(text) <= length else f"{text[:length]}..."
