"""The address of hooks, over the real engine on the memory store: signed requests start jobs and send signals."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from avtomat.runtime.service import Service
from avtomat.secrets import InlineSecret
from avtomat.settings import Settings
from tests.api.conftest import Answer, Site, site_of

ISSUES = """\
avtomat: 1
blueprint: issues
input: {type: object, required: [title], properties: {title: {type: string}, by: {type: string}}}
on:
  opened:
    verify: {scheme: github, secret: github_hook}
    when: body.action == 'opened'
    client: tracker
    input: {title: "{{ body.issue.title }}", by: "{{ headers['user-agent'] }}"}
  answered:
    verify: {scheme: token, secret: [new_token, old_token], header: X-Token}
    id: "{{ body.event }}"
    signal: answer
    job: "{{ body.job }}"
    key: "{{ body.number }}"
    payload: "{{ body.text }}"
  bare:
    verify: {scheme: token, secret: missing}
states:
  ask: {signal: answer, key: 7, expects: {type: string}}
"""
SECRET, TOKEN = "a secret of github", "the old token"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "issues.yaml").write_text(ISSUES)
    secrets = {"github_hook": SECRET, "new_token": "the new token", "old_token": TOKEN}
    settings = Settings(
        store="memory:",
        blueprints=tmp_path,
        secrets={name: InlineSecret(text=text) for name, text in secrets.items()},
    )
    engine = Service(settings)
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def opened(site: Site, body: object, delivery: str = "d1", **more: str) -> Answer:
    raw = json.dumps(body).encode()
    signature = hmac.new(SECRET.encode(), raw, "sha256").hexdigest()
    headers = {
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-GitHub-Delivery": delivery,
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/1",
        **more,
    }
    return await site.post("/hooks/issues/opened", data=raw, headers=headers)


async def answered(site: Site, body: Mapping[str, object], token: str = TOKEN) -> Answer:
    return await site.post("/hooks/issues/answered", json=body, headers={"X-Token": token})


async def test_a_signed_request_starts_a_job_of_the_hooks_client(site: Site) -> None:
    answer = await opened(site, {"action": "opened", "issue": {"title": "It burns"}})

    assert (answer.status, answer.json["status"]) == (202, "accepted")
    job = (await site.get(f"/api/v1/jobs/{answer.json['job_id']}")).json
    assert job["input"] == {"title": "It burns", "by": "GitHub-Hookshot/1"}
    history = (await site.get(f"/api/v1/jobs/{answer.json['job_id']}/history")).json
    assert history["history"][0]["client"] == "tracker"


async def test_a_delivery_that_comes_again_starts_no_second_job(site: Site) -> None:
    body = {"action": "opened", "issue": {"title": "It burns"}}
    first = await opened(site, body)

    again = await opened(site, {**body, "retried": True})
    other = await opened(site, body, "d2")

    assert (again.status, again.json) == (200, {"status": "repeated", "job_id": first.json["job_id"]})
    assert (other.status, other.json["status"]) == (202, "accepted")


async def test_what_the_condition_leaves_out_is_taken_and_changes_nothing(site: Site) -> None:
    answer = await opened(site, {"action": "closed"})

    assert (answer.status, answer.json["status"]) == (200, "ignored")
    assert (await site.get("/api/v1/jobs")).json["jobs"] == []


async def test_a_wrong_signature_is_401_and_nothing_is_decoded(site: Site) -> None:
    answer = await opened(site, {"action": "opened"}, **{"X-Hub-Signature-256": "sha256=00"})

    assert (answer.status, answer.code) == (401, "hook.signature")
    assert SECRET not in answer.raw.decode()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"action": "opened"}, 422, "hook.mapping"),
        ({"action": "opened", "issue": {"title": 5}}, 422, "input.invalid"),
        ([], 422, "hook.mapping"),
    ],
)
async def test_what_the_hook_cannot_make_a_job_of_is_refused(site: Site, body: object, status: int, code: str) -> None:
    answer = await opened(site, body)

    assert (answer.status, answer.code) == (status, code)


async def test_a_signed_body_that_is_not_said_to_be_json_is_415(site: Site) -> None:
    answer = await opened(site, {"action": "opened", "issue": {"title": "x"}}, **{"Content-Type": "text/plain"})

    assert (answer.status, answer.code) == (415, "request.media_type")


async def test_headers_of_any_bytes_are_read(site: Site) -> None:
    raw = b'{"action":"opened","issue":{"title":"x"}}'
    signature = hmac.new(SECRET.encode(), raw, "sha256").hexdigest().encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = b"POST /hooks/issues/opened HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: caf\xe9\r\n"
    head += b"Content-Type: application/json\r\nX-Hub-Signature-256: sha256=" + signature + b"\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n%s" % (len(raw), raw))

    answer = await reader.read()

    writer.close()
    assert answer.startswith(b"HTTP/1.1 202 ")
    job = json.loads(answer.partition(b"\r\n\r\n")[2])["job_id"]
    assert (await site.get(f"/api/v1/jobs/{job}")).json["input"]["by"] == "caf\ufffd"


@pytest.mark.parametrize("path", ["issues/closed", "orders/opened"])
async def test_what_is_no_hook_is_404(site: Site, path: str) -> None:
    answer = await site.post(f"/hooks/{path}", json={})

    assert (answer.status, answer.code) == (404, "hook.not_found")


async def test_a_hook_without_its_secret_is_503_so_that_it_is_sent_again(site: Site) -> None:
    answer = await site.post("/hooks/issues/bare", json={})

    assert (answer.status, answer.code) == (503, "hook.unavailable")
    assert answer.headers["Retry-After"]


async def test_a_request_becomes_a_signal_once(site: Site) -> None:
    job = (await opened(site, {"action": "opened", "issue": {"title": "x"}})).json["job_id"]
    body = {"event": "e1", "job": job, "number": 7, "text": "yes"}

    first = await answered(site, body)
    again = await answered(site, body, "the new token")

    assert (first.status, first.json) == (202, {"status": "accepted", "job_id": job})
    assert again.status == 200
    assert again.json["status"] in {"repeated", "ignored"}
    assert (await site.get(f"/api/v1/jobs/{job}?wait=10")).json["result"] == "yes"


async def test_a_signal_for_a_job_that_has_ended_changes_nothing(site: Site) -> None:
    job = (await opened(site, {"action": "opened", "issue": {"title": "x"}})).json["job_id"]
    await answered(site, {"event": "e1", "job": job, "number": 7, "text": "yes"})
    await site.get(f"/api/v1/jobs/{job}?wait=10")

    late = await answered(site, {"event": "e2", "job": job, "number": 7, "text": "no"})

    assert (late.status, late.json["status"]) == (200, "ignored")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"job": "00" + "a" * 24}, 404, "hook.no_job"),
        ({"job": "../x"}, 404, "hook.no_job"),
        ({"job": 5.5}, 422, "hook.mapping"),
        ({"text": 5}, 422, "signal.invalid"),
        ({"event": ""}, 422, "hook.mapping"),
        ({"event": "e" * 256}, 422, "hook.mapping"),
    ],
)
async def test_a_signal_that_fits_no_job_is_refused(
    site: Site, change: Mapping[str, object], status: int, code: str
) -> None:
    job = (await opened(site, {"action": "opened", "issue": {"title": "x"}})).json["job_id"]

    answer = await answered(site, {"event": "e1", "job": job, "number": 7, "text": "yes", **change})

    assert (answer.status, answer.code) == (status, code)


async def test_a_hook_reaches_only_jobs_of_its_own_blueprint(tmp_path: Path, site: Site) -> None:
    (tmp_path / "other.yaml").write_text(ISSUES.replace("blueprint: issues", "blueprint: other"))
    await site.engine.reload()
    job = (await site.post("/api/v1/blueprints/other/jobs", json={"input": {"title": "x"}})).json["job_id"]

    answer = await answered(site, {"event": "e1", "job": job, "number": 7, "text": "yes"})

    assert (answer.status, answer.code) == (404, "hook.no_job")


async def test_what_came_is_counted(site: Site) -> None:
    await opened(site, {"action": "opened", "issue": {"title": "x"}})
    await opened(site, {"action": "closed"}, "d2")
    await opened(site, {"action": "opened"}, "d3")
    await opened(site, {}, **{"X-Hub-Signature-256": "sha256=00"})

    assert site.engine.measures.tally.hooks == {"accepted": 1, "ignored": 1, "refused": 1, "signature": 1}
