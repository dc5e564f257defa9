"""Status output as aligned text; control characters in text from peers are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...core.errors import DropReason
from ...core.identity import printable

Row = Sequence[object]

_PREFIXES = ("k", "M", "G", "T")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def server(status: dict[str, Any]) -> str:
    """Return the status of a server as text."""
    routes = [*status["routes"], *["default"] * status["default_router"]]
    rows: list[Row] = [
        ("state", f"{status['state']} {_since(status)}"),
        ("listening on" if status["state"] == "LISTEN" else "not listening on", status["uri"]),
        *_iphttps(status),
        *_changed(status),
        ("routes", " ".join(routes) or "none"),
        # Older daemons do not send it.
        *([("max rate", f"{max_rate(limit)} per identity")] if (limit := status.get("max_rate")) else ()),
        *_compiled(status),
        *_authority(status["authority"]),
        *_not_taken(status),
        *(_clients_of(status) if status["clients"] else ()),
        *_sstp(status.get("sstp")),
    ]
    return table(rows)


def _iphttps(status: dict[str, Any]) -> Iterator[Row]:
    if status["interface"]:  # null if only SSTP is served
        yield "authentication", status["authentication"]
        yield "interface", f"{status['interface']}, {' '.join(status['addresses'])}, prefix {status['prefix']}"
        yield _offload(status)


def _clients_of(part: dict[str, Any]) -> Iterator[Row]:
    """Yield the clients of a protocol, and its counters."""
    yield "clients", f"{part['clients']['now']} of at most {part['clients']['maximum']}"
    yield from _traffic("device", "the host", part["counters"]["device"])
    yield from _traffic("link", "clients", part["counters"]["link"])


def _sstp(part: dict[str, Any] | None) -> Iterator[Row]:
    # Older daemons do not send this part; others only if they serve SSTP.
    if part is None:
        return
    prefix = [f"prefix {part['prefix']}"] if part["prefix"] else []
    yield "SSTP", ", ".join((part["interface"], " ".join(part["addresses"]), *prefix))
    yield _offload(part)
    if pool := part["pool"]:
        yield "pool", f"{pool['network']}, addresses in use: {pool['used']}"
    yield "users", "by RADIUS" if part["users"] is None else str(part["users"])
    yield from _clients_of(part)


def _authority(authority: dict[str, Any] | None) -> Iterator[Row]:
    if authority:
        until = f", list valid until {_time(authority['next_update'])}" if authority["next_update"] else ""
        revoked = authority["revoked"] or 0
        yield "revoked", f"{revoked} certificate{'s' * (revoked != 1)}{until}"
        if authority["problem"]:
            yield "", authority["problem"]


def _changed(status: dict[str, Any]) -> Iterator[Row]:
    # Older daemons do not send this key.
    if change := status.get("interface_changed"):
        end = "restored" if change["put_right"] else "not restored"
        yield "" if change["put_right"] else "problem", f"{change['change']} ({_time(change['time'])}): {end}"


def _not_taken(status: dict[str, Any]) -> Iterator[Row]:
    # Older daemons do not send this key.
    for sentence in status.get("not_taken", ()):
        yield "problem", sentence


STAGES = {
    "connect": "connecting",
    "resolve": "resolving the server's name",
    "proxy": "connecting through the proxy",
    "tls": "TLS handshake",
    "http": "waiting for the server's answer",
    "router": "no Router Advertisement received yet",
    "address": "no global address has passed duplicate address detection yet",
    "sstp": "waiting for the server to accept the call",
    "ppp": "negotiating PPP",
    "login": "logging in",
    "binding": "proving the crypto binding",
    "addresses": "negotiating addresses",
}
"""The step or condition that the client waits for."""

FAILED_AT = {
    "resolve": "name resolution",
    "connect": "TCP connection",
    "proxy": "proxy",
    "tls": "TLS handshake",
    "certificate": "certificate check",
    "http": "HTTP exchange",
    "sstp": "SSTP call",
    "ppp": "PPP negotiation",
    "login": "login",
    "binding": "crypto binding",
    "addresses": "address negotiation",
    "router": "router discovery",
    "address": "address configuration",
}
"""The stage at which an attempt or a session failed."""


def failed_at(failure: dict[str, Any]) -> str:
    """Return the stage of a failure; a daemon of another version may have other stages."""
    return FAILED_AT.get(failure["stage"], str(failure["stage"]))


def failure(found: dict[str, Any], status: dict[str, Any]) -> str:
    """Return a failure in a line: the stage, the server unless it is the current one, the reason, Windows' code."""
    code = f"; Windows error code {found['code']}" if found["code"] else ""
    server = f" ({found['uri']})" if found["uri"] != status["uri"] else ""
    return f"{failed_at(found)}{server}: {found['reason']}{code}"


