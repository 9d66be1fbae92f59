"""Sign messages as Standard Webhooks 1.0 says (https://www.standardwebhooks.com): for those that come and that go.

The signature is HMAC-SHA256 over `id.timestamp.body`, in base64. A secret is `whsec_` and the key in base64.
"""

from __future__ import annotations

import base64
import hmac
from typing import Final

from avtomat.errors import SecretError

_PREFIX: Final = "whsec_"


def signature(secret: str, identity: bytes, at: bytes, body: bytes) -> str:
    """The signature of a message without its version. Raises SecretError for a secret that is none of this scheme."""
    digest = hmac.new(_key_of(secret), b".".join((identity, at, body)), "sha256").digest()
    return base64.b64encode(digest).decode()


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        text = "a secret of Standard Webhooks is whsec_ and base64"
        raise SecretError(text)
    return key
