"""Cookies that stand for a token, so that a browser keeps none: they say whose session it is and until when.

A cookie holds the digest of the token, which opens nothing, and a signature by a secret of the engine. Whom it lets in
is looked up anew with each page: when the token goes, or its rights change, the session does so too.
"""

from __future__ import annotations

import secrets
import time
from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import Final

from avtomat.access.model import Digest
from avtomat.api.http.auth import ADMIN, Caller, Known, client_of
from avtomat.settings import Settings

SESSION_S: Final = 12 * 3600
COOKIE: Final = "avtomat_session"

_PURPOSE: Final = b"avtomat session 1\n"


class Sessions:
    """Opens sessions for the tokens of clients: that of the settings, and those of clients.toml.

    They are signed with a secret of the settings, so that they are good at every replica and after a restart; without
    one, with a secret of this process.
    """

    def __init__(self, settings: Settings, access: Known) -> None:
        own = settings.client_token
        self._own = None if own is None else sha256(own.encode()).digest()
        self._access = access
        shared = settings.link_secret or own
        secret = secrets.token_bytes(32) if shared is None else shared.encode()
        self._key = hmac(secret, _PURPOSE, "sha256").digest()

    @property
    def are_opened(self) -> bool:
        """Whether there is anything to log in with."""
        return self._own is not None or self._access.has_clients

    def open(self, token: str) -> str | None:
        """The cookie's value for somebody who has the token; None for a wrong one."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        if self._caller(digest) is None:
            return None
        said = f"{int(time.time()) + SESSION_S}.{digest.hex()}"
        return f"{said}.{self._sign(said)}"

    def caller(self, cookie: str | None) -> Caller | None:
        """Who is logged in; None for nobody, or not any more."""
        said, _, mac = (cookie or "").rpartition(".")
        if not compare_digest(mac.encode("utf-8", "surrogateescape"), self._sign(said).encode()):
            return None
        until, _, digest = said.partition(".")
        return self._caller(bytes.fromhex(digest)) if int(until) > time.time() else None

    def _caller(self, digest: Digest) -> Caller | None:
        if self._own is not None and compare_digest(digest, self._own):
            return ADMIN
        return client_of(self._access.current, digest)

    def _sign(self, said: str) -> str:
        return hmac(self._key, said.encode("utf-8", "surrogateescape"), "sha256").hexdigest()
