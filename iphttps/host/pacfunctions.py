"""The functions that a proxy auto-configuration file may call, as browsers have them, Microsoft's for IPv6 included.

None of them raises: what makes no sense is false, or empty. Case counts in names and patterns, as in browsers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Protocol

MAXIMUM_NAMES = 30
"""Different names that are looked up for one answer; any further name cannot be resolved."""

_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")  # as datetime.weekday counts
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

# Nothing is sent there: an unused address that every default route covers (RFC 5737, RFC 3849).
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class Names(Protocol):
    """What the functions need of the network."""

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, or of an address itself; empty if it has none."""

    def own(self) -> list[str]:
        """Return this host's addresses towards the rest of the world, IPv4 first."""


class SystemNames:
    """The system's resolver, asked a bounded number of times."""

    def __init__(self) -> None:
        self._known: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, or of an address itself; empty if it has none."""
        if name not in self._known:
            if len(self._known) == MAXIMUM_NAMES:
                return []
            self._known[name] = self._look_up(name)
        return self._known[name]

    def own(self) -> list[str]:
        """Return this host's addresses towards the rest of the world, IPv4 first."""
        found = []
        for family, elsewhere in _ELSEWHERE:
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as asking:
                    asking.connect((elsewhere, 9))
                    found.append(str(asking.getsockname()[0]))
            except OSError:
                continue
        return found

    def _look_up(self, name: str) -> list[str]:
        try:
            results = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError):
            return []
        return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in results))


