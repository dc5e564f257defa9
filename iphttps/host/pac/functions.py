"""The functions that a proxy auto-configuration file may call, as in browsers, with Microsoft's for IPv6.

None raises: for invalid arguments the result is false or empty. Names and patterns are case-sensitive, as in browsers.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Protocol

MAXIMUM_NAMES = 30
"""Maximum number of names resolved per evaluation; further names have no addresses."""

_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")  # as datetime.weekday counts
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

# Documentation addresses, which every default route covers; nothing is sent to them (RFC 5737, RFC 3849).
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))

_NUMBER = re.compile("[0-9]{1,9}")
_EXPRESSION = re.compile(r"[\[\](){}|+^$\\]")
"""Regular expression syntax beyond that of shell patterns."""

_NETLINK_ROUTE = 0
_HEADER, _ADDRESS = struct.Struct("=IHHII"), struct.Struct("=BBBBI")  # struct nlmsghdr, struct ifaddrmsg
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_REQUEST_ALL = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_GET_ADDRESSES = _HEADER.pack(24, _GET_ADDRESS, _REQUEST_ALL, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0)
_ADDRESS_ITSELF, _LOCAL = 1, 2  # IFA_ADDRESS is the peer's address if there is an IFA_LOCAL
_UNUSABLE = 0x68  # IFA_F_TENTATIVE, IFA_F_DEPRECATED, IFA_F_DADFAILED


class Names(Protocol):
    """The name resolution that the functions use."""

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name, or of an address itself; empty if it has none."""

    def own(self) -> list[str]:
        """Return this host's addresses towards the rest of the world, IPv4 first."""


class SystemNames:
    """The system's resolver, for a limited number of names."""

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
        """Return this host's source addresses towards the Internet, IPv4 first.

        Without a default route, return the addresses of the interfaces.
        """
        found: list[str] = []
        for family, elsewhere in _ELSEWHERE:
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as asking:
                    asking.connect((elsewhere, 9))
                    found.append(str(asking.getsockname()[0]))
            except OSError:
                continue
        # A closed network may have no default route, or only an IPv6 one.
        found += [each for each in _configured() if _family(each) not in map(_family, found)]
        return sorted(found, key=_family)

    def _look_up(self, name: str) -> list[str]:
        try:
            results = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError):
            return []
        return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in results))


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _configured() -> list[str]:
    """Return the global addresses of all interfaces, using no descriptor except one socket."""
    with ExitStack() as stack:
        try:
            asking = stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE))
            asking.settimeout(1)
            asking.send(_GET_ADDRESSES)
            return list(_addresses_in(asking))
        except (OSError, struct.error):
            return []


