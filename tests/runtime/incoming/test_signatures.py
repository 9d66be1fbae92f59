"""Who sent a request: each scheme by an example of its own documentation, and what is refused."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from avtomat.core.hooks import Scheme, Verification
from avtomat.errors import RequestRefused, SecretError
from avtomat.runtime.incoming.signatures import verify

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
AT = str(int(NOW.timestamp()))
BODY = b'{"n":1}'
STANDARD_KEY = base64.b64encode(b"a key of 24 bytes or so.").decode()


def asked(scheme: Scheme, **more: object) -> Verification:
    return Verification(scheme=scheme, secrets=("s",), **more)  # type: ignore[arg-type]


def signed(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, "sha256").hexdigest()


def of_standard(secret: str, identity: str = "msg_1", at: str = AT, body: bytes = BODY) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{identity}.{at}.".encode() + body, "sha256").digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": identity, "webhook-timestamp": at, "webhook-signature": signature}


def refusal(scheme: Verification, secrets: list[str], headers: dict[str, str], body: bytes = BODY) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        verify(scheme, secrets, headers, body, NOW)
    assert (refused.value.status, refused.value.code) == (401, "hook.signature")
    return refused.value


def test_the_example_of_github() -> None:
    right = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": f"sha256={right}", "x-github-delivery": "d1"}

    found = verify(asked(Scheme.GITHUB), ["It's a Secret to Everybody"], headers, b"Hello, World!", NOW)

    assert found == "d1"
    refusal(asked(Scheme.GITHUB), ["It's a Secret to Everybody"], headers, b"Hello, World?")


def test_the_example_of_standard_webhooks() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    at = datetime.fromtimestamp(1614265330, UTC)
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'

    assert verify(asked(Scheme.STANDARD), [secret], headers, body, at) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    as_svix = {name.replace("webhook", "svix"): text for name, text in headers.items()}
    assert verify(asked(Scheme.STANDARD), [secret], as_svix, body, at) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_what_the_public_package_signs_is_taken() -> None:
    secret = f"whsec_{STANDARD_KEY}"
    headers = {
        "webhook-id": "msg_2",
        "webhook-timestamp": AT,
        "webhook-signature": Webhook(secret).sign("msg_2", NOW, BODY.decode()),
    }

    assert verify(asked(Scheme.STANDARD), [secret], headers, BODY, NOW) == "msg_2"


def test_stripe_signs_the_time_and_the_body() -> None:
    headers = {"stripe-signature": f"t={AT},v1={signed('whsec_1', f'{AT}.'.encode() + BODY)},v0=ignored"}

    assert verify(asked(Scheme.STRIPE), ["whsec_1"], headers, BODY, NOW) is None
    refusal(asked(Scheme.STRIPE), ["whsec_2"], headers)
    refusal(asked(Scheme.STRIPE), ["whsec_1"], {"stripe-signature": f"t={AT}"})


def test_a_token_stands_in_authorization_or_in_a_header_of_its_own() -> None:
    usual, own = asked(Scheme.TOKEN), asked(Scheme.TOKEN, header="x-gitlab-token")

    assert verify(usual, ["t1"], {"authorization": "Bearer t1", "idempotency-key": "k"}, BODY, NOW) == "k"
    assert verify(own, ["t1"], {"x-gitlab-token": "t1"}, BODY, NOW) is None
    refusal(usual, ["t1"], {"authorization": "Bearer t2"})
    refusal(own, ["t1"], {"authorization": "Bearer t1"})


def test_while_a_secret_is_changed_both_count() -> None:
    old, new = STANDARD_KEY, base64.b64encode(b"another key of 24 bytes.").decode()
    by_old, by_new = of_standard(old), of_standard(new)
    by_both = {**by_old, "webhook-signature": f"{by_new['webhook-signature']} {by_old['webhook-signature']}"}

    for headers in (by_old, by_new, by_both):
        assert verify(asked(Scheme.STANDARD), [new, old], headers, BODY, NOW) == "msg_1"
    assert verify(asked(Scheme.STANDARD), [old], by_both, BODY, NOW) == "msg_1"
    refusal(asked(Scheme.STANDARD), [new], by_old)


@pytest.mark.parametrize("apart", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_signature_of_another_time_is_refused(apart: timedelta) -> None:
    at = str(int((NOW + apart).timestamp()))

    told = refusal(asked(Scheme.STANDARD), [STANDARD_KEY], of_standard(STANDARD_KEY, at=at))

    assert told.message == "the signature is 360 s from now, and may be 300 s"
    patient = asked(Scheme.STANDARD, tolerance=timedelta(hours=1))
    assert verify(patient, [STANDARD_KEY], of_standard(STANDARD_KEY, at=at), BODY, NOW) == "msg_1"


@pytest.mark.parametrize("at", ["", "now", "1e9", "-5", "٣", "9" * 40])
def test_a_time_that_is_none_is_refused(at: str) -> None:
    assert "no time" in refusal(asked(Scheme.STANDARD), [STANDARD_KEY], of_standard(STANDARD_KEY, at=at)).message


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_is_named(missing: str) -> None:
    headers = {name: text for name, text in of_standard(STANDARD_KEY).items() if name != missing}

    assert missing in refusal(asked(Scheme.STANDARD), [STANDARD_KEY], headers).message


@pytest.mark.parametrize("signature", ["", "v1", "v1,", "v2,abc", "ключ", "v1,\udce9"])
def test_signatures_of_any_text_are_refused(signature: str) -> None:
    headers = {**of_standard(STANDARD_KEY), "webhook-signature": signature}

    refusal(asked(Scheme.STANDARD), [STANDARD_KEY], headers)


def test_a_right_signature_behind_many_others_is_not_looked_for() -> None:
    headers = of_standard(STANDARD_KEY)
    headers["webhook-signature"] = " ".join(["v1,AAAA"] * 10 + [headers["webhook-signature"]])

    refusal(asked(Scheme.STANDARD), [STANDARD_KEY], headers)


def test_a_secret_that_is_no_base64_is_the_operators_fault() -> None:
    with pytest.raises(SecretError):
        verify(asked(Scheme.STANDARD), ["whsec_not base64"], of_standard(STANDARD_KEY), BODY, NOW)
