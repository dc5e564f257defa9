"""The host's packet filter: rules that may block a tunnel, as far as they can be read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

DEADLINE = 10.0
"""Time limit in seconds for a program that lists the rules."""

_FAMILIES = {"forward": ("ip6", "inet"), "input": ("ip6", "ip", "inet")}
"""The table families for packets forwarded inside the tunnel, and for packets of the tunnel's own connection."""

_ICMPV6 = {"icmpv6", "ipv6-icmp"}

_MATCHLESS = {"counter", "log", "drop", "reject", "comment"}
"""The statements of a rule that matches every packet."""


def nftables() -> dict[str, Any] | None:
    """Return the output of `nft -j list ruleset`; None without the program or the privilege."""
    listed = _run("nft", "-j", "list", "ruleset")
    try:
        value = json.loads(listed) if listed else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def legacy() -> str | None:
    """Return the output of `ip6tables-legacy -S`; None without the program or the privilege."""
    return _run("ip6tables-legacy", "-S")


def _run(*command: str) -> str | None:
    program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run((program, *command[1:]), capture_output=True, text=True, timeout=DEADLINE, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def forward_obstacles(ruleset: dict[str, Any], interface: str) -> list[str]:
    """Return a sentence for each chain that drops packets by default and has no rule for the interface."""
    return [
        f"the firewall's chain {where} drops packets by default and has no rule for {interface}: allow the tunnel, "
        f"such as by `nft insert rule {where} iifname {interface} accept` and the same with oifname"
        for where, words in _closed(ruleset, "forward")
        if not _knows(words, interface)
    ]


def input_obstacles(ruleset: dict[str, Any], port: int) -> list[str]:
    """Return a sentence for each chain that drops packets by default and has no rule for the port."""
    return [
        f"the firewall's chain {where} drops packets by default and has no rule for port {port}: allow clients, "
        f"such as by `nft insert rule {where} tcp dport {port} accept`"
        for where, words in _closed(ruleset, "input")
        if str(port) not in words
    ]


def discovery_obstacles(
    ruleset: dict[str, Any], interface: str, purpose: str = "by which clients find this host"
) -> list[str]:
    """Return a sentence for each chain that drops packets by default, among them Neighbor Discovery on the interface.

    Without Neighbor Discovery the host does not answer for its own address, and clients cannot reach it.
    """
    return [
        f"the firewall's chain {where} drops Neighbor Discovery on {interface}, {purpose}: allow "
        f"it, such as by `nft insert rule {where} iifname {interface} meta l4proto ipv6-icmp accept`"
        for where, rules in _closed_rules(ruleset, "input", ("ip6", "inet"))
        if not any(_knows(words, interface) for words in rules)
        and not any(words & _ICMPV6 and not words & {"iif", "iifname"} for words in rules)
    ]


def legacy_obstacles(rules: str, interface: str, port: int) -> list[str]:
    """Return a sentence for each ip6tables chain that drops the tunnel's packets or clients by default."""
    lines = rules.splitlines()
    found = []
    for chain, known, mend in (
        ("FORWARD", interface, f"-I FORWARD -i {interface} -j ACCEPT` and the same with -o"),
        ("INPUT", str(port), f"-I INPUT -p tcp --dport {port} -j ACCEPT`"),
    ):
        accepts = any(known in line.split() for line in lines if line.startswith("-A "))
        if f"-P {chain} DROP" in lines and not accepts:
            found.append(
                f"the ip6tables chain {chain} drops packets by default: allow them with `ip6tables-legacy {mend}"
            )
    return found


def _closed(ruleset: dict[str, Any], hook: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each chain at a hook that drops or rejects by default, and all words in its table's rules."""
    for where, rules in _closed_rules(ruleset, hook, _FAMILIES[hook]):
        yield where, set().union(*rules)


def _closed_rules(
    ruleset: dict[str, Any], hook: str, families: tuple[str, ...]
) -> Iterator[tuple[str, list[set[str]]]]:
    """Yield each such chain, and the words of each rule and set of its table."""
    items = [item for item in ruleset.get("nftables", ()) if isinstance(item, dict)]
    for chain in (item["chain"] for item in items if "chain" in item):
        if chain.get("hook") != hook or chain.get("family") not in families:
            continue
        # A chain can jump to others, but only within its table.
        table = [
            item["rule"]
            for item in items
            if "rule" in item and all(item["rule"].get(key) == chain[key] for key in ("family", "table"))
        ]
        own = [rule for rule in table if rule.get("chain") == chain["name"]]
        if chain.get("policy") == "drop" or any(map(_drops_all, own)):
            sets = (item[kind] for item in items for kind in ("set", "map") if kind in item)
            yield (
                f"{chain['family']} {chain['table']} {chain['name']}",
                [
                    *(set(_words(rule.get("expr"))) for rule in table),
                    *(set(_words(one.get("elem"))) for one in sets if one.get("table") == chain["table"]),
                ],
            )


def _knows(words: set[str], interface: str) -> bool:
    """Tell whether the words name an interface, possibly by a prefix such as `ipht*`."""
    return interface in words or any(word.endswith("*") and interface.startswith(word[:-1]) for word in words)


def _drops_all(rule: dict[str, Any]) -> bool:
    kinds = {kind for expression in rule.get("expr", ()) for kind in expression}
    return bool(kinds & {"drop", "reject"}) and kinds <= _MATCHLESS


def _words(value: object) -> Iterable[str]:
    """Yield every word and number in nested lists and dictionaries, and every number of a range."""
    match value:
        case dict():
            match value.get("range"):
                case [int(first), int(last)]:
                    yield from map(str, range(first, last + 1))
            for one in value.values():
                yield from _words(one)
        case list():
            for one in value:
                yield from _words(one)
        case str() | int():
            yield str(value)
