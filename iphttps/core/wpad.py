"""Where Web Proxy Auto-Discovery looks for a file by DNS: at the host `wpad` of this host's own domains.

The rule is old (draft-ietf-wrec-wpad-01) and was dangerous: who registers wpad.com, or wpad.co.uk, is asked
by everybody below it. No list of public suffixes is kept here; instead, what might be one is left alone:

* A domain of one label is never asked: wpad.com, but also wpad.lan.
* A domain of two labels is not asked if it looks like a registry's: two letters behind at most three, as co.uk is.
* From one of the host's domains the search goes up, label by label, while two labels are left, or three below a
  country's two letters: from a.b.example.org to b.example.org and example.org, from a.b.example.de to b.example.de.

Who is refused too much by this gives the file with `--pac`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAXIMUM_URLS = 8
"""Places that are asked."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def wpad_urls(domains: Iterable[str]) -> tuple[str, ...]:
    """Return where to ask, in this order, for the host's own domains, the most important first."""
    candidates = (name for domain in domains for name in _upwards(domain.strip().rstrip(".").lower()))
    return tuple(f"http://wpad.{name}/wpad.dat" for name in dict.fromkeys(candidates))[:MAXIMUM_URLS]


def search_domains(resolv_conf: str, hostname: str) -> tuple[str, ...]:
    """Return the host's own domains: those that resolv.conf(5) has its resolver search, else the host name's own."""
    domains = hostname.partition(".")[2].split()
    for line in resolv_conf.splitlines():
        keyword, *values = line.split() or ("",)
        if keyword in ("search", "domain") and values:  # the last line counts
            domains = values if keyword == "search" else values[:1]
    return tuple(domains)


def _upwards(domain: str) -> Iterator[str]:
    labels = domain.split(".")
    if len(domain) > 253 or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        return
    country = len(labels[-1]) == 2
    if country and len(labels) == 2 and len(labels[0]) <= 3:
        return
    yield domain
    while len(labels) > (3 if country else 2):
        labels = labels[1:]
        yield ".".join(labels)
