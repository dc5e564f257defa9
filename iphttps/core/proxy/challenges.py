"""What a proxy asks for, and how a user proves who he is: Basic and Digest (RFC 9110 section 11, RFC 7617, RFC 7616).

NTLM and Negotiate are a matter of libraries; here they are only recognised.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from .url import Login

NEGOTIATE = "negotiate"  # RFC 4559
NTLM = "ntlm"
DIGEST = "digest"
BASIC = "basic"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# What stands between commas. A quoted string that does not end goes to the header's end, or a proxy could make the
# search for its end start anew at each character.
_ITEM = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+(.*))?", re.DOTALL)
# A value without quotes is a token to RFC 9110 section 11.2. Proxies leave them out around names of several words and
# around base64 as well, and separate parameters by a blank or a semicolon alone.
_BARE = rf"""[^\s",;=][^\s",;]*(?:[ \t]++(?!{_TOKEN}[ \t]*=)[^\s",;]+)*"""
_PARAMETER = re.compile(rf"""({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_BARE}))[ \t;]*""", re.DOTALL)

_ALGORITHMS: dict[str, Callable[[bytes], hashlib._Hash]] = {
    "md5": hashlib.md5,
    "sha-256": hashlib.sha256,
    "sha-512-256": partial(hashlib.new, "sha512_256"),
}
_STRENGTH = tuple(name + session for name in _ALGORITHMS for session in ("", "-sess"))
_QUALITIES = ("auth", "auth-int")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One offer of a proxy: a scheme in lower case, with parameters or with a token in base64.

    `spelling` is the scheme as the proxy writes it, and `quoted` are the parameters that came as quoted strings, quotes
    and backslashes included. Each character is one byte of the header.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    spelling: str = field(default="", compare=False)
    quoted: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def stale(self) -> bool:
        """Whether only the nonce was too old, and name and password may be right (RFC 7616 section 3.3)."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def data(self) -> bytes | None:
        """The token's bytes; None without one, or with one that is no base64."""
        try:
            return b64decode(self.token, validate=True) or None
        except (NotBase64, ValueError):
            return None


def read_challenges(headers: Iterable[bytes]) -> list[Challenge]:
    """Read Proxy-Authenticate headers, of which each may hold several challenges; what makes no sense is left out."""
    found: list[Challenge] = []
    for header in headers:
        parameters: dict[str, str] | None = None  # of the challenge that is being read
        quoted: dict[str, str] = {}
        # RFC 9110 section 5.5: no encoding is known, and what is sent back must be the same bytes.
        for item in _ITEM.findall(header.decode("latin-1")):
            words = item.strip(" \t")
            if _PARAMETER.match(words):
                if parameters is not None:
                    _add(words, parameters, quoted)
            elif parameters and words.lower() in _QUALITIES and [*parameters][-1] == "qop":
                parameters["qop"] += f",{words}"  # a list without quotes
            elif scheme := _SCHEME.fullmatch(words):
                parameters, quoted = {}, {}
                rest = (scheme[2] or "").strip(" \t")
                if _PARAMETER.match(rest):
                    _add(rest, parameters, quoted)
                    rest = ""
                found.append(Challenge(scheme[1].lower(), parameters, rest, scheme[1], quoted))
    return found


def _add(words: str, parameters: dict[str, str], quoted: dict[str, str]) -> None:
    """Add the parameters of an item; of equal names the first counts."""
    position = 0
    while parameter := _PARAMETER.match(words, position):
        position = parameter.end()
        name, value = parameter[1].lower(), parameter[3]
        if name in parameters:
            continue
        if value is None:
            quoted[name] = parameter[2]
            # A proxy that writes realm="EXAMPLE\users" knows of no escapes, and means the backslash.
            value = re.sub(r'\\(["\\])', r"\1", parameter[2])
        parameters[name] = value


def basic(login: Login, spelling: str = "") -> bytes:
    """Return the header's value for Basic, in UTF-8 (RFC 7617), the scheme as the proxy spells it."""
    return (spelling or "Basic").encode("ascii") + b" " + b64encode(f"{login.user}:{login.password}".encode())


class Digest:
    """Digest for one user and one server behind the proxy (RFC 7616); counts how often a nonce was used."""

    def __init__(self, login: Login, authority: str, challenge: Challenge, *, method: str = "CONNECT") -> None:
        """Take a challenge for which `usable` is true; `authority` is what the requests will name."""
        self._login = login
        self._method = method
        self._authority = authority
        self._parameters = challenge.parameters
        self._quoted = challenge.quoted
        self._spelling = challenge.spelling or "Digest"
        self._algorithm = _algorithm(challenge)
        self._quality = _quality(challenge)
        self._count = 0

    @staticmethod
    def usable(challenge: Challenge) -> bool:
        """Tell whether all is there that an answer takes, in algorithms that are known here."""
        parameters = challenge.parameters
        return (
            {"realm", "nonce"} <= parameters.keys()
            and _algorithm(challenge) in _STRENGTH
            and _quality(challenge) is not None
        )

    @staticmethod
    def strength(challenge: Challenge) -> int:
        """Say which of several usable challenges is the best: the greatest."""
        return _STRENGTH.index(_algorithm(challenge))

    def answer(self, cnonce: str) -> bytes:
        """Return the header's value for one CONNECT request; `cnonce` is a random word of the client's."""
        asked = self._parameters
        algorithm, session = self._algorithm.removesuffix("-sess"), self._algorithm.endswith("-sess")
        self._count += 1
        count = f"{self._count:08x}"

        def digest(*words: str | bytes) -> str:
            parts = (word if isinstance(word, bytes) else word.encode() for word in words)
            return _ALGORITHMS[algorithm](b":".join(parts)).hexdigest()

        nonce = asked["nonce"].encode("latin-1")
        secret = digest(self._login.user, asked["realm"].encode("latin-1"), self._login.password)
        if session:
            secret = digest(secret, nonce, cnonce)
        # RFC 7616 section 3.4.3: with auth-int the body counts, which is empty.
        request = digest(self._method, self._authority, *([digest("")] if self._quality == "auth-int" else []))
        middle = (nonce, count, cnonce, self._quality) if self._quality else (nonce,)
        values = [
            ("username", _quoted(self._login.user.encode())),
            ("realm", self._as_it_came("realm")),
            ("nonce", self._as_it_came("nonce")),
            ("uri", _quoted(self._authority.encode())),
            ("response", _quoted(digest(secret, *middle, request).encode())),
        ]
        if "opaque" in asked:
            values.append(("opaque", self._as_it_came("opaque")))
        if self._quality or session:
            values.append(("cnonce", _quoted(cnonce.encode())))
        if asked.get("algorithm"):
            values.append(("algorithm", asked["algorithm"].encode("latin-1")))
        if self._quality:
            values += [("qop", self._quality.encode()), ("nc", count.encode())]
        return self._spelling.encode() + b" " + b", ".join(name.encode() + b"=" + value for name, value in values)

    def _as_it_came(self, name: str) -> bytes:
        """Return a parameter of the challenge in quotes, with the bytes that the proxy has written."""
        if name in self._quoted:
            return b'"' + self._quoted[name].encode("latin-1") + b'"'
        return _quoted(self._parameters[name].encode("latin-1"))


def _algorithm(challenge: Challenge) -> str:
    return (challenge.parameters.get("algorithm") or "MD5").lower()


def _quality(challenge: Challenge) -> str | None:
    """Return the quality of protection to answer with, empty for that of RFC 2069; None if none is known."""
    offered = challenge.parameters.get("qop", "").replace(",", " ").lower().split()
    return next((quality for quality in _QUALITIES if quality in offered), None if offered else "")


def _quoted(text: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'