def _addresses_in(asking: socket.socket) -> Iterator[str]:
    """Yield the usable addresses in the kernel's answer (rtnetlink(7))."""
    while True:
        answer = asking.recv(1 << 17)
        while len(answer) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(answer)
            if kind != _NEW_ADDRESS or length < _HEADER.size:  # the end, or an error
                return
            family, _, flags, scope, _ = _ADDRESS.unpack_from(answer, _HEADER.size)
            size = {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family, 0)
            found = _attributes(answer[_HEADER.size + _ADDRESS.size : length])
            own = found.get(_LOCAL) or found.get(_ADDRESS_ITSELF, b"")
            if scope == 0 and not flags & _UNUSABLE and size == len(own):
                yield str(ip_address(own))
            answer = answer[(length + 3) & ~3 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


class PACFunctions:
    """The functions at one point in time, with their JavaScript names."""

    def __init__(self, names: Names, now: datetime) -> None:
        self._names = names
        self._now = now

    def by_name(self) -> dict[str, Callable[..., object]]:
        """Return all functions by name."""
        own = (name for name in dir(self) if not name.startswith("_") and name != "by_name")
        return {name: getattr(self, name) for name in own}

    # Names.

    def isPlainHostName(self, host: object = None, *_: object) -> bool:
        """Tell whether a host name has no domain part."""
        return not any(mark in _text(host) for mark in ".:")

    def dnsDomainIs(self, host: object = None, domain: object = None, *_: object) -> bool:
        """Tell whether a host name ends with `domain`."""
        return _text(host).endswith(_text(domain))

    def localHostOrDomainIs(self, host: object = None, full: object = None, *_: object) -> bool:
        """Tell whether a host name equals `full`, or is its part before the domain."""
        return _text(host) == _text(full) or _text(full).startswith(_text(host) + ".")

    def dnsDomainLevels(self, host: object = None, *_: object) -> int:
        """Return the number of dots in a host name."""
        return _text(host).count(".")

    def shExpMatch(self, text: object = None, pattern: object = None, *_: object) -> bool:
        """Tell whether a text matches a shell pattern: * matches any text, ? one character.

        Browsers convert the pattern to a regular expression, so [0-9] and (a|b) work there, and files rely on that.
        """
        if _EXPRESSION.search(_text(pattern)):
            return _is_like_in_browsers(_text(text), _text(pattern))
        return _is_like(_text(text), _text(pattern))

    # Addresses.

    def isResolvable(self, host: object = None, *_: object) -> bool:
        """Tell whether a name has an IPv4 address."""
        return self.dnsResolve(host) is not None

    def dnsResolve(self, host: object = None, *_: object) -> str | None:
        """Return the first IPv4 address of a name."""
        return next((each for each in self._addresses(host) if "." in each and ":" not in each), None)

    def myIpAddress(self, *_: object) -> str:
        """Return this host's IPv4 address, or 127.0.0.1."""
        return next((each for each in self._names.own() if ":" not in each), "127.0.0.1")

    def isInNet(self, host: object = None, pattern: object = None, mask: object = None, *_: object) -> bool:
        """Tell whether a host's IPv4 address matches `pattern` under `mask`."""
        try:
            address = int(IPv4Address(self.dnsResolve(host) or ""))
            wanted, ones = _as_browsers_read(pattern), _as_browsers_read(mask)
        except ValueError:
            return False
        return address & ones == wanted & ones

    def isValidIpAddress(self, address: object = None, *_: object) -> bool:
        """Tell whether a text is an IPv4 address."""
        parts = _text(address).split(".")
        return len(parts) == 4 and all(re.fullmatch("[0-9]{1,3}", part) and int(part) < 256 for part in parts)

    def convert_addr(self, address: object = None, *_: object) -> int:
        """Return an IPv4 address as a signed 32-bit number, as in JavaScript."""
        return int.from_bytes(_as_browsers_read(_text(address)).to_bytes(4), signed=True)

    # The same with IPv6.

    def isResolvableEx(self, host: object = None, *_: object) -> bool:
        """Tell whether a name has an address."""
        return bool(self._addresses(host))

    def dnsResolveEx(self, host: object = None, *_: object) -> str:
        """Return all addresses of a name, separated by semicolons."""
        return ";".join(self._addresses(host))

    def myIpAddressEx(self, *_: object) -> str:
        """Return this host's addresses, separated by semicolons."""
        return ";".join(self._names.own())

    def isInNetEx(self, addresses: object = None, networks: object = None, *_: object) -> bool:
        """Tell whether an address is in a network such as 2001:db8::/32; both are lists; no names are resolved."""
        try:
            inside = [ip_network(each.strip(), strict=False) for each in _text(networks).split(";")]
            return any(
                ip_address(each.strip()) in network for each in _text(addresses).split(";") for network in inside
            )
        except ValueError:
            return False

    def sortIpAddressList(self, addresses: object = None, *_: object) -> str:
        """Sort addresses separated by semicolons, IPv6 first."""
        try:
            found = [ip_address(each.strip()) for each in _text(addresses).split(";")]
        except ValueError:
            return ""
        return ";".join(map(str, sorted(found, key=lambda each: (-each.version, int(each)))))

    def getClientVersion(self, *_: object) -> str:
        """Return the version of these functions."""
        return "1.0"

    # Time: inclusive ranges, which may wrap around the end of the week, the year or the day.

    def weekdayRange(self, *words: object) -> bool:
        """Tell whether today is a given day of the week, or between two."""
        now, days = self._moment(words)
        if not 1 <= len(days) <= 2 or any(day not in _WEEKDAYS for day in days):
            return False
        low, high = (_WEEKDAYS.index(str(day)) for day in (days[0], days[-1]))
        return _between((low,), (now.weekday(),), (high,))

    def dateRange(self, *words: object) -> bool:
        """Tell whether today is a given day, month or year, or between two dates with the same parts."""
        now, parts = self._moment(words)
        half = (len(parts) + 1) // 2
        low, high = _date(parts[:half]), _date(parts[-half:])
        if not low or not high or low.keys() != high.keys() or len(parts) not in (1, 2, 4, 6) or len(low) != half:
            return False
        kinds = [kind for kind in ("year", "month", "day") if kind in low]
        first, today, last = (tuple(date[kind] for kind in kinds) for date in (low, _today(now), high))
        return _between(first, today, last) and ("year" not in kinds or first <= last)

    def timeRange(self, *words: object) -> bool:
        """Tell whether the current hour is a given one, or the time is between two times."""
        now, parts = self._moment(words)
        numbers = [_number(part) for part in parts]
        half = (len(numbers) + 1) // 2
        if len(numbers) not in (1, 2, 4, 6) or None in numbers:
            return False
        low, high = (tuple(number or 0 for number in part) for part in (numbers[:half], numbers[-half:]))
        return _between(low, (now.hour, now.minute, now.second)[:half], high)

    def alert(self, *_: object) -> None:
        """Do nothing: there is no user to read the message."""

    def _addresses(self, host: object) -> list[str]:
        name = _text(host)
        return self._names.addresses(name) if name else []

    def _moment(self, words: tuple[object, ...]) -> tuple[datetime, list[object]]:
        """Return the time, in UTC if the last argument is "GMT", and the other arguments."""
        parts = [word.upper() if isinstance(word, str) else word for word in words if word is not None]
        if parts and parts[-1] == "GMT":
            return self._now.astimezone(UTC), parts[:-1]
        return self._now, parts


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _as_browsers_read(address: object) -> int:
    """Return an IPv4 address as a number, missing or invalid parts as 0; raise ValueError for other types."""
    if not isinstance(address, str):
        raise ValueError("not an address")
    numbers = (_NUMBER.fullmatch(part.strip()) for part in address.split(".")[:4])
    parts = [int(number[0]) & 255 if number else 0 for number in numbers]
    return int.from_bytes(bytes(parts).ljust(4, b"\0"), "big")


def _number(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):  # JavaScript converts it to a number
        return int(value)
    return value if isinstance(value, int) else None


def _between(low: tuple[int, ...], now: tuple[int, ...], high: tuple[int, ...]) -> bool:
    return low <= now <= high if low <= high else now >= low or now <= high


def _date(parts: list[object]) -> dict[str, int]:
    """Return the parts of a date by kind: a month by name, a number up to 31 as a day, a larger one as a year."""
    date = {}
    for part in parts:
        if part in _MONTHS:
            date["month"] = _MONTHS.index(str(part))
        elif number := _number(part):
            date["day" if number <= 31 else "year"] = number
    return date


def _today(now: datetime) -> dict[str, int]:
    return {"year": now.year, "month": now.month - 1, "day": now.day}


def _is_like_in_browsers(text: str, pattern: str) -> bool:
    expression = re.sub(r"\*+", "*", pattern).replace(".", r"\.").replace("*", ".*").replace("?", ".")
    try:
        return re.search(rf"^{expression}\Z", text) is not None
    except (re.error, OverflowError, RecursionError):
        return False


def _is_like(text: str, pattern: str) -> bool:
    """Match a shell pattern without the exponential time that a regular expression can take with many stars."""
    at = place = 0
    star = after = -1
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, after = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at += 1
            place += 1
        elif star >= 0:  # extend the last star's match by one character
            after += 1
            at, place = after, star + 1
        else:
            return False
    return pattern[place:].strip("*") == ""
