"""Who a client is: the names in its certificate, in words that cannot be mistaken for anything else.

A certificate's names are the peer's words, or those of whoever had them signed. Here they are printable ASCII:
every other character stands as the bytes of its UTF-8, each written as a backslash and two hexadecimal digits
(RFC 4514 section 2.4). So no name can end a line of the log, colour a terminal, or look like another name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SHOWN_NAMES = 3
"""How many alternative names the log shows of a client; the rest is counted."""

SHOWN_LENGTH = 200
"""How many characters of each name the log shows."""

_NOT_PRINTABLE = re.compile(r"[^ -~]")


def printable(text: str, unwanted: re.Pattern[str] = _NOT_PRINTABLE) -> str:
    """Return the text with each unwanted character escaped."""

    def escape(found: re.Match[str]) -> str:
        return "".join(f"\\{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))

    return unwanted.sub(escape, text)


def legible(text: str) -> str:
    """Return the text with every character escaped that ends a line, turns its direction, or is not to be seen at all.

    What is only in another language stays: this is for sentences, whose words need not be ASCII as names are.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else printable(character) for character in text)


@dataclass(frozen=True, slots=True)
class Identity:
    """The subject of a certificate (RFC 4514) and its subject alternative names, escaped.

    Whose certificates bear the same names is the same client: a renewed certificate makes nobody new.
    """

    subject: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = [name for name in self.names if self.subject != f"CN={name}"]
        shown = [shortened(name) for name in names[:SHOWN_NAMES]]
        if len(names) > SHOWN_NAMES:
            shown.append(f"{len(names) - SHOWN_NAMES} more")
        parts = [shortened(self.subject)] if self.subject else []
        return " ".join([*parts, f"[{', '.join(shown)}]"] if shown else parts)


def shortened(name: str) -> str:
    """Return as much of a name as is shown."""
    return name if len(name) <= SHOWN_LENGTH else f"{name[:SHOWN_LENGTH]}..."
