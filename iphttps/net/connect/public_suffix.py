"""Public suffixes, under which anyone can register names, from the list of publicsuffix.org in the library."""

from __future__ import annotations

from collections.abc import Callable

from publicsuffixlist import PublicSuffixList


def public_suffixes() -> Callable[[str], bool]:
    """Return a function that returns whether a lower-case name is a public suffix.

    Call it before privileges are dropped, because it reads a file of the library. Private suffixes such as eu.org and
    github.io count too, and every top-level domain that is not in the list.
    """
    suffixes = PublicSuffixList()
    return lambda name: suffixes.privatesuffix(name) is None
