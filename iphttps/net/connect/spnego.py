"""Tokens for NTLM, and for Negotiate with NTLM or Kerberos, from the library pyspnego.

pyspnego implements NTLM itself. For Kerberos it needs gssapi and krb5, which the extra `iphttps[kerberos]` installs.
"""

from __future__ import annotations

import encodings.utf_16_le  # noqa: F401  # see below
import re
from collections.abc import Callable
from importlib.util import find_spec

import spnego
from cryptography.hazmat.backends import default_backend
from spnego.exceptions import SpnegoError
from twisted.internet.defer import Deferred, execute
from twisted.internet.threads import deferToThread

from ...core.proxy.login import AuthScheme
from ...core.proxy.url import Login
from ...core.text import ascii_only
from .proxy import NextTokenOf, NoTokenError

# Load this and NTLM's encoding now: otherwise the first token loads them, which fails if after `twistd --uid` Python's
# files are unreadable.
default_backend()

SHOWN_WORDS = 200

_MINOR = re.compile(r"Minor \(\d+\): (.*?)(?:, Context: |$)", re.DOTALL)


class _NTLMPassword(spnego.Password):
    """A password for NTLM only: if pyspnego tried Kerberos too, one wrong password would count as two."""

    @property
    def supported_protocols(self) -> list[str]:
        return ["ntlm"]


class _Tickets(spnego.CredentialCache):
    """The Kerberos tickets of this process, from KRB5CCNAME, or from a keytab in KRB5_CLIENT_KTNAME."""

    @property
    def supported_protocols(self) -> list[str]:
        return ["kerberos"]


def installed() -> bool:
    """Return whether the Kerberos libraries are installed."""
    return all(find_spec(name) for name in ("gssapi", "krb5"))


def tokens(scheme: AuthScheme, host: str, login: Login | None) -> NextTokenOf:
    """Begin a token exchange with the proxy on a host; `login` is None for Kerberos tickets.

    Raises:
        NoTokenError: The scheme needs Kerberos, which is not installed.
    """
    if scheme is AuthScheme.TICKET:
        if not installed():
            raise NoTokenError("Kerberos is not installed: `pip install 'iphttps[kerberos]'` adds it")
        # Requesting a ticket from the KDC blocks, so it is done in a thread.
        return _steps(_Tickets(), host, "negotiate", spnego.NegotiateOptions.use_negotiate, deferToThread)
    assert login is not None
    user = f"{login.domain}\\{login.user}" if login.domain else login.user
    password = _NTLMPassword(user, login.password)
    if scheme is AuthScheme.NEGOTIATE:
        return _steps(password, host, "negotiate", spnego.NegotiateOptions.use_negotiate, execute)
    return _steps(password, host, "ntlm", spnego.NegotiateOptions.use_ntlm, execute)


def _steps(
    credential: spnego.Password | spnego.CredentialCache,
    host: str,
    protocol: str,
    options: spnego.NegotiateOptions,
    run: Callable[[Callable[[], bytes]], Deferred[bytes]],
) -> NextTokenOf:
    context: spnego.ContextProxy | None = None

    def next_token(token: bytes | None) -> Deferred[bytes]:
        def step() -> bytes:
            nonlocal context
            try:
                if context is None:
                    context = spnego.client(
                        credential, hostname=host, service="HTTP", protocol=protocol, options=options
                    )
                made = context.step(token)
            except Exception as error:  # pyspnego can raise any error for a malformed token: it unpacks with struct
                raise NoTokenError(_words(error)) from error
            if made is None:
                raise NoTokenError("the exchange is complete, but the proxy sent another challenge")
            return made

        return run(step)

    return next_token


def _words(error: Exception) -> str:
    """Return a library error's message without its error codes."""
    base = error
    while isinstance(base, SpnegoError) and base.base_error:
        base = base.base_error
    found = _MINOR.search(str(base))
    words = found[1] if found else str(base) or type(base).__name__
    return ascii_only(words[:SHOWN_WORDS].encode("utf-8", "replace"))
