"""Tokens of clients.toml and workers.toml over the real engine: what each may do, and what becomes of one that goes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from avtomat.access.model import Scope, held_with
from avtomat.api.app import App
from avtomat.api.openapi.document import OPERATIONS, openapi_document
from avtomat.api.openapi.operation import Operation
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from tests.api.conftest import Answer, Site, site_of
from tests.api.fakes import FakeEngine

GREET = """\
avtomat: 1
blueprint: greet
states:
  say: {task: say, next: end}
"""
SUBMIT = "/api/v1/blueprints/greet/jobs"
ADMIN = "admin-" + "a" * 32


def hashed(token: str) -> str:
    return f"sha256:{sha256(token.encode()).hexdigest()}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


CLIENTS = f"""
[clients.ann]
tokens = ["{hashed("ann")}", {{env = "BEA_TOKEN"}}]
labels = {{team = "tea"}}

[clients.bob]
tokens = ["{hashed("bob")}"]
blueprints = ["other-*"]

""" + "\n".join(f'[clients.{scope}-only]\ntokens = ["{hashed(scope)}"]\nscopes = ["{scope}"]\n' for scope in Scope)

WORKERS = f"""
[workers.w1]
tokens = ["{hashed("w1")}"]

[workers."gpu-*"]
tokens = ["{hashed("gpu")}"]
kinds = ["render"]
"""


class Place:
    """A folder with blueprints, clients.toml and workers.toml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "flows").mkdir()
        (folder / "flows/greet.yaml").write_text(GREET)
        (folder / "flows/other.yaml").write_text(GREET.replace("blueprint: greet", "blueprint: other-one"))
        self.write(CLIENTS, WORKERS)

    def write(self, clients: str | None = None, workers: str | None = None) -> None:
        for name, text in (("clients.toml", clients), ("workers.toml", workers)):
            if text is not None:
                (self.folder / "new").write_text(text)
                (self.folder / "new").rename(self.folder / name)

    @property
    def settings(self) -> Settings:
        return Settings(
            store="memory:",
            blueprints=self.folder / "flows",
            client_token=ADMIN,
            clients=self.folder / "clients.toml",
            workers=self.folder / "workers.toml",
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("BEA_TOKEN", "bea-" + "b" * 32)
    return Place(tmp_path)


@pytest.fixture
async def site(place: Place) -> AsyncIterator[Site]:
    engine = Service(place.settings)
    await engine.start(watch=False)
    async with site_of(engine) as site:
        yield site
    await engine.stop()


async def as_(site: Site, token: str, method: str, path: str, **more: Any) -> Answer:
    return await site.ask(method, path, headers=bearer(token), **more)


# --- scopes -----------------------------------------------------------------------------------------------------------


def scoped(scope: Scope) -> FakeEngine:
    """An engine of fakes whose only client has one scope."""
    from avtomat.access.model import Access, Client

    engine = FakeEngine(settings=Settings(client_token=ADMIN))
    client = Client(name="ann", scopes=held_with([scope]))
    engine.access.current = Access(clients={sha256(b"ann").digest(): client})
    return engine


CLIENT_OPERATIONS = [operation for operation in OPERATIONS if operation.door == "client"]


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("operation", CLIENT_OPERATIONS, ids=lambda each: each.route.id)
async def test_an_operation_is_open_to_its_scopes_and_shut_to_all_others(
    serve: Any, operation: Operation, scope: Scope
) -> None:
    site = await serve(scoped(scope))
    path = operation.route.path.format(
        job="job1", blueprint="hello", name="hello", state="ask", worker="w1", kind="work"
    )
    answer = await as_(site, "ann", operation.route.method, path)

    assert (answer.status == 403) is not bool(held_with([scope]) & set(operation.route.scopes))
    if answer.status == 403:
        assert answer.code == "auth.scope"
        assert scope in answer.json["detail"]


def test_scopes_hold_what_they_are_said_to_hold() -> None:
    """The table of docs/clients.md, by name."""
    routes = [operation.route for operation in CLIENT_OPERATIONS]
    opened = {scope: {each.id for each in routes if held_with([scope]) & set(each.scopes)} for scope in Scope}
    reading = {
        "listJobs",
        "listApprovals",
        "getJob",
        "getHistory",
        "getTasks",
        "whyJob",
        "listBlueprints",
        "getBlueprint",
    }
    verbs = {f"{verb}Job" for verb in ("cancel", "pause", "resume", "retry", "release", "skip", "rerun")} | {
        "sendSignal",
        "decideApproval",
    }

    assert opened[Scope.CLIENT] >= {"submitJob", "sendSignal", "decideApproval", "cancelJob", *reading}
    assert not opened[Scope.CLIENT] & (verbs - {"cancelJob", "sendSignal", "decideApproval"} | {"restoreBlueprint"})
    assert opened[Scope.VIEWER] >= reading
    assert not opened[Scope.VIEWER] & (verbs | {"submitJob", "restoreBlueprint"})
    assert opened[Scope.OPERATOR] >= reading | verbs
    seen, done = {"listSchedules", "getSchedule"}, {"pauseSchedule", "resumeSchedule", "triggerSchedule"}
    assert opened[Scope.VIEWER] >= seen
    assert not opened[Scope.CLIENT] & (seen | done)
    assert not opened[Scope.AUTHOR] & done
    assert opened[Scope.OPERATOR] >= seen | done
    assert not opened[Scope.OPERATOR] & {"submitJob", "restoreBlueprint"}
    assert opened[Scope.AUTHOR] >= reading | {"restoreBlueprint"}
    assert not opened[Scope.AUTHOR] & (verbs | {"submitJob"})
    assert opened[Scope.ADMIN] == {each.id for each in routes}


def test_every_operation_of_the_clients_door_has_scopes_and_openapi_shows_them() -> None:
    paths = openapi_document()["paths"]

    for route in (operation.route for operation in CLIENT_OPERATIONS):
        told = paths[route.path][route.method.lower()]
        assert route.scopes
        assert {role for each in told["security"] for roles in each.values() for role in roles} == set(route.scopes)
        assert route.scopes[0] in told["description"]
        assert "429" in told["responses"]


def test_every_route_of_the_clients_door_is_in_the_table() -> None:
    routes = {(method, path) for method, path in App(FakeEngine()).router.routes if path.startswith("/api/")}  # type: ignore[arg-type]
    described = {(operation.route.method, operation.route.path) for operation in CLIENT_OPERATIONS}
    heads = {("HEAD", path) for method, path in described if method == "GET"}

    assert routes == described | heads | {("POST", "/api/v1/jobs/{blueprint}")}


# --- clients ----------------------------------------------------------------------------------------------------------


async def test_another_clients_job_is_404_everywhere(site: Site) -> None:
    job = (await as_(site, "ann", "POST", SUBMIT, json={})).json["job_id"]
    reads = [await as_(site, "bob", "GET", f"/api/v1/jobs/{job}{rest}") for rest in ("", "/history", "/tasks", "/why")]
    signalled = await as_(site, "bob", "POST", f"/api/v1/jobs/{job}/signals/go", json={})
    waited = await as_(site, "bob", "GET", f"/api/v1/jobs/{job}?wait=5")
    cancelled = await as_(site, "bob", "POST", f"/api/v1/jobs/{job}/cancel")
    listed = await as_(site, "bob", "GET", "/api/v1/jobs")

    assert [(each.status, each.code) for each in (*reads, waited, signalled, cancelled)] == [(404, "job.not_found")] * 7
    assert listed.json["jobs"] == []
    assert (await as_(site, "ann", "GET", f"/api/v1/jobs/{job}")).json["status"] == "waiting_for_worker"


async def test_a_viewer_sees_every_clients_job_and_an_operator_acts_on_it(site: Site) -> None:
    job = (await as_(site, "ann", "POST", SUBMIT, json={})).json["job_id"]

    for scope in ("viewer", "operator", "author", "admin"):
        assert (await as_(site, scope, "GET", f"/api/v1/jobs/{job}")).status == 200
    assert (await as_(site, "operator", "POST", f"/api/v1/jobs/{job}/pause")).status == 202
    assert (await as_(site, ADMIN, "POST", f"/api/v1/jobs/{job}/resume")).status == 202
    assert (await as_(site, "ann", "POST", f"/api/v1/jobs/{job}/cancel")).json["status"] == "cancelled"
    history = (await as_(site, "viewer", "GET", f"/api/v1/jobs/{job}/history")).json["history"]
    assert [entry["by"] for entry in history if "by" in entry] == ["operator-only", "admin", "ann"]


async def test_who_sees_all_jobs_and_may_cancel_its_own_is_told_what_is_missing(site: Site, place: Place) -> None:
    place.write(CLIENTS + f'[clients.eve]\ntokens = ["{hashed("eve")}"]\nscopes = ["client", "viewer"]\n')
    await site.engine.access.load()
    job = (await as_(site, "ann", "POST", SUBMIT, json={})).json["job_id"]
    answer = await as_(site, "eve", "POST", f"/api/v1/jobs/{job}/cancel")

    assert (answer.status, answer.code) == (404, "job.not_found")
    assert "operator" in answer.json["hint"]


async def test_a_token_of_the_environment_and_its_hash_are_the_same_client(site: Site) -> None:
    job = (await as_(site, "bea-" + "b" * 32, "POST", SUBMIT, json={})).json["job_id"]

    assert (await as_(site, "ann", "GET", f"/api/v1/jobs/{job}")).status == 200


async def test_labels_of_a_client_are_on_all_its_jobs_whatever_it_says(site: Site) -> None:
    job = (await as_(site, "ann", "POST", SUBMIT, json={"labels": {"team": "none", "n": "1"}})).json["job_id"]
    [listed] = (await as_(site, "ann", "POST", SUBMIT, json=[{"labels": {"team": "x"}}])).json["results"]

    assert (await as_(site, "ann", "GET", f"/api/v1/jobs/{job}")).json["labels"] == {"team": "tea", "n": "1"}
    assert (await as_(site, "ann", "GET", f"/api/v1/jobs/{listed['job_id']}")).json["labels"] == {"team": "tea"}


async def test_a_client_uses_and_sees_the_blueprints_that_it_is_allowed(site: Site) -> None:
    taken = await as_(site, "bob", "POST", "/api/v1/blueprints/other-one/jobs", json={})
    others = [await as_(site, "bob", "POST", f"/api/v1/{path}", json={}) for path in (
        "blueprints/greet/jobs", "jobs/greet", "blueprints/nowhere/jobs")]  # fmt: skip
    shown = await as_(site, "bob", "GET", "/api/v1/blueprints/greet")
    listed = await as_(site, "bob", "GET", "/api/v1/blueprints")

    assert taken.status == 202
    assert {(each.status, each.code) for each in (*others, shown)} == {(404, "blueprint.not_found")}
    assert others[0].json["detail"].replace("greet", "x") == others[2].json["detail"].replace("nowhere", "x")
    assert [each["name"] for each in listed.json["blueprints"]] == ["other-one"]
    assert len((await as_(site, "ann", "GET", "/api/v1/blueprints")).json["blueprints"]) == 2


# --- workers ----------------------------------------------------------------------------------------------------------


async def as_worker(site: Site, token: str, method: str, path: str, **more: Any) -> Answer:
    return await site.ask(method, "/_worker" + path, headers={"X-Worker-Token": token}, **more)


async def test_a_workers_token_is_for_its_ids_alone(site: Site) -> None:
    def skills(worker: str) -> dict[str, Any]:
        return {"worker_id": worker, "supported_skills": ["render"]}

    right = await as_worker(site, "gpu", "POST", "/workers/register", json=skills("gpu-7"))
    event = {"event_id": "e", "worker_id": "w1", "origin_worker_id": "w1", "event_type": "x", "payload": {}}
    result = {"job_id": "00a", "task_id": "00a-b", "worker_id": "w1", "data": 1}
    wrong = [
        await as_worker(site, "gpu", "POST", "/workers/register", json=skills("w1")),
        await as_worker(site, "gpu", "PATCH", "/workers/w1", json={}),
        await as_worker(site, "gpu", "GET", "/workers/w1/tasks/next?timeout=0"),
        await as_worker(site, "gpu", "POST", "/events", json=event),
        await as_worker(site, "gpu", "POST", "/tasks/result", json=result),
        await as_worker(site, "gpu", "POST", "/tasks/result", json=[result]),
        await as_worker(site, "gpu", "GET", "/ws/w1"),
    ]

    assert right.status == 200
    assert {(each.status, each.json["code"]) for each in wrong} == {(403, "auth.worker")}


async def test_a_worker_gets_tasks_of_its_kinds_alone(site: Site) -> None:
    await as_(site, "ann", "POST", SUBMIT, json={})
    register = {"worker_id": "gpu-1", "supported_skills": ["say", "render"]}
    refused = [
        await as_worker(site, "gpu", "POST", "/workers/register", json=register),
        await as_worker(site, "gpu", "GET", "/workers/gpu-1/tasks/next?available_skills=say&timeout=0"),
    ]
    site.engine.access.current = site.engine.access.current  # the registration of before the token had kinds
    await site.engine.dispatcher.register({**register, "supported_skills": [{"name": "say"}, {"name": "render"}]})
    unnamed = await as_worker(site, "gpu", "GET", "/workers/gpu-1/tasks/next?timeout=0")

    assert {(each.status, each.json["code"]) for each in refused} == {(403, "auth.kinds")}
    assert unnamed.status == 204
    await as_worker(site, "w1", "POST", "/workers/register", json={"worker_id": "w1", "supported_skills": ["say"]})
    assert (await as_worker(site, "w1", "GET", "/workers/w1/tasks/next?timeout=0")).status == 200


# --- changes ----------------------------------------------------------------------------------------------------------

WITHOUT_ANN = CLIENTS.replace(hashed("ann"), hashed("nobody"))
WITHOUT_W1 = WORKERS.replace(hashed("w1"), hashed("nobody"))


def refused_or_cut_off(ended: Answer | BaseException) -> bool:
    """The connection was closed; aiohttp's client asks again then, and is refused."""
    return isinstance(ended, aiohttp.ServerDisconnectedError) or (
        isinstance(ended, Answer) and ended.status in {401, 403, 404}
    )


async def test_what_is_open_under_a_removed_token_ends_within_a_second(site: Site, place: Place) -> None:
    job = (await as_(site, "ann", "POST", SUBMIT, json={})).json["job_id"]
    await as_worker(site, "w1", "POST", "/workers/register", json={"worker_id": "w1", "supported_skills": ["other"]})
    waiting = asyncio.create_task(as_(site, "ann", "GET", f"/api/v1/jobs/{job}?wait=50"))
    polling = asyncio.create_task(as_worker(site, "w1", "GET", "/workers/w1/tasks/next?timeout=50"))
    staying = asyncio.create_task(as_(site, "operator", "GET", f"/api/v1/jobs/{job}?wait=50"))
    async with site.http.ws_connect(site.url + "/_worker/ws/w1", headers={"X-Worker-Token": "w1"}) as socket:
        await site.get("/healthz")
        place.write(WITHOUT_ANN, WITHOUT_W1)
        async with asyncio.timeout(1.0):
            ended = await asyncio.gather(waiting, polling, return_exceptions=True)
            message = await socket.receive()

        assert [refused_or_cut_off(each) for each in ended] == [True, True]
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
    assert (await as_(site, "ann", "GET", f"/api/v1/jobs/{job}")).status == 401
    assert (await as_worker(site, "w1", "PATCH", "/workers/w1")).status == 403
    assert not staying.done()
    staying.cancel()


async def test_a_task_is_not_lost_with_the_poll_that_a_removed_token_ended(site: Site, place: Place) -> None:
    await as_worker(site, "w1", "POST", "/workers/register", json={"worker_id": "w1", "supported_skills": ["say"]})
    polling = asyncio.create_task(as_worker(site, "w1", "GET", "/workers/w1/tasks/next?timeout=50"))
    await site.get("/healthz")
    place.write(workers=WITHOUT_W1)
    await asyncio.wait([polling])
    await as_(site, "ann", "POST", SUBMIT, json={})
    place.write(workers=WORKERS)
    await site.engine.access.load()
    task = await as_worker(site, "w1", "GET", "/workers/w1/tasks/next?timeout=10")

    assert (task.status, task.json["attempt"]) == (200, 1)


async def test_a_request_whose_rights_became_others_is_ended_and_the_rest_goes_on(site: Site, place: Place) -> None:
    job = (await as_(site, "ann", "POST", SUBMIT, json={})).json["job_id"]
    demoted = asyncio.create_task(as_(site, "viewer", "GET", f"/api/v1/jobs/{job}?wait=50"))
    other = asyncio.create_task(as_(site, "ann", "GET", f"/api/v1/jobs/{job}?wait=50"))
    await site.get("/healthz")
    place.write(CLIENTS.replace('["viewer"]', '["client"]'))
    await site.engine.access.load()

    [ended] = await asyncio.gather(demoted, return_exceptions=True)
    assert refused_or_cut_off(ended)
    assert not other.done()
    other.cancel()
    assert (await as_(site, "viewer", "GET", f"/api/v1/jobs/{job}")).status == 404


async def test_a_changed_limit_ends_nothing_and_a_changed_weight_reaches_the_dispatcher(
    site: Site, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[Any] = []
    monkeypatch.setattr(site.engine.dispatcher, "weigh", weights.append)
    job = (await as_(site, "ann", "POST", SUBMIT, json={})).json["job_id"]
    waiting = asyncio.create_task(as_(site, "ann", "GET", f"/api/v1/jobs/{job}?wait=50"))
    await site.get("/healthz")
    place.write(CLIENTS.replace("[clients.ann]", '[clients.ann]\nweight = 2.5\nrate = {requests = 9, per = "1h"}'))
    await site.engine.access.load()
    told = await as_(site, "ann", "GET", "/api/v1/jobs")

    assert told.headers["RateLimit-Policy"] == '"requests";q=9;w=3600'
    assert weights == [{"ann": 2.5}]
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize(
    "wrong", ["", "\n", "[clients.ann", "[clients.ann]\ntoken = []\n", '[clients.ann]\ntokens = [{env = "NOT_SET"}]\n']
)
async def test_a_wrong_file_is_refused_and_the_old_one_stays(
    site: Site, place: Place, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    place.write(wrong)
    await site.engine.access.load()
    await site.engine.access.load()
    ready = await site.get("/readyz")

    assert (ready.status, ready.json["degraded"]) == (200, True)
    assert ready.json["access_refused"] == [str(place.folder / "clients.toml")]
    assert (await as_(site, "ann", "GET", "/api/v1/jobs")).status == 200
    told = [record.message for record in caplog.records if "is refused" in record.message]
    assert len(told) == 1
    assert "clients.toml:1:" in told[0] or "clients.toml:2:" in told[0]
    place.write(CLIENTS)
    await site.engine.access.load()
    assert "degraded" not in (await site.get("/readyz")).json


async def test_a_file_that_goes_takes_no_token_with_it(site: Site, place: Place) -> None:
    (place.folder / "clients.toml").unlink()
    await site.engine.access.load()

    assert (await as_(site, "ann", "GET", "/api/v1/jobs")).status == 200
    assert (await site.get("/readyz")).json["degraded"] is True


async def test_a_token_file_that_changes_counts_without_a_change_of_clients_toml(site: Site, place: Place) -> None:
    (place.folder / "ann.token").write_text("first-" + "1" * 20 + "\n")
    place.write('[clients.ann]\ntokens = [{file = "ann.token"}]\n')
    await site.engine.access.load()
    assert (await as_(site, "first-" + "1" * 20, "GET", "/api/v1/jobs")).status == 200
    (place.folder / "ann.token").write_text("second-" + "2" * 20)

    while (await as_(site, "second-" + "2" * 20, "GET", "/api/v1/jobs")).status != 200:
        await site.engine.access.run()
    assert (await as_(site, "first-" + "1" * 20, "GET", "/api/v1/jobs")).status == 401


async def test_an_engine_whose_file_was_never_good_is_not_ready_and_lets_the_settings_token_in(place: Place) -> None:
    place.write("[clients.")
    engine = Service(place.settings)
    await engine.start(watch=False)
    async with site_of(engine) as site:
        ready = await site.get("/readyz")
        admin = await as_(site, ADMIN, "GET", "/api/v1/jobs")
        ann = await as_(site, "ann", "GET", "/api/v1/jobs")
    await engine.stop()

    assert (ready.status, admin.status, ann.status) == (503, 200, 401)


async def test_with_a_file_of_clients_nobody_gets_in_without_a_token(place: Place) -> None:
    engine = Service(Settings(store="memory:", blueprints=place.folder, clients=place.folder / "clients.toml"))
    await engine.start(watch=False)
    async with site_of(engine) as site:
        missing = await site.get("/api/v1/jobs")
        worker = await site.post("/_worker/events", json={})
    await engine.stop()

    assert (missing.status, missing.code) == (401, "auth.missing")
    assert (worker.status, worker.json["code"]) == (403, "auth.not_set")


async def test_no_token_is_in_the_store_or_in_a_log(site: Site, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await as_(site, "bea-" + "b" * 32, "POST", SUBMIT, json={})
    place.write(WITHOUT_ANN)
    await site.engine.access.load()
    dumped = str(await site.engine.store.dump())

    for text in (dumped, caplog.text):
        assert os.environ["BEA_TOKEN"] not in text
        assert sha256(os.environ["BEA_TOKEN"].encode()).hexdigest() not in text
        assert hashed("ann") not in text
