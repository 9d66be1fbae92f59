"""Webhooks over HTTP and on the command line, over the real engine and a real receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from avtomat.cli.main import main
from avtomat.endpoints import Endpoint
from avtomat.runtime.service import Service
from avtomat.secrets import InlineSecret
from avtomat.settings import Settings
from tests.api.conftest import Site, site_of
from tests.runtime.webhooks.office import KEY, Receiver, receiving

CLIENTS = """
[clients.ann]
tokens = ["sha256:{ann}"]
[clients.bob]
tokens = ["sha256:{bob}"]
[clients.eve]
tokens = ["sha256:{eve}"]
scopes = ["viewer"]
"""
TOKENS = {name: name * 12 for name in ("ann", "bob", "eve")}
ADMIN = {"Authorization": "Bearer " + "c" * 43}


def as_client(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def site(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    from hashlib import sha256

    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "quick.yaml").write_text("avtomat: 1\nblueprint: quick\nstates: {done: {succeed: 1}}\n")
    clients = tmp_path / "clients.toml"
    clients.write_text(CLIENTS.format(**{name: sha256(text.encode()).hexdigest() for name, text in TOKENS.items()}))
    settings = Settings(
        store="memory:",
        blueprints=flows,
        clients=clients,
        client_token="c" * 43,
        webhooks={"crm": Endpoint(name="crm", url=receiver.url, secrets=("key",), blueprints=("qu*",))},
        webhook_secret=("key",),
        secrets={"key": InlineSecret(text=KEY)},
        calls_allow=(receiver.url.removeprefix("http://").partition("/")[0],),
    )
    engine = Service(settings)
    await engine.start(watch=False)
    async with site_of(engine) as served:
        monkeypatch.setenv("AVTOMAT_URL", served.url)
        monkeypatch.setenv("AVTOMAT_CLIENT_TOKEN", "c" * 43)
        monkeypatch.chdir(tmp_path)
        yield served
    await engine.stop()


async def submit(site: Site, client: str = "ann", **body: Any) -> Any:
    return await site.post("/api/v1/blueprints/quick/jobs", json=body, headers=as_client(client))


async def ended(site: Site, job: str) -> list[dict[str, Any]]:
    """What is sent of the job, once all is."""
    async with asyncio.timeout(30):
        while True:
            found = (await site.get(f"/api/v1/webhooks?job={job}", headers=ADMIN)).json["webhooks"]
            if all(each["finished_at"] for each in found):
                return list(found)
            await asyncio.sleep(0)


async def test_a_job_names_what_is_told_of_it(site: Site) -> None:
    job = (await submit(site)).json["job_id"]
    [webhook] = await ended(site, job)

    whole = (await site.get(f"/api/v1/jobs/{job}", headers=ADMIN)).json
    assert [(each["id"], each["endpoint"]) for each in whole["webhooks"]] == [(webhook["id"], "crm")]
    assert (webhook["job_id"], webhook["status"], webhook["sent"], webhook["dead"]) == (job, "finished", 1, 0)


async def test_only_its_client_and_viewers_see_what_is_sent(site: Site) -> None:
    job = (await submit(site)).json["job_id"]
    [webhook] = await ended(site, job)
    place = f"/api/v1/webhooks/{webhook['id']}"

    seen = {name: (await site.get(place, headers=as_client(name))).status for name in TOKENS}
    listed = {
        name: len((await site.get("/api/v1/webhooks", headers=as_client(name))).json["webhooks"]) for name in TOKENS
    }
    again = {name: await site.post(f"{place}/resend", headers=as_client(name)) for name in TOKENS}

    assert seen == {"ann": 200, "bob": 404, "eve": 200}
    assert listed == {"ann": 1, "bob": 0, "eve": 1}
    assert {name: (answer.status, answer.code) for name, answer in again.items()} == {
        "ann": (409, "webhook.nothing_dead"),
        "bob": (404, "webhook.not_found"),
        "eve": (403, "auth.scope"),
    }
    assert (await site.get(f"/api/v1/webhooks/{job}", headers=ADMIN)).code == "webhook.not_found"


async def test_nobody_puts_words_into_the_mouth_of_the_engine(site: Site, receiver: Receiver) -> None:
    receiver.status = 503
    job = (await submit(site)).json["job_id"]
    [webhook] = (await site.get(f"/api/v1/webhooks?job={job}", headers=ADMIN)).json["webhooks"]

    for headers in (as_client("ann"), ADMIN):
        forged = {"payload": {"id": "x", "until": "2100-01-01T00:00:00Z", "last": True, "body": {"type": "forged"}}}
        answer = await site.post(f"/api/v1/jobs/{webhook['id']}/signals/webhook", json=forged, headers=headers)
        assert (answer.status, answer.code) == (404, "signal.not_found")
    answer = await site.post("/api/v1/blueprints/avtomat.webhook/jobs", json={}, headers=ADMIN)
    assert (answer.status, answer.code) == (404, "blueprint.not_found")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"webhook_url": 7}, "request.invalid", "/webhook_url"),
        ({"webhook_url": "http://10.0.0.1/"}, "url.refused", "/webhook_url"),
        ({"webhook_url": "file:///etc/passwd"}, "url.refused", "/webhook_url"),
        ({"webhook_url": "https://example.com", "webhook_events": []}, "request.invalid", "/webhook_events"),
        ({"webhook_url": "https://example.com", "webhook_events": ["no"]}, "request.invalid", "/webhook_events"),
        ({"webhook_events": ["job.*"]}, "request.invalid", "/webhook_events"),
    ],
)
async def test_what_is_wrong_with_a_webhook_is_422_with_its_place(
    site: Site, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await submit(site, **body)
    assert (answer.status, answer.code, answer.json["pointer"]) == (422, code, pointer)


async def test_a_submission_with_a_webhook_counts_once(site: Site, receiver: Receiver) -> None:
    job = (await submit(site, webhook_url=receiver.url, webhook_events=["job.f*"])).json["job_id"]
    found = await ended(site, job)
    created = site.engine.measures.tally.created

    assert sorted(each["endpoint"] for each in found) == ["crm", "submission"]
    assert (created, receiver.types) == (1, ["job.finished", "job.finished"])
    metrics = (await site.get("/metrics", headers=ADMIN)).raw.decode()
    assert len(receiver.seen) == 2
    assert site.engine.measures.tally.webhooks == {"sent": 2}
    assert "avtomat_http_requests" in metrics


async def test_the_command_line_lists_shows_and_resends(
    site: Site, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.status = 410
    job = (await submit(site)).json["job_id"]
    [webhook] = await ended(site, job)

    async def told(*arguments: str, code: int = 0) -> str:
        assert await asyncio.to_thread(main, ["webhooks", *arguments]) == code
        captured = capsys.readouterr()
        return captured.out + captured.err

    assert f"{webhook['id']}  {job}  crm       failed  0     0" in await told("list", "--status", "failed")
    assert await told("list", "--endpoint", "other") == "ID  JOB  ENDPOINT  STATUS  SENT  DEAD\n"
    assert "error_code   WEBHOOK_GONE" in await told("show", webhook["id"])
    assert "it has no dead letters" in await told("resend", webhook["id"], code=1)
    assert "there is no webhook" in await told("show", job, code=3)


async def test_why_a_webhook_waits_is_told_as_of_any_job(site: Site, receiver: Receiver) -> None:
    receiver.status = 503
    job = (await submit(site)).json["job_id"]
    [webhook] = (await site.get(f"/api/v1/webhooks?job={job}", headers=ADMIN)).json["webhooks"]
    async with asyncio.timeout(30):
        while not receiver.refused:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)

    causes = (await site.get(f"/api/v1/jobs/{webhook['id']}/why", headers=ADMIN)).json["causes"]
    assert causes[0]["cause"] in {"running", "retry_delayed"}


async def test_the_page_of_a_job_leads_to_what_is_told_of_it(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text("avtomat: 1\nblueprint: quick\nstates: {done: {succeed: 1}}\n")
    crm = Endpoint(name="crm", url="https://192.0.2.1/", secrets=("key",))
    engine = Service(Settings(store="memory:", blueprints=tmp_path, webhooks={"crm": crm}))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        job = (await site.post("/api/v1/blueprints/quick/jobs", json={})).json["job_id"]
        [webhook] = (await site.get(f"/api/v1/webhooks?job={job}")).json["webhooks"]
        page = (await site.get(f"/ui/jobs/{job}")).raw.decode()
        own = await site.get(f"/ui/jobs/{webhook['id']}")
    await engine.stop()

    assert f'webhooks to <a href="/ui/jobs/{webhook["id"]}"' in page
    assert (own.status, f'child of <a href="/ui/jobs/{job}"' in own.raw.decode()) == (200, True)