class PACFunctions:
    """The functions, for one moment in time; they have the names that the file calls them by."""

    def __init__(self, names: Names, now: datetime) -> None:
        self._names = names
        self._now = now

    def by_name(self) -> dict[str, Callable[..., object]]:
        """Return them all."""
        own = (name for name in dir(self) if not name.startswith("_") and name != "by_name")
        return {name: getattr(self, name) for name in own}

    # Names.

    def isPlainHostName(self, host: object = None, *_: object) -> bool:
        """Tell whether there is no domain in a host's name."""
        return not any(mark in _text(host) for mark in ".:")

    def dnsDomainIs(self, host: object = None, domain: object = None, *_: object) -> bool:
        """Tell whether a host's name ends so."""
        return _text(host).endswith(_text(domain))

    def localHostOrDomainIs(self, host: object = None, full: object = None, *_: object) -> bool:
        """Tell whether a host's name is the full one, or its first part."""
        return _text(host) == _text(full) or _text(full).startswith(_text(host) + ".")

    def dnsDomainLevels(self, host: object = None, *_: object) -> int:
        """Count the dots."""
        return _text(host).count(".")

    def shExpMatch(self, text: object = None, pattern: object = None, *_: object) -> bool:
        """Tell whether a text is like a pattern, in which * stands for anything and ? for one character."""
        return _is_like(_text(text), _text(pattern))

    # Addresses.

    def isResolvable(self, host: object = None, *_: object) -> bool:
        """Tell whether a name has an IPv4 address."""
        return self.dnsResolve(host) is not None

    def dnsResolve(self, host: object = None, *_: object) -> str | None:
        """Return the first IPv4 address of a name."""
        return next((each for each in self._addresses(host) if "." in each and ":" not in each), None)

    def myIpAddress(self, *_: object) -> str:
        """Return this host's IPv4 address, or that of its loopback."""
        return next((each for each in self._names.own() if ":" not in each), "127.0.0.1")

    def isInNet(self, host: object = None, pattern: object = None, mask: object = None, *_: object) -> bool:
        """Tell whether a host's IPv4 address is the pattern's where the mask has ones."""
        try:
            address = int(IPv4Address(self.dnsResolve(host) or ""))
            wanted, ones = _as_browsers_read(pattern), _as_browsers_read(mask)
        except ValueError:
            return False
        return address & ones == wanted & ones

    # The same with IPv6.

    def isResolvableEx(self, host: object = None, *_: object) -> bool:
        """Tell whether a name has an address."""
        return bool(self._addresses(host))

    def dnsResolveEx(self, host: object = None, *_: object) -> str:
        """Return all addresses of a name, with semicolons between them."""
        return ";".join(self._addresses(host))

    def myIpAddressEx(self, *_: object) -> str:
        """Return this host's addresses, with semicolons between them."""
        return ";".join(self._names.own())

    def isInNetEx(self, addresses: object = None, networks: object = None, *_: object) -> bool:
        """Tell whether one of the addresses lies in one of the networks, such as 2001:db8::/32; no name is resolved."""
        try:
            inside = [ip_network(each.strip(), strict=False) for each in _text(networks).split(";")]
            return any(
                ip_address(each.strip()) in network for each in _text(addresses).split(";") for network in inside
            )
        except ValueError:
            return False

    def sortIpAddressList(self, addresses: object = None, *_: object) -> str:
        """Sort addresses with semicolons between them: IPv6 first."""
        try:
            found = [ip_address(each.strip()) for each in _text(addresses).split(";")]
        except ValueError:
            return ""
        return ";".join(map(str, sorted(found, key=lambda each: (-each.version, int(each)))))

    def getClientVersion(self, *_: object) -> str:
        """Return the version of these functions."""
        return "1.0"

    # Time: between two moments, both included, and around the end of the week, the year or the day.

    def weekdayRange(self, *words: object) -> bool:
        """Tell whether today is this day of the week, or between two."""
        now, days = self._moment(words)
        if not 1 <= len(days) <= 2 or any(day not in _WEEKDAYS for day in days):
            return False
        low, high = (_WEEKDAYS.index(str(day)) for day in (days[0], days[-1]))
        return _between((low,), (now.weekday(),), (high,))

    def dateRange(self, *words: object) -> bool:
        """Tell whether today is this day, month or year, or between two dates made of the same of these."""
        now, parts = self._moment(words)
        half = (len(parts) + 1) // 2
        low, high = _date(parts[:half]), _date(parts[-half:])
        if not low or not high or low.keys() != high.keys() or len(parts) not in (1, 2, 4, 6) or len(low) != half:
            return False
        kinds = [kind for kind in ("year", "month", "day") if kind in low]
        first, today, last = (tuple(date[kind] for kind in kinds) for date in (low, _today(now), high))
        return _between(first, today, last) and ("year" not in kinds or first <= last)

    def timeRange(self, *words: object) -> bool:
        """Tell whether it is this hour, or between two times of hours, minutes and seconds."""
        now, parts = self._moment(words)
        numbers = [_number(part) for part in parts]
        half = (len(numbers) + 1) // 2
        if len(numbers) not in (1, 2, 4, 6) or None in numbers:
            return False
        low, high = (tuple(number or 0 for number in part) for part in (numbers[:half], numbers[-half:]))
        return _between(low, (now.hour, now.minute, now.second)[:half], high)

    def alert(self, *_: object) -> None:
        """Say nothing: there is nobody to read it."""

    def _addresses(self, host: object) -> list[str]:
        name = _text(host)
        return self._names.addresses(name) if name else []

    def _moment(self, words: tuple[object, ...]) -> tuple[datetime, list[object]]:
        """Return the time, in GMT if the last of the words says so, and the others."""
        parts = [word.upper() if isinstance(word, str) else word for word in words if word is not None]
        if parts and parts[-1] == "GMT":
            return self._now.astimezone(UTC), parts[:-1]
        return self._now, parts


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _as_browsers_read(address: object) -> int:
    """Return the number of an IPv4 address of which parts may be missing; raises ValueError if it has other parts."""
    parts = [int(part) & 255 for part in _text(address).strip().split(".")[:4]]
    return int.from_bytes(bytes(parts).ljust(4, b"\0"), "big")


def _number(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _between(low: tuple[int, ...], now: tuple[int, ...], high: tuple[int, ...]) -> bool:
    return low <= now <= high if low <= high else now >= low or now <= high


def _date(parts: list[object]) -> dict[str, int]:
    """Return what the parts say by what it is: a day up to 31, a month by its name, or else a year."""
    date = {}
    for part in parts:
        if part in _MONTHS:
            date["month"] = _MONTHS.index(str(part))
        elif number := _number(part):
            date["day" if number <= 31 else "year"] = number
    return date


def _today(now: datetime) -> dict[str, int]:
    return {"year": now.year, "month": now.month - 1, "day": now.day}


def _is_like(text: str, pattern: str) -> bool:
    """Match in a time that does not explode with the number of stars, as a regular expression's may."""
    at = place = 0
    star = after = -1
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, after = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at += 1
            place += 1
        elif star >= 0:  # let the last star take one character more
            after += 1
            at, place = after, star + 1
        else:
            return False
    return pattern[place:].strip("*") == ""
