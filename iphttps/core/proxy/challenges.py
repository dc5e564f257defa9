"""Proxy authentication: challenges, Basic and Digest (RFC 9110 section 11, RFC 7617, RFC 7616).

Challenges for NTLM and Negotiate are only parsed here; libraries answer them.
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
# An item between commas. An unterminated quoted string extends to the end of the header; otherwise a proxy could make
# the search for its end restart at each character.
_ITEM = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+(.*))?", re.DOTALL)
# In RFC 9110 section 11.2 an unquoted value is a token. But some proxies do not quote values of several words or base64
# either, and separate parameters by a space or a semicolon alone.
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
    """One challenge of a proxy: a scheme in lower case, with parameters or with a token in base64.

    `spelling` is the scheme as the proxy writes it. `quoted` holds the parameters that came as quoted strings, with
    their backslashes. Each character is one byte of the header.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    spelling: str = field(default="", compare=False)
    quoted: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def stale(self) -> bool:
        """True if only the nonce was stale, so the user and password may be right (RFC 7616 section 3.3)."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def data(self) -> bytes | None:
        """The decoded token; None if there is none or it is not base64."""
        try:
            return b64decode(self.token, validate=True) or None
        except (NotBase64, ValueError):
            return None


def read_challenges(headers: Iterable[bytes]) -> list[Challenge]:
    """Parse Proxy-Authenticate headers, each with one or more challenges; malformed items are skipped."""
    found: list[Challenge] = []
    for header in headers:
        parameters: dict[str, str] | None = None  # of the challenge that is being read
        quoted: dict[str, str] = {}
        # RFC 9110 section 5.5: the encoding is unknown, and the answer must repeat the same bytes.
        for item in _ITEM.findall(header.decode("latin-1")):
            words = item.strip(" \t")
            if _PARAMETER.match(words):
                if parameters is not None:
                    _add(words, parameters, quoted)
            elif parameters and words.lower() in _QUALITIES and [*parameters][-1] == "qop":
                parameters["qop"] += f",{words}"  # an unquoted list
            elif scheme := _SCHEME.fullmatch(words):
                parameters, quoted = {}, {}
                rest = (scheme[2] or "").strip(" \t")
                if _PARAMETER.match(rest):
                    _add(rest, parameters, quoted)
                    rest = ""
                found.append(Challenge(scheme[1].lower(), parameters, rest, scheme[1], quoted))
    return found


def _add(words: str, parameters: dict[str, str], quoted: dict[str, str]) -> None:
    """Add the parameters of an item; the first of two with the same name counts."""
    position = 0
    while parameter := _PARAMETER.match(words, position):
        position = parameter.end()
        name, value = parameter[1].lower(), parameter[3]
        if name in parameters:
            continue
        if value is None:
            quoted[name] = parameter[2]
            # A proxy that sends realm="EXAMPLE\users" does not escape and means a literal backslash.
            value = re.sub(r'\\(["\\])', r"\1", parameter[2])
        parameters[name] = value


def basic(login: Login, spelling: str = "") -> bytes:
    """Return the header value for Basic, in UTF-8 (RFC 7617), with the proxy's spelling of the scheme."""
    return (spelling or "Basic").encode("ascii") + b" " + b64encode(f"{login.user}:{login.password}".encode())


class Digest:
    """Digest authentication for one user and one server behind the proxy (RFC 7616), with the nonce count."""

    def __init__(self, login: Login, authority: str, challenge: Challenge, *, method: str = "CONNECT") -> None:
        """Answer a `usable` challenge; `authority` is the target of the requests, as host:port."""
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
        """Tell whether the challenge is complete and its algorithm and quality of protection are supported."""
        parameters = challenge.parameters
        return (
            {"realm", "nonce"} <= parameters.keys()
            and _algorithm(challenge) in _STRENGTH
            and _quality(challenge) is not None
        )

    @staticmethod
    def strength(challenge: Challenge) -> int:
        """Return the rank of a usable challenge; the strongest algorithm has the highest."""
        return _STRENGTH.index(_algorithm(challenge))

    def answer(self, cnonce: str) -> bytes:
        """Return the header value for one request; `cnonce` is a random string chosen by the client."""
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
        # RFC 7616 section 3.4.3: auth-int includes the body, which is empty.
        request = digest(self._method, self._authority, *([digest("")] if self._quality == "auth-int" else []))
        middle = (nonce, count, cnonce, self._quality) if self._quality else (nonce,)
        values = [
            ("username", _quoted(self._login.user.encode())),
            ("realm", self._echo("realm")),
            ("nonce", self._echo("nonce")),
            ("uri", _quoted(self._authority.encode())),
            ("response", _quoted(digest(secret, *middle, request).encode())),
        ]
        if "opaque" in asked:
            values.append(("opaque", self._echo("opaque")))
        if self._quality or session:
            values.append(("cnonce", _quoted(cnonce.encode())))
        if asked.get("algorithm"):
            values.append(("algorithm", asked["algorithm"].encode("latin-1")))
        if self._quality:
            values += [("qop", self._quality.encode()), ("nc", count.encode())]
        return self._spelling.encode() + b" " + b", ".join(name.encode() + b"=" + value for name, value in values)

    def _echo(self, name: str) -> bytes:
        """Return a parameter of the challenge as a quoted string, with the proxy's own bytes."""
        if name in self._quoted:
            return b'"' + self._quoted[name].encode("latin-1") + b'"'
        return _quoted(self._parameters[name].encode("latin-1"))


def _algorithm(challenge: Challenge) -> str:
    return (challenge.parameters.get("algorithm") or "MD5").lower()


def _quality(challenge: Challenge) -> str | None:
    """Return the quality of protection for the answer, "" for RFC 2069; None if no offered one is supported."""
    offered = challenge.parameters.get("qop", "").replace(",", " ").lower().split()
    return next((quality for quality in _QUALITIES if quality in offered), None if offered else "")


def _quoted(text: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'
