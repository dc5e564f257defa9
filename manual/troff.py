"""Manual pages in the man(7) macros."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest

from iphttps import __version__

_CODE = re.compile(r"`([^`]+)`")


def escaped(text: str) -> str:
    """Return text escaped for troff, with text between backticks in bold."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    text = _CODE.sub(r"\\fB\1\\fR", text).replace("`", "\\(ga")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


class Page:
    """A manual page, written from top to bottom."""

    def __init__(self, name: str, section: int, what: str) -> None:
        self.name, self.section = name, section
        # Without a date, so that the build is reproducible.
        self._lines = [f'.TH "{name.upper()}" {section} "" "iphttps {__version__}" "IP\\-HTTPS"']
        self.heading("NAME")
        self._lines.append(f"{escaped(name)} \\- {escaped(what)}")

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.section}"

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._lines.append(f'.SH "{escaped(text)}"')

    def subheading(self, text: str) -> None:
        """Begin a subsection."""
        self._lines.append(f'.SS "{escaped(text)}"')

    def paragraph(self, text: str) -> None:
        """Write a paragraph; lines are filled."""
        self._lines += [".PP", escaped(" ".join(text.split()))]

    def verbatim(self, text: str) -> None:
        """Write lines verbatim."""
        self._lines += [".PP", ".nf", escaped(text), ".fi"]

    def item(self, tags: str | Sequence[str], text: str) -> None:
        """Write a list item: one or several terms in bold, and their description."""
        for macro, tag in zip_longest((".TP",), [tags] if isinstance(tags, str) else tags, fillvalue=".TQ"):
            self._lines += [macro, f"\\fB{escaped(tag)}\\fR"]
        self._lines.append(escaped(" ".join(text.split())))

    def see_also(self, pages: Iterable[str]) -> None:
        """Write the last section: other pages, such as iphttps(1)."""
        self.heading("SEE ALSO")
        named = (page.partition("(") for page in pages)
        self._lines.append(", ".join(f"\\fB{escaped(name)}\\fR({section}" for name, _, section in named))
