"""Tell who sent a request: signatures over its body, as four kinds of senders make them.

standard   Standard Webhooks 1.0 (https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
           `webhook-signature`, or the same headers with `svix-`; HMAC-SHA256 over `id.timestamp.body`, base64
github     `x-hub-signature-256`: HMAC-SHA256 over the body, hex
stripe     `stripe-signature`: `t=…,v1=…`; HMAC-SHA256 over `t.body`, hex
token      the secret itself in a header

A comparison takes as long whatever is equal, and no refusal says what would have been right.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from avtomat.core.hooks import Scheme, Verification
from avtomat.errors import RequestRefused, SecretError

SIGNATURES_MAX: Final = 10
"""How many signatures of one request are looked at: senders put two there while they change their secret."""

_STANDARD_SECRET: Final = "whsec_"  # noqa: S105 - what such secrets begin with
_SECONDS: Final = re.compile(r"[0-9]{1,11}", re.ASCII)


def verify(
    asked: Verification, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> str | None:
    """Check that one of `secrets` signed the request; returns the id that its headers have for it. Names of headers are
    in small letters. Raises RequestRefused (401 hook.signature), which says what is missing or wrong, and SecretError
    for a secret that is none of its scheme.
    """
    match asked.scheme:
        case Scheme.STANDARD:
            return _standard(asked, secrets, headers, body, now)
        case Scheme.GITHUB:
            given = _header(headers, "x-hub-signature-256")
            _compare([given.removeprefix("sha256=")], [_hex(secret, body) for secret in secrets])
            return headers.get("x-github-delivery")
        case Scheme.STRIPE:
            _stripe(asked, secrets, headers, body, now)
            return None
        case Scheme.TOKEN:
            given = _header(headers, asked.header)
            _compare([given.removeprefix("Bearer ") if asked.header == "authorization" else given], secrets)
            return headers.get("idempotency-key")
    assert_never(asked.scheme)


def _standard(
    asked: Verification, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> str:
    prefix = "svix" if "svix-id" in headers and "webhook-id" not in headers else "webhook"
    identity, at = _header(headers, f"{prefix}-id"), _header(headers, f"{prefix}-timestamp")
    _require_recent(at, asked.tolerance, now)
    signed = _bytes(f"{identity}.{at}.") + body
    versions = (each.partition(",") for each in _header(headers, f"{prefix}-signature").split(" "))
    given = [signature for version, _, signature in versions if version == "v1"]
    _compare(given, [_base64(_key_of(secret), signed) for secret in secrets])
    return identity


def _stripe(
    asked: Verification, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    parts = [part.strip().partition("=") for part in _header(headers, "stripe-signature").split(",")]
    at = next((value for name, _, value in parts if name == "t"), "")
    _require_recent(at, asked.tolerance, now)
    given = [value for name, _, value in parts if name == "v1"]
    _compare(given, [_hex(secret, _bytes(f"{at}.") + body) for secret in secrets])


def _header(headers: Mapping[str, str], name: str) -> str:
    given = headers.get(name)
    if given is None:
        raise _refused(f"the request has no header {name}", "see that the sender signs its requests by this scheme")
    return given


def _require_recent(at: str, tolerance: timedelta, now: datetime) -> None:
    if _SECONDS.fullmatch(at) is None:
        raise _refused("the signature bears no time in seconds")
    apart = abs(now.timestamp() - int(at))
    if apart > tolerance.total_seconds():
        hint = "a request is not taken later; see that the clocks are right"
        raise _refused(f"the signature is {apart:.0f} s from now, and may be {tolerance.total_seconds():g} s", hint)


def _compare(given: Sequence[str], expected: Iterable[str]) -> None:
    """Refuse signatures of which none is among the expected ones. All are compared, whatever is found."""
    looked_at = [_bytes(signature) for signature in given[:SIGNATURES_MAX]]
    equal = [hmac.compare_digest(each, _bytes(right)) for right in expected for each in looked_at]
    if not any(equal):
        raise _refused("the signature is none of this hook's secret", "compare the secret here with that of the sender")


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(_bytes(secret), signed, "sha256").hexdigest()


def _bytes(text: str) -> bytes:
    """A text of a header as it came, whatever bytes it was of."""
    return text.encode("utf-8", "surrogateescape")


def _base64(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()


def _key_of(secret: str) -> bytes:
    """The key of a secret of Standard Webhooks: base64 behind `whsec_`."""
    try:
        return base64.b64decode(secret.removeprefix(_STANDARD_SECRET), validate=True)
    except binascii.Error:
        text = "a secret of the scheme standard is whsec_ and base64"
        raise SecretError(text) from None


def _refused(text: str, hint: str | None = None) -> RequestRefused:
    return RequestRefused(text, status=401, code="hook.signature", hint=hint)
