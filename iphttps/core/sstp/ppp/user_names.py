"""The forms of a user's login name: `alice`, `EXAMPLE\\alice` and `alice@example.org`."""

from __future__ import annotations

LONGEST = 256  # RFC 2759 section 4: the Name is a string of 0 to 256 characters


def without_domain(name: bytes) -> bytes:
    """Return the name as sent, without its Windows domain; the realm after an at sign stays."""
    return name.rpartition(b"\\")[2]


def candidates(name: bytes) -> tuple[str, ...]:
    """Return the names to look up in the users' database, the most specific one first.

    Any domain and realm are accepted: `EXAMPLE\\alice` and `alice@example.org` find `alice`, unless a more specific
    name exists. A name that is not UTF-8 has no candidates.
    """
    try:
        whole = name.decode("utf-8")
    except UnicodeDecodeError:
        return ()
    bare = whole.rpartition("\\")[2]
    user = bare.rpartition("@")[0] or bare
    return tuple(dict.fromkeys(each for each in (whole, bare, user) if each))
