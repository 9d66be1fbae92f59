"""Workers that must sign, and those that come with short-lived tokens, at the real engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from avtomat.api.http.worker_tokens import START, WorkerTokens
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.service import Service, open_store
from avtomat.runtime.work.signing import signature, task_signature
from avtomat.settings import Settings
from avtomat_worker import Worker
from tests.api.conftest import Answer, Site, site_of

Json = Any
OWN = "own-token-of-a-worker-0123456789"
PLAIN = "token-of-a-plain-worker-01234567"
TASK_SECRET = "task-secret-of-the-tests-" + "x" * 32
TOKEN_SECRET = "token-secret-of-the-tests-" + "x" * 32
LIFE_S = 3600
GREET = """\
avtomat: 1
blueprint: greet
states:
  say: {task: say, params: {n: 1.0, none: null}, retry: none, next: end}
"""


def hashed(token: str) -> str:
    return f"sha256:{sha256(token.encode()).hexdigest()}"


SIGNING = f'[workers.w1]\ntokens = ["{hashed(OWN)}"]\nsigning = "required"\n'
EXCHANGE = f'[workers.w1]\ntokens = ["{hashed(OWN)}"]\nexchange = "required"\n'
BOTH = SIGNING + 'exchange = "required"\n'
PATTERN = f'[workers."gpu-*"]\ntokens = ["{hashed(PLAIN)}"]\n'


class Place:
    """An engine with a workers.toml, whose clock is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.turned_ms = 0
        (folder / "greet.yaml").write_text(GREET)
        self.write(SIGNING)

    def write(self, workers: str) -> None:
        (self.folder / "workers.toml").write_text(workers + PATTERN)

    async def reload(self, workers: str, service: Service) -> None:
        self.write(workers)
        await service.access.load()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
async def site(place: Place) -> AsyncIterator[Site]:
    settings = Settings(
        store="memory:",
        blueprints=place.folder / "greet.yaml",
        workers=place.folder / "workers.toml",
        client_token="client-token-of-the-tests",
        task_secret=TASK_SECRET,
        worker_token_secret=TOKEN_SECRET,
    )
    engine = Service(settings, open_store(settings, lambda: place.turned_ms))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


def registration(**more: Json) -> dict[str, Json]:
    return {"worker_id": "w1", "supported_skills": [{"name": "say"}], "timestamp": int(time.time()), **more}


def with_signature(message: dict[str, Json], token: str = OWN, **security: Json) -> dict[str, Json]:
    return {**message, "security": {"signature": signature(message, token), "signer_id": "w1", **security}}


async def ask(site: Site, method: str, path: str, body: Json = None, token: str = OWN, worker: str = "w1") -> Answer:
    headers = {"X-Worker-Token": token, "X-Worker-ID": worker}
    return await site.ask(method, f"/_worker{path}", json=body, headers=headers)


# --- signing ----------------------------------------------------------------------------------------------------------


async def test_a_worker_that_must_sign_is_served_when_it_does(site: Site) -> None:
    job = (await site.engine.clients.submit(Submission(blueprint="greet", input={}, client="ann"))).job_id
    now = int(time.time())
    assert (await ask(site, "POST", "/workers/register", with_signature(registration()))).status == 200
    beat = with_signature({"worker_id": "w1", "status": "idle", "timestamp": now, "current_tasks": []})
    assert (await ask(site, "PATCH", "/workers/w1", beat)).json == {"status": "ok"}
    task = (await ask(site, "GET", "/workers/w1/tasks/next?timeout=5")).json
    ids = {"job_id": job, "task_id": task["task_id"], "worker_id": "w1"}
    event = {"event_id": "e", "origin_worker_id": "w1", "worker_id": "w1", "event_type": "progress", "timestamp": now,
             "payload": {"progress": 0.5}, "target_job_id": job, "target_task_id": task["task_id"]}  # fmt: skip
    told = {**with_signature(event), "bubbling_chain": ["added on the way"]}
    assert (await ask(site, "POST", "/events", told)).status == 200
    old_result = with_signature({**ids, "data": {"x": 1.0}, "timestamp": now - 900})

    assert (await ask(site, "POST", "/tasks/result", [old_result])).json == [{"status": "accepted"}]


async def test_a_signed_result_brings_a_signed_task(site: Site) -> None:
    for _ in range(2):
        await site.engine.clients.submit(Submission(blueprint="greet", input={}, client="ann"))
    assert (await ask(site, "POST", "/workers/register", with_signature(registration()))).status == 200
    task = (await ask(site, "GET", "/workers/w1/tasks/next?timeout=5")).json
    ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": "w1"}

    refused = await ask(site, "POST", "/tasks/result?next=say", ids)
    said = (await ask(site, "POST", "/tasks/result?next=say", with_signature(ids))).json

    assert (refused.status, refused.code) == (403, "auth.signature")
    assert said["status"] == "accepted"
    assert said["task"]["sig"] == task_signature(said["task"], TASK_SECRET)


