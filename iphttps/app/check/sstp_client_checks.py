"""Checks of the requirements of an SSTP client: its password, and on the host its routes; changes nothing."""

from __future__ import annotations

import os
from datetime import datetime

from ...core.sstp.client_call import LinkUp
from ..config.secrets.password_login import PASSWORD, PasswordLogin
from ..config.sstp_client_config import SSTPClientConfig
from ..daemon import sstp_network
from .file_checks import check_trust
from .findings import Findings, Severity
from .sstp_checks import check_owner

PAP_WARNING = (
    "a server that demands PAP gets the password itself, and the crypto binding proves nothing: leave out allow-pap "
    "unless the server supports nothing else"
)


def check_files(config: SSTPClientConfig, findings: Findings, now: datetime) -> None:
    """Load the files of the SSTP client in the same way as the daemon, then check their content."""
    check_trust(config, findings, now)
    if config.password_file:
        findings.attempt("password-file", lambda: PasswordLogin.configured(config))
    elif PASSWORD not in os.environ:
        findings.add(
            Severity.NOTE, "password-file", f"the password must be in {PASSWORD} in the environment of the daemon"
        )
    if config.allow_pap:
        findings.add(Severity.WARNING, "allow-pap", PAP_WARNING)


def check_host(config: SSTPClientConfig, findings: Findings) -> None:
    """Check that the daemons' user can read the password, and that no route hides a network of this host."""
    if config.password_file:
        check_owner(config.password_file, "password-file", findings)
    findings.attempt("route", lambda: sstp_network.check(config, LinkUp(None, None, config.mtu), ""))
