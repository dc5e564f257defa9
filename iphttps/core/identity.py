"""A client's identity: the names in its certificate, escaped so that they cannot be mistaken for anything else.

A peer chooses the names in its certificate, within the limits of its authority. Here they are printable ASCII: any
other character is written as the bytes of its UTF-8 encoding, each a backslash and two hexadecimal digits (RFC 4514
section 2.4). So no name can end a log line, colour a terminal, or look like another name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .text import shortened

SHOWN_NAMES = 3
"""Maximum number of alternative names that the log shows; further ones are counted."""

SHOWN_LENGTH = 200
"""Maximum number of characters of a name that the log shows."""

_NOT_PRINTABLE = re.compile(r"[^ -~]")


def printable(text: str, unwanted: re.Pattern[str] = _NOT_PRINTABLE) -> str:
    """Return the text with each character that `unwanted` matches escaped."""

    def escape(found: re.Match[str]) -> str:
        return "".join(f"\\{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))

    return unwanted.sub(escape, text)


def legible(text: str) -> str:
    """Return the text with all invisible characters and those that end a line or change its direction escaped.

    Printable characters of any language stay: this is for sentences, which unlike names need not be ASCII.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else printable(character) for character in text)


@dataclass(frozen=True, slots=True)
class Identity:
    """The subject of a certificate (RFC 4514) and its subject alternative names, escaped.

    Certificates with the same names belong to the same client, so a renewed certificate keeps the identity.
    """

    subject: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = [name for name in self.names if self.subject != f"CN={name}"]
        listed = [shown(name) for name in names[:SHOWN_NAMES]]
        if len(names) > SHOWN_NAMES:
            listed.append(f"{len(names) - SHOWN_NAMES} more")
        parts = [shown(self.subject)] if self.subject else []
        return " ".join([*parts, f"[{', '.join(listed)}]"] if listed else parts)


def shown(name: str) -> str:
    """Return a name as a message shows it: at most SHOWN_LENGTH characters."""
    return shortened(name, SHOWN_LENGTH)
