"""The credentials for a web proxy, and the conditions for withholding them (3.1.5.1).

A rejected login is not sent to the same proxy again for a while: directories lock accounts after a few wrong
passwords, and a client that reconnects every 30 seconds would lock its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..errors import ProxyError, ProxyFault
from ..login_lockout import PAUSE, LoginLockout
from ..text import ascii_only
from .challenges import BASIC, DIGEST, NEGOTIATE, NTLM, Challenge, Digest, basic
from .url import Login, Proxy

SHOWN_SCHEMES = 6
"""Maximum number of a proxy's schemes that an error sentence names."""


class AuthScheme(Enum):
    """The authentication schemes, strongest first; the value is the name for people."""

    TICKET = "Negotiate with a Kerberos ticket"
    NEGOTIATE = "Negotiate with NTLM"
    NTLM = "NTLM"
    DIGEST = "Digest"
    BASIC = "Basic"

    @property
    def token(self) -> str:
        """The scheme's name in challenges."""
        return _SCHEMES[self]

    @property
    def uses_password(self) -> bool:
        """True if the scheme authenticates with the user's password."""
        return self is not AuthScheme.TICKET


_SCHEMES = {
    AuthScheme.TICKET: NEGOTIATE,
    AuthScheme.NEGOTIATE: NEGOTIATE,
    AuthScheme.NTLM: NTLM,
    AuthScheme.DIGEST: DIGEST,
    AuthScheme.BASIC: BASIC,
}


@dataclass(frozen=True, slots=True)
class NextToken:
    """A request to the caller: make the next token of a scheme that takes several.

    `token` is the proxy's last token, None at the first step. `spelling` is the scheme as the proxy writes it.
    """

    scheme: AuthScheme
    token: bytes | None
    spelling: str = field(default="", compare=False)


class ProxyCredentials:
    """The credentials for proxies, and the proxies' answers to them.

    `source` returns the current login, or None; a login in the proxy's own URL takes precedence. `basic_in_clear`
    allows Basic to a proxy without TLS, where anyone on the path can read the password. `named` says that the operator
    has configured the proxies, or trusts those that the network announces. Otherwise a proxy could belong to anyone:
    it gets nothing that allows a password to be guessed or a login to be relayed, unless TLS proves its name, and no
    plain password even then.
    """

    def __init__(
        self,
        source: Callable[[], Login | None] = lambda: None,
        *,
        basic_in_clear: bool = False,
        named: bool = True,
        pause: float = PAUSE,
    ) -> None:
        self._source = source
        self._lockout: LoginLockout[Proxy, Login] = LoginLockout(pause)
        self._digests: dict[tuple[Proxy, str], tuple[Login, Digest]] = {}
        self._accepted: dict[Proxy, Login] = {}
        self.basic_in_clear = basic_in_clear
        self.named = named

    def trusts(self, proxy: Proxy) -> bool:
        """Tell whether any credentials may be sent to the proxy."""
        return self.named or proxy.secure  # its certificate is always verified

    def login(self, proxy: Proxy) -> Login | None:
        """Return the login for the proxy, whether or not it has been rejected."""
        return proxy.login or self._source()

    def pausing(self, proxy: Proxy, login: Login, now: float) -> float:
        """Return for how many more seconds the login must not be sent to the proxy; 0 if it may be sent."""
        return self._lockout.remaining(proxy, login, now)

    def has_refused(self, proxy: Proxy, login: Login | None) -> bool:
        """Tell whether this proxy, and not another one, refused the login."""
        return login is not None and self._lockout.has_rejected(proxy, login)

    def is_untried(self, proxy: Proxy) -> bool:
        """Tell whether there is a login for the proxy that it has not accepted yet."""
        login = self.login(proxy)
        return login is not None and self._accepted.get(proxy) != login

    def refused(self, proxy: Proxy, login: Login, now: float) -> None:
        """Note that the proxy has refused the login."""
        self._accepted.pop(proxy, None)
        self._lockout.rejected(proxy, login, now)
        for key in [key for key in self._digests if key[0] == proxy]:
            del self._digests[key]

    def accepted(self, proxy: Proxy, authority: str, login: Login, digest: Digest | None) -> None:
        """Note that the proxy has accepted the login; its Digest nonce is kept for the next connection."""
        self._lockout.accepted(proxy)
        self._accepted[proxy] = login
        if digest:
            self._digests[proxy, authority] = login, digest

    def digest(self, proxy: Proxy, authority: str, login: Login) -> Digest | None:
        """Return the Digest that the proxy has accepted before from this login, to send before a challenge."""
        known, digest = self._digests.get((proxy, authority), (None, None))
        return digest if known == login else None


