"""Turns the bytes of a proxy auto-configuration file into its text, as browsers do."""

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
"""Byte order marks. These decoders are built in: no file of Python's has to be read for them."""

_SINGLE = (
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859_2 iso8859_5 iso8859_7 iso8859_9 iso8859_15"
)
_OTHER = "cp866 koi8_r koi8_u shift_jis cp932 euc_jp gb2312 gbk gb18030 big5 euc_kr"

# Looked up now: after `twistd --uid` has given up root, Python's own files may be out of reach.
_CHARSETS = {name: codecs.lookup(name).decode for name in f"{_SINGLE} {_OTHER}".split()}

_PADDING = "\0\x1a"
"""What old editors and appliances put at a file's end."""


def text_of(content: bytes, charset: str = "") -> str:
    """Return what the bytes mean; `charset` is what the web server says of them.

    A byte order mark counts first, then UTF-16 without one, then UTF-8, then the server's word, and at last Latin-1, in
    which nothing is wrong. So a wrong word of a server spoils no file in UTF-8, and a byte in a comment no program.
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