def client(status: dict[str, Any]) -> str:
    """Return the status of an IP-HTTPS client as text."""
    return table([*_tunnel(status), *_traffic_of(status)])


def sstp_client(status: dict[str, Any]) -> str:
    """Return the status of an SSTP client as text."""
    return table([*_tunnel(status), *_negotiated(status["sstp"]), *_traffic_of(status)])


def _negotiated(agreed: dict[str, Any] | None) -> Iterator[Row]:
    """Yield the values that client and server have negotiated."""
    if agreed is None:
        return
    if agreed["authentication"]:
        yield "login", f"{agreed['user']} by {agreed['authentication']}"
    if agreed["binding"]:
        yield "crypto binding", agreed["binding"]
    if agreed["address"]:
        yield "IPv4", " to ".join(filter(None, (agreed["address"], agreed["peer"])))
    yield "MTU", agreed["mtu"] or "not negotiated yet"
    if agreed["dns"]:
        yield "DNS servers", " ".join(agreed["dns"])
    for family, reason in agreed["missing"].items():
        yield "", f"no {family}: {reason}"


def _tunnel(status: dict[str, Any]) -> list[Row]:
    """Return the rows that both clients have, apart from those of their traffic."""
    waits = f", {STAGES.get(status['stage'], status['stage'])}" if status["stage"] else ""
    rows: list[Row] = [("state", f"{status['state']} {_since(status)}{waits}"), ("server", status["uri"])]
    if status["waiting"]:
        rows.append(("waiting", status["waiting"]))
    if status["proxy"]:
        rows.append(("proxy", status["proxy"]))
    rows.append(("interface", " ".join([status["interface"], *status["addresses"]])))
    rows += _changed(status)
    rows.append(_offload(status))
    rows += _compiled(status)
    if status["routes"]:
        rows.append(("routes", " ".join(status["routes"])))
    if status["obstacle"]:
        rows.append(("obstacle", status["obstacle"]))
    if router := status["router"]:
        rows.append(("router", _router(router)))
    if found := status["last_failure"]:
        rows.append(("last failure", f"{_time(found['time'])}, {failure(found, status)}"))
    rows += _not_taken(status)
    if attempt := status["next_attempt"]:
        rows.append(("next attempt", f"in {duration(attempt['seconds'])}"))
    if tls := status["tls"]:
        rows.append(("TLS", _tls(tls)))
    return rows


def _traffic_of(status: dict[str, Any]) -> Iterator[Row]:
    yield from _traffic("device", "the host", status["counters"]["device"])
    if session := status["counters"]["session"]:
        yield from _traffic("session", "the server", session)


def _offload(status: dict[str, Any]) -> Row:
    return "offload", ", ".join(status["offload"]) or "none"


def _compiled(status: dict[str, Any]) -> Iterator[Row]:
    # Older daemons do not send this key.
    found = status.get("compiled")
    if found and found["objection"]:
        yield "TLS records", f"decrypted one by one: {found['objection']}"


