"""The URLs of Web Proxy Auto-Discovery by DNS: on the host `wpad` in this host's own domains.

The original rule (draft-ietf-wrec-wpad-01) was dangerous: the owner of wpad.com, wpad.co.uk or wpad.eu.org gets the
requests of all hosts below the parent domain. So the search goes up from each of the host's domains, label by label,
and ends before the first public suffix, by the list that browsers use (publicsuffix.org). A domain of one label is
never searched, neither wpad.com nor wpad.lan.

Where this finds no file, `--pac` names one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

MAXIMUM_URLS = 8
"""Maximum number of URLs to try."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def wpad_urls(domains: Iterable[str], is_public: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the URLs to try, in order, for the host's own domains, most important first.

    `is_public` tells whether a lower-case name is a public suffix, under which anyone can register names.
    """
    candidates = (name for domain in domains for name in _upwards(domain.strip().rstrip(".").lower(), is_public))
    return tuple(f"http://wpad.{name}/wpad.dat" for name in dict.fromkeys(candidates))[:MAXIMUM_URLS]


def search_domains(resolv_conf: str, hostname: str) -> tuple[str, ...]:
    """Return the host's own domains: the search list of resolv.conf(5), else the domain of the host name."""
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
