"""Rates and quotas of clients: never exceeded over replicas, kept over restarts, told in headers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from avtomat.errors import StoreAnswerLost, StoreNotExecuted
from avtomat.runtime.access import counting
from avtomat.runtime.service import Service
from avtomat.settings import Settings
from avtomat.storage.memory.store import MemoryStore
from tests.api.conftest import Answer, Site, site_of
from tests.runtime.replicas import SharedStore
from tests.servers import RedisServer
from tests.storage.faults import Fault, faulty
from tests.storage.world import Clock

GREET = """\
avtomat: 1
blueprint: greet
input: {type: object, properties: {n: {type: integer}}}
states:
  say: {task: say, next: end}
"""
SUBMIT = "/api/v1/blueprints/greet/jobs"
HOUR_MS = 3_600_000


def clients(**limits: str) -> str:
    return "".join(
        f'[clients.{name}]\ntokens = ["sha256:{sha256(name.encode()).hexdigest()}"]\n{said}\n'
        for name, said in limits.items()
    )


def settings(folder: Path, text: str, store: str = "memory:") -> Settings:
    (folder / "clients.toml").write_text(text)
    (folder / "greet.yaml").write_text(GREET)
    return Settings(store=store, blueprints=folder, clients=folder / "clients.toml")


@asynccontextmanager
async def replica(chosen: Settings, store: Any = None) -> AsyncIterator[Site]:
    engine = Service(chosen, store)
    await engine.start(watch=False)
    try:
        async with site_of(engine) as site:
            yield site
    finally:
        await engine.stop()


async def submit(site: Site, client: str, body: Any = None, **headers: str) -> Answer:
    more = {"Authorization": f"Bearer {client}", **headers}
    return await site.post(SUBMIT, json={} if body is None else body, headers=more)


async def read(site: Site, client: str, path: str = "/api/v1/jobs") -> Answer:
    return await site.get(path, headers={"Authorization": f"Bearer {client}"})


# --- quotas -----------------------------------------------------------------------------------------------------------


async def test_a_used_up_quota_is_429_with_when_and_why(tmp_path: Path) -> None:
    clock = Clock()
    store = MemoryStore(offset_ms=clock.offset)
    async with replica(settings(tmp_path, clients(ann='quota = {jobs = 2, per = "hour"}')), store) as site:
        taken = [await submit(site, "ann") for _ in range(3)]
        refused, left_s = taken[2], -(-(HOUR_MS - site.engine.store.now_ms() % HOUR_MS) // 1000)
        reading = [await read(site, "ann") for _ in range(5)]
        clock.advance(HOUR_MS)
        later = await submit(site, "ann")

    assert [each.status for each in taken] == [202, 202, 429]
    assert (refused.code, refused.json["detail"]) == (
        "quota.exceeded",
        "ann may have 2 jobs accepted per hour, and has had them",
    )
    assert "reading jobs costs nothing" in refused.json["hint"]
    assert left_s <= int(refused.headers["Retry-After"]) <= left_s + 5
    assert {each.status for each in reading} == {200}
    assert later.status == 202


async def test_headers_say_how_a_quota_and_a_rate_stand(tmp_path: Path) -> None:
    text = clients(ann='quota = {jobs = 5, per = "day"}\nrate = {requests = 10, per = "1h"}', bob="")
    async with replica(settings(tmp_path, text)) as site:
        first = await read(site, "ann")
        second = await submit(site, "ann")
        unlimited = await submit(site, "bob")

    assert first.headers["RateLimit-Policy"] == '"requests";q=10;w=3600, "jobs";q=5;qu="jobs";w=86400'
    assert first.headers["RateLimit"].startswith('"requests";r=9;t=')
    assert "jobs" not in first.headers["RateLimit"]  # nothing was asked of the store yet
    assert [part.split(";")[:2] for part in second.headers["RateLimit"].split(", ")] == [
        ['"requests"', "r=8"],
        ['"jobs"', "r=4"],
    ]
    assert not {"RateLimit", "RateLimit-Policy"} & set(unlimited.headers)


async def test_a_repeat_by_its_key_costs_nothing_and_is_answered_when_the_quota_is_used_up(tmp_path: Path) -> None:
    async with replica(settings(tmp_path, clients(ann='quota = {jobs = 2, per = "day"}'))) as site:
        keyed = {"Idempotency-Key": "k1"}
        first, *again = [await submit(site, "ann", **keyed) for _ in range(4)]
        other = await submit(site, "ann")
        over = await submit(site, "ann")
        last = await submit(site, "ann", **keyed)

    assert {each.json["job_id"] for each in (*again, last)} == {first.json["job_id"]}
    assert (other.status, over.status, last.status) == (202, 429, 202)
    assert last.headers["Idempotency-Replayed"] == "true"


async def test_what_is_refused_costs_nothing(tmp_path: Path) -> None:
    async with replica(settings(tmp_path, clients(ann='quota = {jobs = 1, per = "day"}'))) as site:
        refused = [
            await submit(site, "ann", {"input": {"n": "x"}}),
            await submit(site, "ann", {"start_at": "2999-01-01T00:00:00Z"}),
        ]
        taken = await submit(site, "ann")

    assert [each.status for each in refused] == [422, 422]
    assert taken.status == 202


async def test_a_list_costs_what_of_it_is_accepted(tmp_path: Path) -> None:
    async with replica(settings(tmp_path, clients(ann='quota = {jobs = 3, per = "day"}'))) as site:
        results = (await submit(site, "ann", [{}, {"input": {"n": "x"}}, {}, {}, {}])).json["results"]

    codes = [each["problem"]["code"] if "problem" in each else "accepted" for each in results]
    assert codes == ["accepted", "input.invalid", "accepted", "accepted", "quota.exceeded"]


async def test_quotas_are_kept_over_restarts(tmp_path: Path) -> None:
    chosen = settings(tmp_path, clients(ann='quota = {jobs = 300, per = "year"}'), f"sqlite:///{tmp_path}/jobs.db")
    for _ in range(2):
        async with replica(chosen) as site:
            assert {(await submit(site, "ann")).status for _ in range(100)} == {202}
    async with replica(chosen) as site:
        statuses = Counter([(await submit(site, "ann")).status for _ in range(110)])

    assert statuses == {202: 100, 429: 10}


async def test_a_replica_that_stops_gives_back_and_one_that_is_killed_loses_one_block(tmp_path: Path) -> None:
    chosen = settings(tmp_path, clients(ann='quota = {jobs = 1000, per = "year"}'))
    shared = SharedStore(MemoryStore())
    await shared.begin()

    async def taken() -> list[str]:
        return [each[2] for each in (await shared.store.dump())["counters"]]  # type: ignore[index]

    async with replica(chosen, shared.store) as site:
        await submit(site, "ann")
        assert await taken() == ["10"]
    assert await taken() == ["1"]
    async with replica(chosen, shared.store) as site:
        await submit(site, "ann")
        site.engine.limits._jobs._accounts.clear()  # killed: what it held is known to nobody
    assert await taken() == ["11"]
    await shared.end()


async def test_what_lies_unused_goes_back_to_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "IDLE_S", 3_600.0)  # the engines' own duty gives nothing back meanwhile
    chosen = settings(tmp_path, clients(ann='quota = {jobs = 200, per = "year"}'))
    shared = SharedStore(MemoryStore())
    await shared.begin()
    async with replica(chosen, shared.store) as one, replica(chosen, shared.store) as other:
        await submit(one, "ann")
        statuses = Counter([(await submit(other, "ann")).status for _ in range(200)])
        monkeypatch.setattr(counting, "IDLE_S", -1.0)
        await one.engine.limits._jobs.give_back_idle()
        monkeypatch.setattr(counting, "ASKED_AGAIN_S", 0.0)
        other.engine.limits._jobs._accounts["ann"].nothing_until_s = 0.0
        last = await submit(other, "ann")
    await shared.end()

    assert statuses == {202: 198, 429: 2}
    assert last.status == 202


async def test_a_store_that_does_not_answer_accepts_no_job_and_never_grants_twice(tmp_path: Path) -> None:
    chosen = settings(tmp_path, clients(ann='quota = {jobs = 3, per = "year"}'))
    store, faults = faulty(MemoryStore())
    async with replica(chosen, store) as site:
        faults.next("take", Fault.NOT_EXECUTED)
        away = await submit(site, "ann")
        faults.next("take", Fault.ANSWER_LOST)
        lost = await submit(site, "ann")
        rest = [(await submit(site, "ann")).status for _ in range(3)]

    assert (away.status, lost.status, lost.headers["Retry-After"]) == (503, 503, "2")
    assert rest == [202, 202, 429]


async def test_a_changed_quota_counts_what_was_used_of_the_old_one(tmp_path: Path) -> None:
    chosen = settings(tmp_path, clients(ann='quota = {jobs = 2, per = "year"}'))
    async with replica(chosen) as site:
        statuses = [(await submit(site, "ann")).status for _ in range(2)]
        settings(tmp_path, clients(ann='quota = {jobs = 3, per = "year"}'))
        await site.engine.access.load()
        statuses += [(await submit(site, "ann")).status for _ in range(2)]

    assert statuses == [202, 202, 202, 429]


async def test_a_replica_that_cannot_give_back_keeps_what_it_holds() -> None:
    store, faults = faulty(MemoryStore())
    counts = counting.Counting(store, shared=True, returns=True)
    from avtomat.access.periods import Period

    def period_at(now_ms: int) -> Period:
        return Period(name="p", start_ms=0, end_ms=now_ms + HOUR_MS)

    await counts.take("ann", 1000, period_at)
    faults.next("give_back", Fault.NOT_EXECUTED)
    with pytest.raises(StoreNotExecuted):
        await counts.give_back_all()
    faults.next("give_back", Fault.ANSWER_LOST)
    with pytest.raises(StoreAnswerLost):
        await counts.give_back_all()
    await counts.give_back_all()

    assert (await store.dump())["counters"] == [["ann", "p", "1"]]  # the lost answer gave back; nothing twice


# --- rates ------------------------------------------------------------------------------------------------------------


async def test_a_rate_counts_every_request_and_says_when_to_come_again(tmp_path: Path) -> None:
    clock = Clock()
    store = MemoryStore(offset_ms=clock.offset)
    text = clients(ann='rate = {requests = 3, per = "1h"}', bob="")
    async with replica(settings(tmp_path, text), store) as site:
        answers = [await read(site, "ann"), await submit(site, "ann"), await read(site, "ann", "/api/v1/jobs/00a")]
        refused = [await read(site, "ann"), await submit(site, "ann")]
        other = await read(site, "bob")
        clock.advance(HOUR_MS)
        later = await read(site, "ann")

    assert [each.status for each in answers] == [200, 202, 404]
    assert [(each.status, each.code) for each in refused] == [(429, "rate.exceeded")] * 2
    assert 0 < int(refused[0].headers["Retry-After"]) <= 3600
    assert refused[0].headers["RateLimit"].startswith('"requests";r=0;t=')
    assert "3 requests in each 3600 seconds" in refused[0].json["detail"]
    assert (other.status, later.status) == (200, 200)


async def test_requests_that_are_refused_count_as_well(tmp_path: Path) -> None:
    text = clients(ann='rate = {requests = 3, per = "1h"}')
    async with replica(settings(tmp_path, text)) as site:
        asked = [
            await read(site, "ann", "/api/v1/nowhere"),
            await submit(site, "ann", {"input": {"n": "x"}}),
            await site.post("/api/v1/jobs/00a/pause", headers={"Authorization": "Bearer ann"}),
            await read(site, "ann"),
        ]

    assert [each.code for each in asked] == ["request.no_route", "input.invalid", "auth.scope", "rate.exceeded"]


async def test_requests_go_through_while_a_shared_rate_cannot_be_counted() -> None:
    from avtomat.access.model import Access, Client, Rate
    from avtomat.runtime.access.limits import Limits

    store, faults = faulty(MemoryStore())
    limits = Limits(store, Access, embedded=False)
    faults.next("take", Fault.NOT_EXECUTED)

    await limits.spend_request(Client(name="ann", rate=Rate(requests=1, per_ms=HOUR_MS)))

    assert faults.calls == ["take"]


# --- replicas on a real server ----------------------------------------------------------------------------------------

CLIENTS, REPLICAS = 10, 3
JOBS, REQUESTS = 120, 150


async def test_ten_clients_on_three_replicas_get_what_is_theirs_and_no_more(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    redis_server.flush()
    names = [f"c{number}" for number in range(CLIENTS)]
    chosen = settings(
        tmp_path, clients(**dict.fromkeys(names, f'quota = {{jobs = {JOBS}, per = "year"}}')), redis_server.url
    )
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(replica(chosen)) for _ in range(REPLICAS)]

        async def hurry(client: str, site: Site) -> list[int]:
            return [(await submit(site, client)).status for _ in range(JOBS // 2)]

        statuses = await asyncio.gather(*(hurry(client, site) for client in names for site in sites))
        listed = [await _jobs_of(sites[0], client) for client in names]

    for number, client in enumerate(names):
        own = Counter(status for found in statuses[number * REPLICAS : (number + 1) * REPLICAS] for status in found)
        assert own[202] == listed[number] <= JOBS, client
        assert own[202] > JOBS - REPLICAS * max(1, JOBS // 100), client
        assert set(own) == {202, 429}


async def test_rates_over_replicas_are_exceeded_by_nobody(tmp_path: Path, redis_server: RedisServer) -> None:
    redis_server.flush()
    names = [f"c{number}" for number in range(CLIENTS)]
    said = f'rate = {{requests = {REQUESTS}, per = "24h"}}'
    chosen = settings(tmp_path, clients(**dict.fromkeys(names, said)), redis_server.url)
    async with AsyncExitStack() as stack:
        sites = [await stack.enter_async_context(replica(chosen)) for _ in range(REPLICAS)]

        async def hurry(client: str, site: Site) -> list[int]:
            return [(await read(site, client, "/api/v1/blueprints")).status for _ in range(REQUESTS // 2)]

        statuses = await asyncio.gather(*(hurry(client, site) for client in names for site in sites))

    for number, client in enumerate(names):
        own = Counter(status for found in statuses[number * REPLICAS : (number + 1) * REPLICAS] for status in found)
        assert REQUESTS - REPLICAS <= own[200] <= REQUESTS, client
        assert set(own) == {200, 429}


async def _jobs_of(site: Site, client: str) -> int:
    found, path = 0, "/api/v1/jobs?limit=200"
    page = await read(site, client, path)
    found += len(page.json["jobs"])
    while page.json["next_cursor"]:
        page = await read(site, client, f"{path}&cursor={page.json['next_cursor']}")
        found += len(page.json["jobs"])
    return found