def _router(router: dict[str, Any]) -> str:
    if router["round_trip"] is None:
        return f"{router['address']} does not answer"
    return f"{router['address']}, round trip {1000 * router['round_trip']:.1f} ms"


CLIENTS = (
    "ID",
    "PROTOCOL",
    "IDENTITY",
    "PEER",
    "CONNECTED",
    "ADDRESSES",
    "IN",
    "OUT",
    "RATE IN",
    "RATE OUT",
    "MAX RATE",
    "DROPPED",
)
"""The columns of the table of clients."""


def clients(entries: Sequence[dict[str, Any]]) -> str:
    """Return the server's clients as text: one row per client, and one more per further address."""
    if not entries:
        return "no clients\n"
    rows: list[Row] = [CLIENTS]
    for entry in entries:
        counters, addresses = entry["counters"], entry["addresses"] or [""]
        rates = entry.get("rates") or {"in": None, "out": None}  # older daemons do not send them
        rows.append(
            (
                entry["number"],
                entry.get("protocol", "iphttps"),  # older daemons do not send it
                entry["identity"] or "-",
                entry["peer"],
                duration(entry["seconds"]),
                addresses[0],
                size(counters["bytes_in"]),
                size(counters["bytes_out"]),
                rate(rates["in"]),
                rate(rates["out"]),
                max_rate(entry.get("max_rate")),  # older daemons do not send it
                sum(counters["drops"].values()),
            )
        )
        rows += [("", "", "", "", "", address) for address in addresses[1:]]
    return table(rows)


def table(rows: Sequence[Row]) -> str:
    """Return rows as text with aligned columns."""
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    columns = max(map(len, texts))
    widths = [max(len(row[column]) for row in texts if len(row) > column) for column in range(columns)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in texts)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _traffic(name: str, peer: str, counters: dict[str, Any]) -> Iterator[Row]:
    received, sent = (
        f"{counters[f'packets_{direction}']} packets, {size(counters[f'bytes_{direction}'])}"
        for direction in ("in", "out")
    )
    yield name, f"from {peer} {received}; to {peer} {sent}"
    for reason, number in _by_number(counters["drops"]):
        yield "", f"{number} dropped: {reason}"


def _by_number(drops: dict[str, int]) -> Iterable[tuple[str, int]]:
    for reason, number in sorted(drops.items(), key=lambda item: -item[1]):
        # A daemon of another version may have other reasons.
        known = DropReason.__members__.get(reason.upper())
        yield known.value if known else reason, number


def _since(moment: dict[str, Any]) -> str:
    return f"for {duration(moment['seconds'])}, since {_time(moment['since'])}"


def _time(iso: str) -> str:
    return iso.replace("T", " ").replace("Z", " UTC")


def _tls(tls: dict[str, str]) -> str:
    return f"{tls['version']}, {tls['cipher']}"


def duration(seconds: float) -> str:
    """Format a duration in its two largest units."""
    left, parts = int(seconds), []
    for length, unit in _UNITS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def rate(bits: int | None) -> str:
    """Format a number of bits per second; None is unknown."""
    return "-" if bits is None else f"{size(bits, 'bit')}/s"


def max_rate(limit: dict[str, int | None] | None) -> str:
    """Format a maximum rate; `in` is that from clients, `out` that to them, if they differ."""
    if limit is None:
        return "-"
    if limit["in"] == limit["out"]:
        return rate(limit["in"])
    return ", ".join(f"{direction} {rate(bits)}" for direction, bits in limit.items() if bits)


def size(count: int, unit: str = "B") -> str:
    """Format a number of bytes, or of another unit, with about three digits."""
    if count < 1000:
        return f"{count} {unit}"
    value, prefixes = count / 1000, iter(_PREFIXES)
    prefix = next(prefixes)
    while value >= 999.5 and prefix != _PREFIXES[-1]:
        value, prefix = value / 1000, next(prefixes)
    return f"{value:.3g} {prefix}{unit}"
