"""Where Web Proxy Auto-Discovery looks for a file by DNS: at the host `wpad` of this host's own domains.

The rule is old (draft-ietf-wrec-wpad-01) and was dangerous: who registers wpad.com, or wpad.co.uk, or wpad.eu.org, is
asked by everybody below it. So from each of the host's domains the search goes up, label by label, and ends before the
first that is a public suffix, by the list that browsers keep to (publicsuffix.org). A domain of one label is never
asked, be it wpad.com or wpad.lan.

Who is refused too much by this gives the file with `--pac`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

MAXIMUM_URLS = 8
"""Places that are asked."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def wpad_urls(domains: Iterable[str], is_public: Callable[[str], bool]) -> tuple[str, ...]:
    """Return where to ask, in this order, for the host's own domains, the most important first.

    `is_public` tells whether a name in small letters is a public suffix, below which strangers register names.
    """
    candidates = (name for domain in domains for name in _upwards(domain.strip().rstrip(".").lower(), is_public))
    return tuple(f"http://wpad.{name}/wpad.dat" for name in dict.fromkeys(candidates))[:MAXIMUM_URLS]


def search_domains(resolv_conf: str, hostname: str) -> tuple[str, ...]:
    """Return the host's own domains: those that resolv.conf(5) has its resolver search, else the host name's own."""
    domains = hostname.partition(".")[2].split()
    for line in resolv_conf.splitlines():
        keyword, *values = line.split() or ("",)
        if keyword in ("search", "domain") and values:  # the last line counts
            domains = values if keyword == "search" else values[:1]
    return tuple(domains)


def _upwards(domain: str, is_public: Callable[[str], bool]) -> Iterator[str]:
    labels = domain.split(".")
    if len(domain) > 253 or not all(map(_LABEL.fullmatch, labels)):
        return
    while len(labels) >= 2 and not is_public(name := ".".join(labels)):
        yield name
        labels = labels[1:]
