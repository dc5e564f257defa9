"""The checks of SSTP's options that involve several of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ...core.errors import ConfigError
from .options import Check, DaemonOptions
from .sstp_options import check_users

ENABLING = ("sstp-pool", "sstp-prefix")
"""Options of which at least one turns SSTP on."""


def checks(options: DaemonOptions) -> Iterable[Check]:
    """Return the checks for a server's options."""
    if options.is_kept(*ENABLING):
        # A reload keeps SSTP on or off until a restart, so its other options may not agree with that.
        return ()
    if not any(options[name] for name in ENABLING):
        others = [name for name in options.table if name.startswith("sstp-") and name not in ENABLING]
        return [(name, partial(_check_unused, options, name)) for name in others]
    return (
        ("sstp-users", partial(_check_users, options)),
        ("sstp-prefix", partial(_check_prefixes, options)),
        ("sstp-interface", partial(_check_interface, options)),
        ("sstp-certificate-hash", partial(_check_hash, options)),
    )


def _check_unused(options: DaemonOptions, name: str) -> None:
    if options[name] not in (options.table[name].default, "", []):
        raise ConfigError(f"--{name} needs --sstp-pool or --sstp-prefix: without them SSTP is not served")


def _check_users(options: DaemonOptions) -> None:
    check_users(options.values_so_far)


def _check_prefixes(options: DaemonOptions) -> None:
    values = options.values_so_far
    if values.sstp_prefix and values.prefix and values.sstp_prefix.overlaps(values.prefix):
        raise ConfigError(f"--sstp-prefix {values.sstp_prefix} is that of --prefix: each link needs its own /64")


def _check_interface(options: DaemonOptions) -> None:
    values = options.values_so_far
    if values.prefix and values.sstp_interface == values.interface:
        raise ConfigError(f"--sstp-interface {values.interface} is that of --interface: SSTP needs its own")


def _check_hash(options: DaemonOptions) -> None:
    values = options.values_so_far
    if not values.uri.secure and not values.sstp_certificate_hash:
        raise ConfigError(
            "--sstp-certificate-hash is missing: with an http:// URI clients bind their calls to the certificate of "
            "the TLS terminator"
        )
