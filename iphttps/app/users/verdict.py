"""The check of a client's credentials against the users file."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ...core.sstp.ppp import mschapv2
from ...core.sstp.ppp.chap import FailureCode, Response
from ...core.sstp.ppp.pap import AuthenticateRequest
from ...core.sstp.ppp.user_names import candidates
from ...pki import des
from .users_file import User, Users


@dataclass(frozen=True, slots=True)
class Accepted:
    """A successful login; with MS-CHAPv2 it has the authenticator response and the keys."""

    user: User
    proof: mschapv2.Proof | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A failed login; the code reveals that the user is disabled only if the password is right."""

    code: FailureCode = FailureCode.AUTHENTICATION_FAILURE


def of_mschapv2(users: Users, challenge: bytes, response: Response) -> Accepted | Rejected:
    """Check an MS-CHAPv2 Response; it takes the same time for unknown users as for known ones."""
    user = users.find(candidates(response.name))
    proof = mschapv2.verify(user.nt_hash if user else None, challenge, response, des.encrypt)
    return Accepted(user, proof) if user and proof and not user.disabled else _rejected(user if proof else None)


def of_pap(users: Users, request: AuthenticateRequest) -> Accepted | Rejected:
    """Check a PAP Authenticate-Request; it takes the same time for unknown users as for known ones."""
    user = users.find(candidates(request.name))
    shown = mschapv2.nt_password_hash(request.password.decode("utf-8", "replace"))
    right = hmac.compare_digest(shown, user.nt_hash if user else mschapv2.NOBODY)
    return Accepted(user) if user and right and not user.disabled else _rejected(user if right else None)


def _rejected(known: User | None) -> Rejected:
    return Rejected(FailureCode.ACCT_DISABLED) if known else Rejected()
