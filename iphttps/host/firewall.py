"""What the kernel's packet filter does to a server's clients, as `nft` tells it, and what would let them through."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEADLINE = 10.0
FAMILIES = {"input": ("inet", "ip", "ip6"), "forward": ("inet", "ip6")}
"""For each hook the families whose chains matter: connections are made over both IPs, the tunnel carries IPv6."""

IPTABLES = {"ip": "iptables", "ip6": "ip6tables"}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A chain of the packet filter that drops what no rule accepts, and has none for the tunnel.

    `commands` let it through; they last until the next boot.
    """

    chain: str
    what: str
    commands: tuple[str, ...]


def ruleset() -> list[dict[str, Any]] | None:
    """Return the packet filter's rules, or None if they cannot be known."""
    try:
        done = subprocess.run(
            ["nft", "-j", "list", "ruleset"], capture_output=True, text=True, timeout=DEADLINE, check=True
        )
        return list(json.loads(done.stdout)["nftables"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None


def obstacles(rules: Sequence[Mapping[str, Any]], port: int, interface: str) -> Iterator[Obstacle]:
    """Yield what keeps clients from the port, or their packets from passing the interface."""
    for chain in (entry["chain"] for entry in rules if "chain" in entry):
        hook = chain.get("hook")
        if chain["family"] not in FAMILIES.get(hook, ()) or chain.get("type") != "filter":
            continue
        table = [
            entry["rule"]
            for entry in rules
            if "rule" in entry and all(entry["rule"][key] == chain[key] for key in ("family", "table"))
        ]
        if not _closed(chain, [rule for rule in table if rule["chain"] == chain["name"]]):
            continue
        where = f"{chain['family']} {chain['table']} {chain['name']}"
        if hook == "forward" and not _passes(table, "iifname", interface):
            yield Obstacle(where, f"packets from and to {interface}", _forwarding(chain, interface))
        if hook == "input" and not _accepts(table, "dport", port):
            yield Obstacle(where, f"connections to port {port}", _connections(chain, port))
        if hook == "input" and chain["family"] != "ip" and not _passes(table, "iifname", interface):
            yield Obstacle(where, f"Neighbor Discovery on {interface}", _discovery(chain, interface))


def _closed(chain: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a chain ends in dropping what nobody has accepted."""
    if chain.get("policy") == "drop":
        return True
    ends = [_statements(rule) - {"counter", "log", "limit"} for rule in rules]
    return any(end and end <= {"drop", "reject"} for end in ends)


def _statements(rule: Mapping[str, Any]) -> set[str]:
    return {name for statement in rule.get("expr", ()) for name in statement}


def _accepts(rules: Sequence[Mapping[str, Any]], field: str, value: object) -> bool:
    """Tell whether some rule that looks at the field, and finds the value, accepts."""
    return any(
        "accept" in _statements(rule)
        and any(_matches(statement["match"], field, value) for statement in rule["expr"] if "match" in statement)
        for rule in rules
    )


def _passes(rules: Sequence[Mapping[str, Any]], field: str, interface: str) -> bool:
    return _accepts(rules, field, interface)


def _matches(match: Mapping[str, Any], field: str, value: object) -> bool:
    left = match.get("left", {})
    looked_at = [inner.get("field") or inner.get("key") for inner in left.values() if isinstance(inner, Mapping)]
    return field in looked_at and match.get("op") in ("==", "in") and _holds(match.get("right"), value)


def _holds(right: object, value: object) -> bool:
    match right:
        case {"set": [*members]}:
            return any(_holds(member, value) for member in members)
        case {"range": [int(low), int(high)]}:
            return isinstance(value, int) and low <= value <= high
        case str(name) if name.endswith("*"):
            return isinstance(value, str) and value.startswith(name[:-1])
    return right == value


def _forwarding(chain: Mapping[str, Any], interface: str) -> tuple[str, ...]:
    if tool := _tool(chain):
        return tuple(f"{tool} -I {chain['name']} {way} {interface} -j ACCEPT" for way in ("-i", "-o"))
    return tuple(f'{_insert(chain)} {way} "{interface}" accept' for way in ("iifname", "oifname"))


def _connections(chain: Mapping[str, Any], port: int) -> tuple[str, ...]:
    if tool := _tool(chain):
        return (f"{tool} -I {chain['name']} -p tcp --dport {port} -j ACCEPT",)
    return (f"{_insert(chain)} tcp dport {port} accept",)


def _discovery(chain: Mapping[str, Any], interface: str) -> tuple[str, ...]:
    if tool := _tool(chain):
        return (f"{tool} -I {chain['name']} -i {interface} -p ipv6-icmp -j ACCEPT",)
    return (f'{_insert(chain)} iifname "{interface}" meta l4proto ipv6-icmp accept',)


def _tool(chain: Mapping[str, Any]) -> str | None:
    """Return the program that a chain belongs to, if it is one of iptables'."""
    ours = chain["table"] == "filter" and chain["name"] in ("INPUT", "FORWARD")
    return IPTABLES.get(chain["family"]) if ours else None


def _insert(chain: Mapping[str, Any]) -> str:
    return f"nft insert rule {chain['family']} {chain['table']} {chain['name']}"
