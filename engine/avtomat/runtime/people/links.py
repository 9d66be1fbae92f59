"""Make and read links by which one person decides one visit of one approval.

A link holds what it is for and a signature of it, a MAC of 256 bits by a secret of the installation, so that nothing is
stored. All replicas have the same secret; another secret makes every earlier link void. What a link may do is for
`approvals` to say: here it is only proved that this installation made it.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Final

from avtomat.core.value import value
from avtomat.storage.port.codec import dumps, loads

PATH: Final = "/approve"
TOKEN_CHARACTERS_MAX: Final = 2_048
_PURPOSE: Final = b"avtomat approval link 1\n"
"""Signed with each claim, so that no other signature by the same secret is one of a link."""


@value
class Claim:
    """Whom a link lets decide what."""

    job: str
    scope: str
    visit: int
    assignee: str


class Links:
    """Makes links, if there is a secret. `public_url` is where people reach this engine; without it links are paths."""

    def __init__(self, secret: str | None, public_url: str | None = None) -> None:
        self._secret = None if secret is None else secret.encode()
        self._root = (public_url or "").rstrip("/")

    @property
    def are_made(self) -> bool:
        """Whether this installation gives out links at all."""
        return self._secret is not None

    def link(self, claim: Claim) -> str | None:
        """The address that lets this person decide; None without a secret."""
        if self._secret is None:
            return None
        body = dumps([claim.job, claim.scope, claim.visit, claim.assignee])
        return f"{self._root}{PATH}/{_text(body)}.{_text(_signature(self._secret, body))}"

    def claim(self, token: str) -> Claim | None:
        """What the token of a link is for; None for one that was not made with this secret."""
        body, signature = (_bytes(part) for part in _parts(token))
        if self._secret is None or not hmac.compare_digest(_signature(self._secret, body), signature):
            return None
        job, scope, visit, assignee = loads(body)
        return Claim(job=job, scope=scope, visit=visit, assignee=assignee)


def _signature(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + body, sha256)


def _parts(token: str) -> tuple[str, str]:
    body, _, signature = token.partition(".") if len(token) <= TOKEN_CHARACTERS_MAX else ("", "", "")
    return body, signature


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Nothing for what is not written exactly so."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        return b""
    return raw if _text(raw) == text else b""
