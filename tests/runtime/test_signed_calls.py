"""A call that signs is verified by the package that receivers use, and its secrets are kept nowhere."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from avtomat.embedding import Engine
from avtomat.secrets import InlineSecret, SecretSource
from avtomat.settings import Settings
from tests.runtime.test_calls import blueprint, run

Json = Any
_KEYS = (b"the key of this year....", b"the key of last year....")
NEW, OLD = ("whsec_" + base64.b64encode(key).decode() for key in _KEYS)
SECRETS: dict[str, SecretSource] = {"new": InlineSecret(text=NEW), "old": InlineSecret(text=OLD)}


class Receiver:
    """Answers with these statuses in turn, the last one for ever; `seen` are the requests that came."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.seen: list[tuple[Mapping[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(({name.lower(): text for name, text in request.headers.items()}, await request.read()))
        return web.Response(status=self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0])

    def all_of(self, header: str) -> list[str]:
        return [headers[header] for headers, _ in self.seen]


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    receiver, app = Receiver(*statuses), web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.answer)
    async with TestServer(app) as server:
        receiver.url = f"http://127.0.0.1:{server.port}"
        yield receiver


def engine_for(folder: Path, receiver: Receiver, **settings: Any) -> Engine:
    allowed = receiver.url.removeprefix("http://")
    return Engine(folder, settings=Settings(calls_allow=(allowed,), **{"secrets": SECRETS, **settings}))


def verified(receiver: Receiver, secret: str) -> list[Json]:
    """What came, as a receiver with this secret takes it."""
    return [Webhook(secret).verify(body, dict(headers)) for headers, body in receiver.seen]


async def test_a_receiver_verifies_what_is_signed_with_either_of_two_secrets(tmp_path: Path) -> None:
    async with receiving(200) as receiver:
        blueprint(tmp_path, f"{{method: POST, url: '{receiver.url}/x', json: {{n: 1}}, sign: {{secret: [new, old]}}}}")
        async with engine_for(tmp_path, receiver) as engine:
            job_id = await engine.submit("calling")
            job = await engine.wait(job_id, 20)
            history = await engine.history(job_id)

    assert verified(receiver, NEW) == verified(receiver, OLD) == [{"n": 1}]
    with pytest.raises(WebhookVerificationError):
        verified(receiver, base64.b64encode(b"a key of somebody else").decode())
    assert all(secret not in str((job, history)) for secret in (NEW, OLD))


async def test_all_attempts_of_a_visit_have_one_id_and_are_signed_each(tmp_path: Path) -> None:
    async with receiving(503, 500, 200) as receiver:
        call = f"{{method: PUT, url: '{receiver.url}/', text: 'a.b', sign: {{secret: new, id: 'm-{{{{ job.id }}}}'}}}}"
        blueprint(tmp_path, call, "    retry: {attempts: 3, delay: 10ms}\n")
        async with engine_for(tmp_path, receiver) as engine:
            job = await run(engine)

    assert receiver.all_of("webhook-id") == [f"m-{job['id']}"] * 3
    for headers, body in receiver.seen:
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        assert Webhook(NEW).sign(headers["webhook-id"], at, body.decode()) == headers["webhook-signature"]
    assert len(set(receiver.all_of("idempotency-key"))) == 1


async def test_the_ids_of_items_differ_and_have_no_dots(tmp_path: Path) -> None:
    async with receiving(200) as receiver:
        text = (
            "avtomat: 1\nblueprint: calling\nstates:\n  all:\n    foreach: [1, 2, 3]\n    as: n\n"
            "    do: {start: tell, states: {tell: {call: {method: POST, url: '%s', json: {n: '{{ item }}'}, "
            "sign: {secret: new}}}}}\n"
        )
        (tmp_path / "calling.yaml").write_text((text % receiver.url).replace("item", "n"))
        async with engine_for(tmp_path, receiver) as engine:
            job = await run(engine)

    assert job["status"] == "finished"
    assert sorted(event["n"] for event in verified(receiver, NEW)) == [1, 2, 3]
    assert len(set(receiver.all_of("webhook-id"))) == 3
    assert not any("." in each for each in receiver.all_of("webhook-id"))


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        ("{secret: unfit}", "sign: a secret of Standard Webhooks is whsec_ and base64"),
        ("{secret: empty}", "sign: a secret of Standard Webhooks is whsec_ and base64"),
        ("{secret: new, id: '{{ input.id }}'}", "sign.id is not a text of 1 to 255 ASCII characters without dots"),
        ("{secret: new, id: '{{ input.list }}'}", "webhook-id is not a text, a number, true or false"),
    ],
)
async def test_what_makes_no_signature_is_not_sent(tmp_path: Path, sign: str, message: str) -> None:
    secrets = {**SECRETS, "unfit": InlineSecret(text="whsec_no base64"), "empty": InlineSecret(text="whsec_")}
    async with receiving(200) as receiver:
        blueprint(tmp_path, f"{{method: POST, url: '{receiver.url}', sign: {sign}}}")
        async with engine_for(tmp_path, receiver, secrets=secrets) as engine:
            job = await run(engine, {"id": "a.b", "list": []})

    assert (job["error"]["code"], job["error"]["details"]["reason"]) == ("CALL_FAILED", "request.invalid")
    assert message in job["error"]["message"]
    assert receiver.seen == []


async def test_a_secret_that_is_not_declared_fails_the_call(tmp_path: Path) -> None:
    async with receiving(200) as receiver:
        blueprint(tmp_path, f"{{method: POST, url: '{receiver.url}', sign: {{secret: other}}}}")
        async with engine_for(tmp_path, receiver) as engine:
            job = await run(engine)

    assert job["error"]["code"] == "DEPENDENCY_ERROR"
    assert receiver.seen == []