def spoilt(message: dict[str, Json]) -> dict[str, Json]:
    return {**message, "supported_skills": []}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (registration(), "missing"),
        (with_signature(registration(), signature=7), "missing"),
        (with_signature(registration(), "another-token-0123456"), "wrong"),
        (spoilt(with_signature(registration())), "wrong"),
        (with_signature(registration(), signer_id="w2"), "signer"),
        (with_signature(registration(timestamp=None)), "time"),
        (with_signature(registration(timestamp="now")), "time"),
        (with_signature(registration(timestamp=int(time.time()) - 61)), "time"),
        (with_signature(registration(timestamp=2**40)), "time"),
    ],
)
async def test_a_message_that_is_not_signed_as_it_must_be_is_refused_and_counted(
    site: Site, message: dict[str, Json], reason: str
) -> None:
    answer = await ask(site, "POST", "/workers/register", message)
    metrics = (await site.get("/metrics")).raw.decode()

    assert (answer.status, answer.code) == (403, "auth.signature")
    assert f'avtomat_worker_signatures_refused_total{{reason="{reason}"}} 1.0' in metrics
    for word in ("not found", "unauthorized"):
        assert word not in answer.json["error"].lower()


async def test_every_message_must_be_signed(site: Site) -> None:
    ids = {"job_id": "00a", "task_id": "00a-x", "worker_id": "w1"}
    event = {"event_id": "e", "worker_id": "w1", "origin_worker_id": "w1", "event_type": "x", "payload": {}}
    answers = [
        await ask(site, "PATCH", "/workers/w1", {"status": "idle"}),
        await ask(site, "PATCH", "/workers/w1"),
        await ask(site, "POST", "/tasks/result", ids),
        await ask(site, "POST", "/tasks/result", [with_signature(ids), ids]),
        await ask(site, "POST", "/events", event),
    ]
    async with site.http.ws_connect(site.url + "/_worker/ws/w1", headers={"X-Worker-Token": OWN}) as socket:
        await socket.send_json(event)
        over_socket = await socket.receive_json()

    assert {answer.code for answer in answers} == {"auth.signature"}
    assert over_socket["code"] == "auth.signature"


async def test_who_need_not_sign_is_not_looked_at(site: Site) -> None:
    message = {**registration(), "worker_id": "gpu-1", "security": {"signature": "nonsense"}}

    assert (await ask(site, "POST", "/workers/register", message, PLAIN, "gpu-1")).status == 200


@pytest.mark.parametrize(("secret", "status"), [(TASK_SECRET, "finished"), ("x" * 40, "failed")])
async def test_a_worker_of_the_sdk_signs_and_takes_the_engines_tasks_alone(
    site: Site, secret: str, status: str
) -> None:
    worker = Worker(site.url, token=OWN, worker_id="w1", signing=True, task_secret=secret)
    given: list[Json] = []

    @worker.task("say")
    async def say(**params: Any) -> float:
        given.append(params)
        return 1e-7

    async with worker:
        asked = Submission(blueprint="greet", input={}, client="ann")
        job = (await site.engine.clients.submit(asked, 20)).ended

    assert job["status"] == status
    assert given == ([{"n": 1.0, "none": None}] if status == "finished" else [])
    assert status == "finished" or job["error"]["code"] == "SECURITY_ERROR"


# --- short-lived tokens -----------------------------------------------------------------------------------------------


async def pair_of(site: Site, token: str = OWN, worker: str = "w1") -> dict[str, Json]:
    answer = await ask(site, "POST", "/auth/token", token=token, worker=worker)
    assert answer.status == 200, answer.json
    return dict(answer.json)


async def refreshed(site: Site, refresh: Json, token: str = "whatever it was") -> Answer:
    return await ask(site, "POST", "/auth/token/refresh", {"refresh_token": refresh}, token)


async def test_a_short_lived_token_is_good_until_its_time_is_over_and_can_be_refreshed(
    site: Site, place: Place
) -> None:
    await place.reload(EXCHANGE, site.engine)
    own = await ask(site, "POST", "/workers/register", registration())
    pair = await pair_of(site)
    good = await ask(site, "POST", "/workers/register", registration(), pair["access_token"])
    place.turned_ms = LIFE_S * 1000
    late = await ask(site, "PATCH", "/workers/w1", token=pair["access_token"])
    following = (await refreshed(site, pair["refresh_token"])).json
    good_again = await ask(site, "POST", "/workers/register", registration(), following["access_token"])
    place.turned_ms = 50 * LIFE_S * 1000
    too_late = await refreshed(site, following["refresh_token"])

    assert (own.status, own.code) == (401, "auth.exchange")
    assert (pair["expires_in"], pair["worker_id"]) == (LIFE_S, "w1")
    assert (good.status, late.status, late.code, good_again.status) == (200, 401, "auth.expired", 200)
    assert (too_late.status, too_late.code) == (401, "auth.expired")


