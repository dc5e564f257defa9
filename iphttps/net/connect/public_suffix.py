"""Tells the names below which strangers register names, by the list of publicsuffix.org that the library brings."""

from __future__ import annotations

from collections.abc import Callable

from publicsuffixlist import PublicSuffixList


def public_suffixes() -> Callable[[str], bool]:
    """Return what tells whether a name in small letters is a public suffix.

    It reads a file of the library's, so it is to be called before rights are given up. Private suffixes such as eu.org
    and github.io count too; a top-level domain that the list does not know is one.
    """
    suffixes = PublicSuffixList()
    return lambda name: suffixes.privatesuffix(name) is None
