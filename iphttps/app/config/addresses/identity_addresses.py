"""The file that assigns fixed addresses to identities: a TOML table that maps names to lists of addresses."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import AddressValueError, IPv6Address, IPv6Network
from pathlib import Path

from ....core.errors import ConfigError
from ....core.identity import printable
from ....core.iphttps.assignment import Assignment
from ....pki.certificates import distinguished, parsed, read
from ..server_config import ServerConfig
from ..tomlfile import loads


def fixed_addresses(config: ServerConfig) -> Assignment | None:
    """Read the file named by a server's configuration, if any; raises ConfigError."""
    path = config.identity_addresses
    prefix = config.own_address.network
    taken = (prefix.network_address, config.own_address.ip)
    return load_assignment(path, prefix, taken) if path else None


def load_assignment(path: Path, prefix: IPv6Network, taken: Collection[IPv6Address]) -> Assignment:
    """Read the file; raises ConfigError, also for an address outside the prefix or one in `taken`."""
    try:
        table = loads(read(path).decode("utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    owners: dict[IPv6Address, str] = {}
    assigned: dict[str, list[bytes]] = {}
    for key, listed in table.items():
        name = _name(path, key)
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed) or not listed:
            raise ConfigError(f'{path}: {key!r} must be a list of IPv6 addresses, such as ["{prefix[10]}"]')
        for text in listed:
            address = _address(path, key, text)
            if address not in prefix or address in taken:
                raise ConfigError(f"{path}: {key!r} has {address}, which is not a client address in {prefix}")
            if address in owners:
                raise ConfigError(f"{path}: {address} is assigned twice, to {owners[address]!r} and {key!r}")
            owners[address] = key
            assigned.setdefault(name, []).append(address.packed)
    return Assignment(assigned)


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


def _address(path: Path, key: str, text: str) -> IPv6Address:
    try:
        return IPv6Address(text)
    except AddressValueError as error:
        raise ConfigError(f"{path}: {key!r} has {text!r}, which is not an IPv6 address") from error
