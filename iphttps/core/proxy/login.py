"""Which credentials a proxy is shown, and when they are kept back (3.1.5.1).

A login that a proxy has refused is not shown to it again for a while: directories lock accounts after a few wrong
passwords, and a client that comes back every half a minute would see to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..errors import ProxyError, ProxyFault
from ..text import ascii_only
from .challenges import BASIC, DIGEST, NEGOTIATE, NTLM, Challenge, Digest, basic
from .url import Login, Proxy

PAUSE = 900.0
"""Seconds for which a login that was refused is not shown again to that proxy, unless it changes."""

MAXIMUM_REFUSALS = 2
"""Proxies that may refuse a login until no other one is shown it either: they may all ask the same directory."""

SHOWN_SCHEMES = 6
"""How many of the schemes that a proxy offers are named."""


class AuthScheme(Enum):
    """How credentials can be shown, the strongest way first; the value is what it is called."""

    TICKET = "Negotiate with a Kerberos ticket"
    NEGOTIATE = "Negotiate with NTLM"
    NTLM = "NTLM"
    DIGEST = "Digest"
    BASIC = "Basic"

    @property
    def scheme(self) -> str:
        """The scheme's name in challenges."""
        return _SCHEMES[self]

    @property
    def shows_login(self) -> bool:
        """Whether it is the user's password that is proven by it."""
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
    """Wanted: the next token of a way that takes several; `token` is the proxy's, None at the beginning.

    `spelling` is how the proxy writes the scheme.
    """

    way: AuthScheme
    token: bytes | None
    spelling: str = field(default="", compare=False)