class AuthNegotiation:
    """The authentication of one attempt to connect through a proxy: the answer to each of its challenges."""

    def __init__(self, proxy: Proxy, authority: str, credentials: ProxyCredentials, now: float) -> None:
        self._proxy = proxy
        self._authority = authority
        self._credentials = credentials
        self._now = now
        self._reasons: list[str] = []  # why a scheme is not used
        self._trusted = credentials.trusts(proxy)
        self._schemes = [AuthScheme.TICKET] if self._trusted else []
        self._scheme: AuthScheme | None = None
        self._proven = False  # whether the last request proved the password
        self._renewed = False
        self._digest: Digest | None = None
        self.login = login = credentials.login(proxy)
        """The user and password for the schemes that use them."""
        self._waiting = credentials.pausing(proxy, login, now) if login else 0.0
        if login and self._trusted and not self._waiting:
            self._schemes += [AuthScheme.NEGOTIATE, AuthScheme.NTLM, AuthScheme.DIGEST, AuthScheme.BASIC]

    def begin(self, cnonce: str) -> bytes | None:
        """Return the header value for the first request: None, or a Digest answer with an earlier nonce."""
        if self.login and self._trusted and not self._waiting:
            self._digest = self._credentials.digest(self._proxy, self._authority, self.login)
        # The password was accepted with this nonce, so a rejection may only mean that the nonce is too old.
        return self._digest.answer(cnonce) if self._digest else None

    def challenged(self, challenges: Sequence[Challenge], cnonce: str, *, refused: bool = False) -> bytes | NextToken:
        """Return the header value for the next request, or a request for the token in it.

        `refused` says that the proxy has explicitly rejected the credentials.

        Raises:
            ProxyError: The proxy rejected the credentials, or there are none that may be sent to it.
        """
        scheme = self._scheme
        if scheme:
            own = [challenge for challenge in challenges if challenge.scheme == scheme.token]
            if scheme is AuthScheme.DIGEST and not self._renewed and (fresh := _best([c for c in own if c.stale])):
                self._renewed = True
                return self._by_digest(fresh, cnonce)
            token = next((challenge for challenge in own if challenge.data), None)
            if token and not self._proven:
                # In these schemes the second token proves the password.
                self._proven = scheme.uses_password
                return NextToken(scheme, token.data, token.spelling)
            if self._proven:
                raise self._wrong(scheme)
            self.unavailable("the proxy did not accept it")
        if refused:
            raise self._nothing(challenges)
        return self._choose(challenges, cnonce)

    def unavailable(self, reason: str) -> None:
        """Note that the scheme chosen last cannot be used; the next challenge is answered with another one."""
        assert self._scheme
        self._reasons.append(f"{self._scheme.value}: {reason}")
        self._scheme, self._proven = None, False

    @property
    def scheme(self) -> AuthScheme | None:
        """The scheme used last, if any."""
        return AuthScheme.DIGEST if self._digest else self._scheme

    def accepted(self) -> None:
        """Note that the proxy has opened the tunnel."""
        # A proxy that did not ask for the credentials has not accepted them.
        if self.login and (self._proven or self._digest):
            self._credentials.accepted(self._proxy, self._authority, self.login, self._digest)

    def _choose(self, challenges: Sequence[Challenge], cnonce: str) -> bytes | NextToken:
        self._digest = None
        while self._schemes:
            scheme = self._schemes.pop(0)
            offered = [challenge for challenge in challenges if challenge.scheme == scheme.token]
            if not offered:
                continue
            if scheme is AuthScheme.DIGEST:
                if fresh := _best(offered):
                    return self._by_digest(fresh, cnonce)
                self._reasons.append("Digest: with an unsupported algorithm")
            elif scheme is not AuthScheme.BASIC:
                self._scheme = scheme
                return NextToken(scheme, None, offered[0].spelling)
            elif not self._credentials.named:
                self._reasons.append(
                    "Basic: the network announced this proxy, which may be anyone's: name it with --proxy, or give "
                    "--proxy-trust-network"
                )
            elif self._proxy.secure or self._credentials.basic_in_clear:
                assert self.login
                self._scheme, self._proven = scheme, True
                return basic(self.login, offered[0].spelling)
            else:
                self._reasons.append(
                    "Basic: anyone on the path to the proxy can read the password, so it takes --proxy-basic "
                    "or an https:// proxy"
                )
        raise self._nothing(challenges)

    def _by_digest(self, challenge: Challenge, cnonce: str) -> bytes:
        assert self.login
        self._scheme, self._proven = AuthScheme.DIGEST, True
        self._digest = Digest(self.login, self._authority, challenge)
        return self._digest.answer(cnonce)

    def _wrong(self, scheme: AuthScheme) -> ProxyError:
        assert self.login
        self._credentials.refused(self._proxy, self.login, self._now)
        sentence = f"the proxy {self._proxy} rejected the user or the password ({scheme.value}): correct them"
        minutes = self._credentials.pausing(self._proxy, self.login, self._now) / 60
        pause = f"they are not sent to it again for {minutes:.0f} minutes, so that the account is not locked"
        return ProxyError(f"{sentence}; {pause}", ProxyFault.CREDENTIALS_WRONG)

    def _nothing(self, challenges: Iterable[Challenge]) -> ProxyError:
        """Return the error that no credentials can be sent to the proxy, with the reasons."""
        schemes = dict.fromkeys(challenge.scheme for challenge in challenges)
        shown = [ascii_only(scheme.encode())[:20].capitalize() for scheme in schemes][:SHOWN_SCHEMES]
        demands = f"the proxy {self._proxy} demands a login ({', '.join(shown) or 'it does not say how'})"
        if not self._trusted:
            why = (
                "no login is sent to it, because the network announced it, and it may be anyone's: name it with "
                "--proxy if it is yours, or give --proxy-trust-network to log in to any proxy of the network"
            )
            return ProxyError(f"{demands}; {why}", ProxyFault.NO_CREDENTIALS)
        if self._waiting:
            who = "it has" if self._credentials.has_refused(self._proxy, self.login) else "other proxies have"
            until = f"for {max(self._waiting / 60, 1):.0f} minutes, or until it changes"
            why = f"{who} rejected the login, which is not sent {until}"
            return ProxyError(f"{demands}; {why}", ProxyFault.CREDENTIALS_WRONG)
        if not self.login:
            reason = "there is no user and password: give --proxy-credentials"
            allowed = self._proxy.secure or self._credentials.basic_in_clear or not self._credentials.named
            if schemes.keys() == {AuthScheme.BASIC.token} and not allowed:
                reason += ", and --proxy-basic if anyone on the path to the proxy may read the password"
            self._reasons.append(reason)
        reasons = "; ".join(self._reasons) or "none of which is supported"
        return ProxyError(f"{demands}; {reasons}", ProxyFault.NO_CREDENTIALS)


def _best(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the strongest usable Digest challenge, or None."""
    return max(filter(Digest.usable, challenges), key=Digest.strength, default=None)
