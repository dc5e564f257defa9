"""The file that has settings of identities: a TOML table from names to fixed addresses and maximum rates.

"CN=alice,O=Example" = ["2001:db8:2::a"]
"bob.example.org" = { addresses = ["2001:db8:2::b"], max-rate = "20M" }
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from pathlib import Path

from ....core.errors import ConfigError
from ....core.identity import printable
from ....core.iphttps.assignment import Assignment
from ....core.queues.rate import MaxRate
from ....pki.certificates import distinguished, parsed, read
from ..rates import WANTED, max_rate
from ..server_config import ServerConfig
from ..tomlfile import loads

KEYS = ("addresses", "max-rate")


@dataclass(frozen=True, slots=True)
class Identities:
    """The settings of identities, by the names in their certificates."""

    assignment: Assignment = field(default_factory=Assignment)
    rates: Mapping[str, MaxRate] = field(default_factory=dict)


def identities(config: ServerConfig) -> Identities:
    """Read the file named by a server's configuration, if any; raises ConfigError."""
    path = config.identity_addresses
    prefix = config.own_address.network
    taken = (prefix.network_address, config.own_address.ip)
    return load_identities(path, prefix, taken) if path else Identities()


def load_identities(path: Path, prefix: IPv6Network, taken: Collection[IPv6Address]) -> Identities:
    """Read the file; raises ConfigError, also for an address outside the prefix or one in `taken`."""
    try:
        table = loads(read(path).decode("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    owners: dict[IPv6Address, str] = {}
    assigned: dict[str, list[bytes]] = {}
    rates: dict[str, MaxRate] = {}
    for key, value in table.items():
        name = _name(path, key)
        settings = value if isinstance(value, dict) and value else {"addresses": value}
        for setting in settings:
            if setting not in KEYS:
                raise ConfigError(f"{path}: {key!r} has an unknown key {setting!r}: the keys are {', '.join(KEYS)}")
        if "max-rate" in settings:
            rates[name] = _rate(path, key, settings["max-rate"])
        for address in _addresses(path, key, settings["addresses"], prefix) if "addresses" in settings else ():
            if address not in prefix or address in taken:
                raise ConfigError(f"{path}: {key!r} has {address}, which is not a client address in {prefix}")
            if address in owners:
                raise ConfigError(f"{path}: {address} is assigned twice, to {owners[address]!r} and {key!r}")
            owners[address] = key
            assigned.setdefault(name, []).append(address.packed)
    return Identities(Assignment(assigned), rates)


def _name(path: Path, key: str) -> str:
    """Return a name in the format of the log; only subjects contain an equals sign."""
    if "=" not in key:
        return printable(key)
    try:
        return distinguished(parsed(key))
    except ValueError as error:
        raise ConfigError(
            f"{path}: {key!r} is not a subject in the format of the log, such as CN=alice,O=Example"
        ) from error


def _rate(path: Path, key: str, value: object) -> MaxRate:
    try:
        return max_rate(value)
    except ValueError as error:
        raise ConfigError(f"{path}: max-rate of {key!r} must be {WANTED}") from error


def _addresses(path: Path, key: str, listed: object, prefix: IPv6Network) -> list[IPv6Address]:
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed) or not listed:
        raise ConfigError(
            f'{path}: {key!r} must be a list of IPv6 addresses, such as ["{prefix[10]}"], or a table with'
            f' addresses = ["{prefix[10]}"], max-rate = "20M", or both'
        )
    return [_address(path, key, text) for text in listed]


def _address(path: Path, key: str, text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except AddressValueError as error:
        raise ConfigError(f"{path}: {key!r} has {text!r}, which is not an IPv6 address") from error