class ProxyCredentials:
    """The credentials there are for proxies, and what became of them.

    `source` returns the login as it is now, or None; a login in the proxy's own URL comes before it. `basic_in_clear`
    allows Basic to a proxy that is not spoken to by TLS, where anybody on the way reads the password. `named` says that
    the operator has named the proxies, or trusts those that the network names. Otherwise a proxy could be anybody's: it
    is shown nothing by which a password can be guessed, or a login passed on to another host, unless TLS proves its
    name, and no password even then.
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
        self._pause = pause
        self._refused: dict[Proxy, tuple[Login, float]] = {}
        self._digests: dict[tuple[Proxy, str], tuple[Login, Digest]] = {}
        self.basic_in_clear = basic_in_clear
        self.named = named

    def trusts(self, proxy: Proxy) -> bool:
        """Tell whether the proxy is shown anything at all."""
        return self.named or proxy.secure  # the certificate of which is always checked

    def login(self, proxy: Proxy) -> Login | None:
        """Return the login to show to the proxy, refused or not."""
        return proxy.login or self._source()

    def pausing(self, proxy: Proxy, login: Login, now: float) -> float:
        """Return for how many seconds more the login must not be shown to the proxy; 0 if it may be."""
        waits = {by: until - now for by, (refused, until) in self._refused.items() if refused == login and until > now}
        if len(waits) >= MAXIMUM_REFUSALS:
            return waits.get(proxy, min(waits.values()))
        return waits.get(proxy, 0.0)

    def has_refused(self, proxy: Proxy, login: Login | None) -> bool:
        """Tell whether it was this proxy that refused the login."""
        return login is not None and self._refused.get(proxy, (None, 0.0))[0] == login

    def refused(self, proxy: Proxy, login: Login, now: float) -> None:
        """Note that the proxy has refused the login."""
        # A proxy auto-configuration file may name other proxies every time: what is over is not kept.
        self._refused = {by: (shown, until) for by, (shown, until) in self._refused.items() if until > now}
        self._refused[proxy] = login, now + self._pause
        for key in [key for key in self._digests if key[0] == proxy]:
            del self._digests[key]

    def accepted(self, proxy: Proxy, authority: str, login: Login, digest: Digest | None) -> None:
        """Note that the proxy has accepted the login, and with which nonce: it may do so again."""
        self._refused.pop(proxy, None)
        if digest:
            self._digests[proxy, authority] = login, digest

    def digest(self, proxy: Proxy, authority: str, login: Login) -> Digest | None:
        """Return what the proxy has accepted before from this login, to be shown unasked."""
        known, digest = self._digests.get((proxy, authority), (None, None))
        return digest if known == login else None


class AuthNegotiation:
    """One attempt to get through a proxy: says what to answer to each of its challenges."""

    def __init__(self, proxy: Proxy, authority: str, credentials: ProxyCredentials, now: float) -> None:
        self._proxy = proxy
        self._authority = authority
        self._credentials = credentials
        self._now = now
        self._reasons: list[str] = []  # why a way is not gone
        self._trusted = credentials.trusts(proxy)
        self._ways = [AuthScheme.TICKET] if self._trusted else []
        self._way: AuthScheme | None = None
        self._proven = False  # the login's password, in the request made last
        self._renewed = False
        self._digest: Digest | None = None
        self.login = login = credentials.login(proxy)
        """What ways that show a login show."""
        self._waiting = credentials.pausing(proxy, login, now) if login else 0.0
        if login and self._trusted and not self._waiting:
            self._ways += [AuthScheme.NEGOTIATE, AuthScheme.NTLM, AuthScheme.DIGEST, AuthScheme.BASIC]

    def begin(self, cnonce: str) -> bytes | None:
        """Return the header's value for the first request: nothing, or an answer with a nonce that still may do."""
        if self.login and self._trusted and not self._waiting:
            self._digest = self._credentials.digest(self._proxy, self._authority, self.login)
        # It was accepted with this nonce: that it may be too old now is no reason to doubt the password.
        return self._digest.answer(cnonce) if self._digest else None

    def challenged(self, challenges: Sequence[Challenge], cnonce: str, *, refused: bool = False) -> bytes | NextToken:
        """Return the header's value for the next request, or the token that it takes.

        `refused` says that the proxy has turned the credentials down in so many words.

        Raises:
            ProxyError: If there is nothing more to be shown.
        """
        way = self._way
        if way:
            own = [challenge for challenge in challenges if challenge.scheme == way.scheme]
            if way is AuthScheme.DIGEST and not self._renewed and (fresh := _best([c for c in own if c.stale])):
                self._renewed = True
                return self._by_digest(fresh, cnonce)
            token = next((challenge for challenge in own if challenge.data), None)
            if token and not self._proven:
                # Of these exchanges it is the second token that proves who the user is.
                self._proven = way.shows_login
                return NextToken(way, token.data, token.spelling)
            if self._proven:
                raise self._wrong(way)
            self.unavailable("the proxy would not have it")
        if refused:
            raise self._nothing(challenges)
        return self._choose(challenges, cnonce)

    def unavailable(self, reason: str) -> None:
        """The way chosen last cannot be gone; the next challenge is answered by another one."""
        assert self._way
        self._reasons.append(f"{self._way.value}: {reason}")
        self._way, self._proven = None, False

    @property
    def way(self) -> AuthScheme | None:
        """The way that was gone last, if any."""
        return AuthScheme.DIGEST if self._digest else self._way

    def accepted(self) -> None:
        """The proxy has let us through."""
        # A proxy that asked for nothing has accepted nothing.
        if self.login and (self._proven or self._digest):
            self._credentials.accepted(self._proxy, self._authority, self.login, self._digest)

    def _choose(self, challenges: Sequence[Challenge], cnonce: str) -> bytes | NextToken:
        self._digest = None
        while self._ways:
            way = self._ways.pop(0)
            offered = [challenge for challenge in challenges if challenge.scheme == way.scheme]
            if not offered:
                continue
            if way is AuthScheme.DIGEST:
                if fresh := _best(offered):
                    return self._by_digest(fresh, cnonce)
                self._reasons.append("Digest: of a kind that is not known here")
            elif way is not AuthScheme.BASIC:
                self._way = way
                return NextToken(way, None, offered[0].spelling)
            elif not self._credentials.named:
                self._reasons.append(
                    "Basic: the network has named this proxy, which may be anybody's: name it by --proxy, or give "
                    "--proxy-trust-network"
                )
            elif self._proxy.secure or self._credentials.basic_in_clear:
                assert self.login
                self._way, self._proven = way, True
                return basic(self.login, offered[0].spelling)
            else:
                self._reasons.append(
                    "Basic: anybody on the way to the proxy could read the password, so it takes --proxy-basic, "
                    "or a proxy at https://"
                )
        raise self._nothing(challenges)

    def _by_digest(self, challenge: Challenge, cnonce: str) -> bytes:
        assert self.login
        self._way, self._proven = AuthScheme.DIGEST, True
        self._digest = Digest(self.login, self._authority, challenge)
        return self._digest.answer(cnonce)

    def _wrong(self, way: AuthScheme) -> ProxyError:
        assert self.login
        self._credentials.refused(self._proxy, self.login, self._now)
        sentence = f"the proxy {self._proxy} refused the user or the password ({way.value}): correct them"
        minutes = self._credentials.pausing(self._proxy, self.login, self._now) / 60
        pause = f"they are shown to it again in {minutes:.0f} minutes at the earliest, lest the account be locked"
        return ProxyError(f"{sentence}; {pause}", ProxyFault.CREDENTIALS_WRONG)

    def _nothing(self, challenges: Iterable[Challenge]) -> ProxyError:
        """Say that there is nothing to show to the proxy, and why."""
        schemes = dict.fromkeys(challenge.scheme for challenge in challenges)
        shown = [ascii_only(scheme.encode())[:20].capitalize() for scheme in schemes][:SHOWN_SCHEMES]
        demands = f"the proxy {self._proxy} demands a login ({', '.join(shown) or 'it does not say how'})"
        if not self._trusted:
            why = (
                "nothing is shown to it, because the network has named it, and it may be anybody's: name it by --proxy "
                "if it is yours, or give --proxy-trust-network to log in to whatever the network names"
            )
            return ProxyError(f"{demands}; {why}", ProxyFault.NO_CREDENTIALS)
        if self._waiting:
            who = "it has" if self._credentials.has_refused(self._proxy, self.login) else "other proxies have"
            until = f"for {max(self._waiting / 60, 1):.0f} minutes more, or until it changes"
            why = f"{who} refused the login there is, which is kept back {until}"
            return ProxyError(f"{demands}; {why}", ProxyFault.CREDENTIALS_WRONG)
        if not self.login:
            reason = "there is no user and password: give --proxy-credentials"
            allowed = self._proxy.secure or self._credentials.basic_in_clear or not self._credentials.named
            if schemes.keys() == {AuthScheme.BASIC.scheme} and not allowed:
                reason += ", and --proxy-basic if anybody on the way to the proxy may read the password"
            self._reasons.append(reason)
        reasons = "; ".join(self._reasons) or "none of which is known here"
        return ProxyError(f"{demands}; {reasons}", ProxyFault.NO_CREDENTIALS)


def _best(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the strongest of the Digest challenges that can be answered."""
    return max(filter(Digest.usable, challenges), key=Digest.strength, default=None)
