"""The character encoding of a proxy auto-configuration (PAC) file, detected as in browsers."""

from __future__ import annotations

import codecs
from encodings import normalize_encoding
from encodings.aliases import aliases

_MARKS = (
    (codecs.BOM_UTF8, codecs.utf_8_decode),
    (codecs.BOM_UTF32_LE, codecs.utf_32_le_decode),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF32_BE, codecs.utf_32_be_decode),
    (codecs.BOM_UTF16_LE, codecs.utf_16_le_decode),
    (codecs.BOM_UTF16_BE, codecs.utf_16_be_decode),
)
"""Byte order marks, with decoders built into the interpreter: Python's files may be unreadable later."""

_SINGLE = (
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859_2 iso8859_5 iso8859_7 iso8859_9 iso8859_15"
)
_OTHER = "cp866 koi8_r koi8_u shift_jis cp932 euc_jp gb2312 gbk gb18030 big5 euc_kr"

# Looked up now: after `twistd --uid` has dropped privileges, Python's own files may be unreadable.
_CHARSETS = {name: codecs.lookup(name).decode for name in f"{_SINGLE} {_OTHER}".split()}

_PADDING = "\0\x1a"
"""Padding that old editors and appliances append to a file."""


def text_of(content: bytes, charset: str = "") -> str:
    """Decode the content of a PAC file; `charset` is the one that the web server declares, empty if none.

    A byte order mark takes precedence, then UTF-16 without one, UTF-8, the declared charset, and finally Latin-1, which
    decodes anything. A wrong declaration therefore cannot spoil a UTF-8 file, nor a stray byte in a comment a program.
    """
    return _decoded(content, charset).rstrip(_PADDING)


def _decoded(content: bytes, charset: str) -> str:
    for mark, decode in _MARKS:
        if content.startswith(mark):
            return decode(content[len(mark) :], "replace", True)[0]
    # A program begins with an ASCII character, whose other half is zero in UTF-16.
    match tuple(content[:2]):
        case (0, second) if second:
            return codecs.utf_16_be_decode(content, "replace", True)[0]
        case (first, 0) if first:
            return codecs.utf_16_le_decode(content, "replace", True)[0]
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        name = normalize_encoding(charset.strip().lower())
        named = _CHARSETS.get(aliases.get(name, name))
        return named(content, "replace")[0] if named else content.decode("latin-1")
