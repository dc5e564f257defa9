"""The tokens of NTLM, and of Negotiate with NTLM or a Kerberos ticket inside, made by pyspnego.

pyspnego does NTLM by itself. For tickets it takes gssapi and krb5, which the extra `iphttps[kerberos]` brings.
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

# This and NTLM's encoding are otherwise loaded with the first token, and cannot be where `twistd --uid` gave up the
# right to read Python's files.
default_backend()

SHOWN_WORDS = 200

_MINOR = re.compile(r"Minor \(\d+\): (.*?)(?:, Context: |$)", re.DOTALL)


class _NTLMPassword(spnego.Password):
    """A password for NTLM alone: with it for Kerberos as well, one wrong password would count as two."""

    @property
    def supported_protocols(self) -> list[str]:
        return ["ntlm"]


class _Tickets(spnego.CredentialCache):
    """The tickets this process has, from KRB5CCNAME, or by a keytab from KRB5_CLIENT_KTNAME."""

    @property
    def supported_protocols(self) -> list[str]:
        return ["kerberos"]


def installed() -> bool:
    """Tell whether the libraries for Kerberos are there."""
    return all(find_spec(name) for name in ("gssapi", "krb5"))


def tokens(way: AuthScheme, host: str, login: Login | None) -> NextTokenOf:
    """Begin an exchange of tokens with the proxy on a host.

    Raises:
        NoTokenError: If there is no such way here.
    """
    if way is AuthScheme.TICKET:
        if not installed():
            raise NoTokenError("Kerberos is not installed here: `pip install 'iphttps[kerberos]'` adds it")
        # Tickets for the proxy are fetched from the KDC, for which the reactor cannot wait.
        return _steps(_Tickets(), host, "negotiate", spnego.NegotiateOptions.use_negotiate, deferToThread)
    assert login is not None
    user = f"{login.domain}\\{login.user}" if login.domain else login.user
    password = _NTLMPassword(user, login.password)
    if way is AuthScheme.NEGOTIATE:
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
            except Exception as error:  # of a proxy's token it can raise anything: pyspnego unpacks it with struct
                raise NoTokenError(_words(error)) from error
            if made is None:
                raise NoTokenError("the proxy's last token leaves nothing to be said")
            return made

        return run(step)

    return next_token


def _words(error: Exception) -> str:
    """Return what an error of a library says, without its numbers."""
    base = error
    while isinstance(base, SpnegoError) and base.base_error:
        base = base.base_error
    found = _MINOR.search(str(base))
    words = found[1] if found else str(base) or type(base).__name__
    return ascii_only(words[:SHOWN_WORDS].encode("utf-8", "replace"))
