"""Make and read the short-lived tokens of workers, which stand for the token that a worker has of its own.

Nothing is stored: a token holds what it stands for and a MAC of 256 bits by a secret of the installation, the same at
all replicas. It counts until its time is over, and only as long as the worker's own token does. It holds that token as
well, for messages that are signed with it: enciphered, so that who reads a short-lived token has only that. The cipher
is HMAC-SHA256 in counter mode under a fresh nonce, and the MAC is over what it gives.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final, Literal

import orjson

from avtomat.access.model import Digest
from avtomat.access.tokens import digest_of

START: Final = "avt1."
TOKEN_CHARACTERS_MAX: Final = 4_096
REFRESHED_WITHIN: Final = 24
"""A pair can be refreshed for so many times the life of its access token."""

NONCE_BYTES: Final = 16
_BLOCK_BYTES: Final = 32
Use = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a short-lived token is: of this worker, until then (Unix seconds), in place of its own token."""

    use: Use
    worker: str
    until_s: int
    own: str

    @property
    def digest(self) -> Digest:
        """The digest of the worker's own token."""
        return digest_of(self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a worker is given: a token for its requests, and one by which it gets the next pair."""

    access: str
    refresh: str
    expires_in_s: int


class WorkerTokens:
    """Makes and reads short-lived tokens, if there is a secret. `ttl_s` is the life of an access token."""

    def __init__(self, secret: str | None, ttl_s: int, now_ms: Callable[[], int]) -> None:
        self._keys = None if secret is None else tuple(_key(secret, purpose) for purpose in ("mac", "cipher"))
        self._ttl_s = ttl_s
        self._now_ms = now_ms

    @property
    def are_made(self) -> bool:
        """Whether this installation gives out short-lived tokens at all."""
        return self._keys is not None

    def issue(self, worker: str, own: str) -> Pair:
        """Tokens for this worker, which has come with its own token. There must be a secret."""
        now_s = self._now_ms() // 1000
        access = Grant(use="access", worker=worker, until_s=now_s + self._ttl_s, own=own)
        refresh = replace(access, use="refresh", until_s=now_s + REFRESHED_WITHIN * self._ttl_s)
        return Pair(access=self._text(access), refresh=self._text(refresh), expires_in_s=self._ttl_s)

    def read(self, token: str) -> Grant | None:
        """What a token is; None for one that was not made with this secret. It may be over: see `is_over`."""
        if self._keys is None or not token.startswith(START) or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        mac_key, cipher_key = self._keys
        body, _, mac = token.removeprefix(START).partition(".")
        raw = _bytes(body)
        if not hmac.compare_digest(hmac.digest(mac_key, raw, sha256), _bytes(mac)):
            return None
        use, worker, until_s, sealed = orjson.loads(raw)
        nonce, own = _bytes(sealed)[:NONCE_BYTES], _bytes(sealed)[NONCE_BYTES:]
        return Grant(use=use, worker=worker, until_s=until_s, own=_enciphered(own, cipher_key, nonce).decode())

    def is_over(self, grant: Grant) -> bool:
        """Whether the time of the token is over."""
        return self._now_ms() // 1000 >= grant.until_s

    def _text(self, grant: Grant) -> str:
        assert self._keys is not None
        mac_key, cipher_key = self._keys
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + _enciphered(grant.own.encode(), cipher_key, nonce)
        raw = orjson.dumps([grant.use, grant.worker, grant.until_s, _base64(sealed)])
        return f"{START}{_base64(raw)}.{_base64(hmac.digest(mac_key, raw, sha256))}"


def _key(secret: str, purpose: str) -> bytes:
    """A key of its own for each purpose."""
    return hmac.digest(secret.encode(), f"avtomat worker token 1 {purpose}\n".encode(), sha256)


def _enciphered(text: bytes, key: bytes, nonce: bytes) -> bytes:
    """Encipher, or decipher."""
    blocks = range(-(-len(text) // _BLOCK_BYTES))
    stream = b"".join(hmac.digest(key, nonce + block.to_bytes(8, "big"), sha256) for block in blocks)
    return bytes(one ^ other for one, other in zip(text, stream, strict=False))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Nothing for what is not written exactly so."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (NotBase64, ValueError):
        return b""
    return raw if _base64(raw) == text else b""