async def test_short_lived_tokens_go_with_the_workers_own(site: Site, place: Place) -> None:
    await place.reload(EXCHANGE, site.engine)
    pair = await pair_of(site)
    await ask(site, "POST", "/workers/register", registration(), pair["access_token"])
    socket = await site.http.ws_connect(
        site.url + "/_worker/ws/w1", headers={"X-Worker-Token": str(pair["access_token"])}
    )

    await place.reload("", site.engine)

    assert (await socket.receive()).data == 1008
    assert (await ask(site, "PATCH", "/workers/w1", token=pair["access_token"])).status == 403
    assert (await refreshed(site, pair["refresh_token"])).status == 403
    assert (await ask(site, "POST", "/auth/token")).status == 403


async def test_a_short_lived_token_is_for_one_worker_and_one_use(site: Site) -> None:
    pair = await pair_of(site, PLAIN, "gpu-1")
    answers = [
        await ask(site, "PATCH", "/workers/gpu-2", token=pair["access_token"]),
        await ask(site, "PATCH", "/workers/gpu-1", token=pair["refresh_token"]),
        await ask(site, "POST", "/auth/token", token=pair["access_token"], worker="gpu-1"),
        await ask(site, "POST", "/auth/token", token=PLAIN, worker="w1"),
        await refreshed(site, pair["access_token"]),
        await refreshed(site, 7),
        await ask(site, "PATCH", "/workers/gpu-1", token=pair["access_token"][:-1] + "_"),
    ]

    assert [answer.status for answer in answers] == [403] * 7
    assert (await ask(site, "PATCH", "/workers/gpu-1", token=pair["access_token"])).status == 404
    nobody = await site.post("/_worker/auth/token", headers={"X-Worker-Token": PLAIN})
    assert nobody.status == 400


async def test_who_must_sign_may_sign_with_either_token(site: Site, place: Place) -> None:
    await place.reload(BOTH, site.engine)
    access = (await pair_of(site))["access_token"]
    for token in (OWN, access):
        signed = with_signature(registration(), token)
        assert (await ask(site, "POST", "/workers/register", signed, access)).status == 200
    other = with_signature(registration(), PLAIN)
    assert (await ask(site, "POST", "/workers/register", other, access)).code == "auth.signature"


async def test_a_worker_of_the_sdk_gets_itself_short_lived_tokens(site: Site, place: Place) -> None:
    await place.reload(BOTH, site.engine)
    worker = Worker(site.url, token=OWN, worker_id="w1", signing=True)

    @worker.task("say")
    async def say(**_params: Any) -> None:
        return None

    async with worker:
        first = (await site.engine.clients.submit(Submission(blueprint="greet", input={}, client="ann"), 20)).ended
        place.turned_ms = 2 * LIFE_S * 1000
        site.engine.time_turned()
        asked = Submission(blueprint="greet", input={}, client="ann")
        async with asyncio.timeout(30):
            second = (await site.engine.clients.submit(asked, 20)).ended

    assert (first["status"], second["status"]) == ("finished", "finished")


async def test_without_a_secret_there_are_no_short_lived_tokens(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write(EXCHANGE)
    settings = Settings(store="memory:", blueprints=tmp_path / "greet.yaml", workers=tmp_path / "workers.toml")
    engine = Service(settings)
    await engine.start(watch=False)
    async with site_of(engine) as site:
        asked, used = await ask(site, "POST", "/auth/token"), await ask(site, "PATCH", "/workers/w1")
    await engine.stop()

    assert (asked.status, asked.code) == (404, "auth.not_set")
    assert (used.status, used.code) == (403, "auth.not_set")


def test_a_token_tells_nothing_of_what_it_stands_for_and_is_of_one_secret() -> None:
    tokens, others = (WorkerTokens(secret, 60, lambda: 0) for secret in (TOKEN_SECRET, TOKEN_SECRET + "2"))
    pair, again = tokens.issue("w1", OWN), tokens.issue("w1", OWN)

    assert pair.access.startswith(START)
    assert pair.access != again.access
    assert OWN not in pair.access
    grant = tokens.read(pair.access)
    assert grant is not None
    assert (grant.use, grant.worker, grant.own, grant.until_s) == ("access", "w1", OWN, 60)
    assert others.read(pair.access) is None
    assert tokens.read(START) is None
    assert tokens.read(f"{START}ü.ü") is None
    assert WorkerTokens(None, 60, lambda: 0).read(pair.access) is None
