"""What is promised of the store on Redis beyond the contract: its cost, its keys, its refusals, its scripts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from avtomat.errors import StoreAnswerLost, StoreError, StoreNotExecuted
from avtomat.storage.port.answers import Query, Wakeups
from avtomat.storage.port.store import CLOSE_AT_ONCE_MAX
from avtomat.storage.port.writes import DueCause, MailCause, NewJob, SignalWait
from avtomat.storage.redis.meta import FORMAT
from avtomat.storage.redis.script_runner import prefix_of
from avtomat.storage.redis.store import RedisStore
from avtomat.storage.redis.wire.connection import RedisConnection
from avtomat.storage.redis.wire.url import parse_redis_url
from tests.servers import RedisServer, stopped
from tests.storage.world import FINISHED, REARM_MS, RETENTION_MS, Clock, World, change, fork, mail, result, task

DEAF = Wakeups(queue=lambda partition, name: None, job=lambda job: None, lost=lambda: None)
ONE_JOB_BYTES_MAX = 2_000
STAY = {"bp", "d", "dl", "dr", "lc", "n", "pa", "pg", "ping", "qn", "qs"}
"""Keys of a partition that are not of a job; there is one of each."""


@pytest.fixture
async def world(fresh_redis: RedisServer) -> AsyncIterator[World]:
    clock = Clock()
    store = RedisStore(fresh_redis.url, offset_ms=clock.offset)
    made = World(store, clock)
    await store.open(made.heard.wakeups)
    yield made
    await store.close()


class Ended:
    """A job of one task that lives and ends on one replica."""

    def __init__(self, job: str) -> None:
        self.id = job

    async def live(self, store: RedisStore, world: World) -> None:
        await store.create(world.new(job=self.id, writes=change(dispatch=task(f"{self.id}-1"))))
        [handout] = await store.poll(0, "w", ["mail.send"], nonce="", max_tasks=1, lease_ms=60_000)
        done = await store.commit(self.id, "/", 1, result(handout.task_id, worker="w"), change(end=FINISHED))
        assert done.outcome == "ok"


@pytest.fixture
async def redis(fresh_redis: RedisServer) -> AsyncIterator[RedisConnection]:
    """A look at the server past the store."""
    connection = RedisConnection(parse_redis_url(fresh_redis.url))
    await connection.open()
    yield connection
    await connection.aclose()


async def info(redis: RedisConnection, section: str) -> dict[str, str]:
    text = await redis.execute("INFO", section)
    return dict(line.split(":", 1) for line in str(text).replace("\\r\\n", "\n").splitlines() if ":" in line)


async def calls_of(redis: RedisConnection) -> dict[str, int]:
    """How often the server ran each command, by itself or within scripts."""
    stats = await info(redis, "commandstats")
    return {name: int(re.findall(r"calls=(\d+)", numbers)[0]) for name, numbers in stats.items() if "calls=" in numbers}


async def run_one_task(world: World) -> None:
    job, task_id = await world.with_task()
    [given] = await world.poll(nonce=job)
    assert given.loaded is not None
    done = await world.store.commit(job, "/", given.loaded.version, result(task_id), change(end=FINISHED))
    assert done.outcome == "ok"


# --- cost -------------------------------------------------------------------------------------------------------------


async def test_a_job_of_one_task_costs_three_round_trips(world: World, redis: RedisConnection) -> None:
    before = (await calls_of(redis))["cmdstat_evalsha"]
    await run_one_task(world)
    assert (await calls_of(redis))["cmdstat_evalsha"] - before == 3


async def test_a_job_costs_the_same_commands_whatever_has_ended(world: World, redis: RedisConnection) -> None:
    async def cost() -> dict[str, int]:
        before = await calls_of(redis)
        await run_one_task(world)
        after = await calls_of(redis)
        return {name: count - before.get(name, 0) for name, count in after.items() if name != "cmdstat_info"}

    await run_one_task(world)
    alone = await cost()
    for _ in range(200):
        await run_one_task(world)
    assert await cost() == alone


def usual_job(world: World) -> NewJob:
    """A job that waits for its first task, with records of the usual sizes."""
    name = world.name()
    body = b'{"kind":"greet","params":{"name":"%s"}}' % (b"x" * 60)
    waiting = task(f"{name}-0123456789", attempt_ms=30_000, body=body)
    first = change(dispatch=waiting, scope=b"s" * 120, record=b"r" * 120, state="greet")
    return world.new(job=name, writes=first, head=b"h" * 160, digest="d" * 64)


async def test_a_queued_job_takes_less_than_2_kb(world: World, redis: RedisConnection) -> None:
    jobs = 2_000
    before = int((await info(redis, "memory"))["used_memory"])
    await asyncio.gather(*(world.store.create(usual_job(world)) for _ in range(jobs)))
    after = int((await info(redis, "memory"))["used_memory"])
    assert (after - before) / jobs < ONE_JOB_BYTES_MAX


async def test_a_signal_and_an_undo_cost_the_same_commands_however_many_there_are(
    world: World, redis: RedisConnection
) -> None:
    job = await world.create(timer_ms=world.now() + 10**9)

    async def cost() -> dict[str, int]:
        before = await calls_of(redis)
        name = world.name()
        await world.store.deliver(job, mail(f"s{name}", to=("signal", name, "")))
        await world.mailed(job, "child", keeps_task=True, undo=b"undo")
        after = await calls_of(redis)
        return {name: count - before.get(name, 0) for name, count in after.items() if name != "cmdstat_info"}

    await cost()
    alone = await cost()
    for _ in range(300):
        await cost()
    assert await cost() == alone


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [{"blueprint": "rare"}, {"client": "rare"}])
async def test_a_page_of_a_client_and_a_blueprint_costs_what_the_rarer_one_has(
    world: World, redis: RedisConnection, many: dict[str, str]
) -> None:
    new = world.new(**many)
    await world.store.create(new)

    async def commands() -> int:
        await redis.execute("CONFIG", "RESETSTAT")
        page = await world.store.list_jobs(Query(limit=10, client=new.client, blueprint=new.blueprint))
        assert [row.job for row in page.rows] == [new.job]
        return sum((await calls_of(redis)).values())

    before = await commands()
    for _ in range(50):
        await world.store.create(world.new())
    assert await commands() == before


async def live_through_everything(world: World) -> None:
    """A job that uses each kind of key."""
    new = world.new(key="k", writes=change(fork=fork(2), undo=b"undo", values={"v": b"1"}))
    created = await world.store.create(new)
    job = created.job
    task_id = await world.begin_with_task(job, created.begins[0])
    await world.begin(job, created.begins[1], signal=SignalWait(name="paid", key="1"))
    await world.poll(nonce="n1")
    await world.store.progress("w1", task_id, b"half")
    await world.store.deliver(job, mail("m1", to=("signal", "other", "2")))
    await world.status(job, "paused")
    await world.commit(job, result(task_id), path=created.begins[0])
    await world.status(job, "open")
    await world.watch(10_000)
    await world.store.deliver(job, mail("m2", "cancel"))
    await world.commit(job, MailCause(id="m2"), end=FINISHED)


async def test_every_key_is_of_one_partition(world: World, redis: RedisConnection) -> None:
    await live_through_everything(world)
    keys = {key.decode() for key in await redis.execute("KEYS", "*")} - {"av:meta"}
    assert all(key.startswith(prefix_of(0)) for key in keys)


async def test_nothing_of_a_job_stays_after_its_retention(world: World, redis: RedisConnection) -> None:
    await live_through_everything(world)
    world.clock.advance(10**9)
    assert await world.store.trim(0, 10) == 1
    keys = {key.decode().removeprefix(prefix_of(0)) for key in await redis.execute("KEYS", f"{prefix_of(0)}*")}
    records_that_expire = {key for key in keys if key.startswith(("e:", "n:"))}
    assert keys - records_that_expire <= STAY
    assert all([await redis.execute("PTTL", prefix_of(0) + key) > 0 for key in records_that_expire])


async def closed_while_due(world: World) -> None:
    job, paths = await world.with_fork(CLOSE_AT_ONCE_MAX + 50)
    assert len(await world.due()) == len(paths)
    await world.mailed(job, "cancel", end=FINISHED)
    world.clock.advance(REARM_MS)
    await world.due()


async def closed_while_paused(world: World) -> None:
    job, paths = await world.with_fork(CLOSE_AT_ONCE_MAX + 50)
    assert len(await world.due()) == len(paths)
    await world.status(job, "paused")
    await world.mailed(job, "cancel", end=FINISHED)


@pytest.mark.parametrize("live", [closed_while_due, closed_while_paused])
async def test_nothing_is_kept_of_members_of_closed_scopes(
    world: World, redis: RedisConnection, live: Callable[[World], Awaitable[None]]
) -> None:
    await live(world)
    assert await world.store.sweep(0, 1_000) == 50
    assert await redis.execute("HLEN", f"{prefix_of(0)}dr") == 0


async def test_nothing_stays_of_a_job_that_sweep_had_not_come_by(world: World, redis: RedisConnection) -> None:
    job, paths = await world.with_fork(3 * CLOSE_AT_ONCE_MAX)
    for path in paths:
        await world.begin_with_task(job, path)
    await world.poll(max_tasks=2 * CLOSE_AT_ONCE_MAX)
    await world.mailed(job, "cancel", end=FINISHED)
    other = await world.create(timer_ms=world.now() + 10**9)
    await world.mailed(other, "cancel", end=FINISHED)
    world.clock.advance(RETENTION_MS)
    assert await world.store.trim(0, 10) == 1
    assert [await world.store.trim(0, 10) for _ in range(3)] == [0, 1, 0]
    keys = {key.decode().removeprefix(prefix_of(0)) for key in await redis.execute("KEYS", f"{prefix_of(0)}*")}
    assert {key for key in keys if not key.startswith("e:")} <= STAY | {"q:mail.send\nc1", "qc:mail.send", "sw"}
    assert (await world.store.counts())["leases"] == 0
    assert await world.polled() == []
    assert await world.store.sweep(0, 10) == 0
    await world.sound()


# --- more than one replica, and servers that come and go --------------------------------------------------------------


async def test_a_replica_hears_of_what_another_one_does(world: World, fresh_redis: RedisServer) -> None:
    other = RedisStore(fresh_redis.url)
    await other.open(DEAF)
    job = world.name()
    await other.create(world.new(job=job, writes=change(dispatch=task(f"{job}-1"))))
    await world.heard.of((0, "mail.send"))
    [handout] = await other.poll(0, "w", ["mail.send"], nonce="", max_tasks=1, lease_ms=60_000)
    await other.commit(job, "/", 1, result(handout.task_id, worker="w"), change(end=FINISHED))
    await world.heard.of(job)
    await other.close()


async def test_a_replica_hears_once_of_what_it_does_itself(fresh_redis: RedisServer) -> None:
    heard: list[object] = []
    fence = asyncio.Event()

    def hear(job: str) -> None:
        heard.append(job)
        if job == theirs.id:
            fence.set()

    world = World(RedisStore(fresh_redis.url), Clock())
    await world.store.open(Wakeups(queue=lambda _, name: heard.append(name), job=hear, lost=lambda: None))
    ours, theirs = Ended(world.name()), Ended(world.name())
    await ours.live(world.store, world)
    other = RedisStore(fresh_redis.url)
    await other.open(DEAF)
    await theirs.live(other, world)
    async with asyncio.timeout(5):
        await fence.wait()

    assert heard == ["mail.send", ours.id, "mail.send", theirs.id]
    await other.close()
    await world.store.close()


async def test_a_replica_looks_again_when_an_answer_was_lost(fresh_redis: RedisServer) -> None:
    looked = asyncio.Event()
    store = RedisStore(fresh_redis.url, timeout_s=0.3)
    await store.open(Wakeups(queue=lambda _, name: None, job=lambda job: None, lost=looked.set))
    looked.clear()
    with stopped(fresh_redis), pytest.raises(StoreAnswerLost):
        await store.ping()
    async with asyncio.timeout(20):
        await looked.wait()
    await store.close()


async def test_a_replica_looks_again_when_nobody_waits_for_an_answer_any_more(fresh_redis: RedisServer) -> None:
    looked = asyncio.Event()
    store = RedisStore(fresh_redis.url)
    await store.open(Wakeups(queue=lambda _, name: None, job=lambda job: None, lost=looked.set))
    looked.clear()
    with stopped(fresh_redis):
        call = asyncio.create_task(store.ping())
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
    async with asyncio.timeout(20):
        await looked.wait()
    await store.close()


async def test_jobs_are_there_after_the_server_was_killed(world: World, fresh_redis: RedisServer) -> None:
    job, task_id = await world.with_leased()
    fresh_redis.kill()
    await asyncio.to_thread(fresh_redis.start)
    async with asyncio.timeout(20):
        while (loaded := await _again(world.store.load, job)) is None:
            continue
    done = await world.store.commit(job, "/", loaded.version, result(task_id), change(end=FINISHED))
    assert done.outcome == "ok"


async def _again(call: Any, *args: Any) -> Any:
    """Repeat a read until the server answers."""
    try:
        return await call(*args)
    except StoreError:
        return None


async def test_a_large_closing_does_not_hold_up_others(world: World) -> None:
    job, paths = await world.with_fork(CLOSE_AT_ONCE_MAX + 200)
    for path in paths:
        await world.begin_with_task(job, path)
    await world.mailed(job, "cancel", end=FINISHED)
    assert await world.polled() == []
    assert await world.due_of(job) == []
    assert await world.store.sweep(0, 150) == 150
    assert await world.store.sweep(0, 1_000) == 50
    assert await world.store.sweep(0, 1_000) == 0


async def test_a_result_for_what_a_sweep_has_not_reached_yet_is_closed(world: World) -> None:
    job, paths = await world.with_fork(600)
    task_ids = [await world.begin_with_task(job, path) for path in paths]
    await world.poll(max_tasks=600)
    await world.mailed(job, "cancel", end=FINISHED)
    answers = [
        (await world.store.commit(job, path, 1, result(task_id), change())).outcome
        for path, task_id in zip(paths, task_ids, strict=True)
    ]
    assert set(answers) == {"closed"}


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_server_that_throws_keys_away_is_refused(fresh_redis: RedisServer) -> None:
    fresh_redis.command("CONFIG SET maxmemory-policy allkeys-lru")
    with pytest.raises(StoreError, match="would evict jobs"):
        await RedisStore(fresh_redis.url).open(DEAF)


@pytest.mark.parametrize(
    ("name", "value", "code"), [("format", FORMAT + 1, "store.newer_format"), ("partitions", 3, "store.partitions")]
)
async def test_a_store_that_was_set_up_otherwise_is_refused(
    fresh_redis: RedisServer, name: str, value: int, code: str
) -> None:
    fresh_redis.command(f"HSET av:meta {name} {value}")
    with pytest.raises(StoreError, match=str(value)) as refused:
        await RedisStore(fresh_redis.url).open(DEAF)
    assert refused.value.code == code


async def test_open_jobs_of_an_older_format_are_refused_with_what_to_do(
    world: World, fresh_redis: RedisServer, redis: RedisConnection
) -> None:
    job, task_id = await world.with_leased()
    fresh_redis.command(f"HSET av:meta format {FORMAT - 1}")
    with pytest.raises(StoreError, match=f"format {FORMAT - 1} with 1 open jobs") as refused:
        await RedisStore(fresh_redis.url).open(DEAF)
    assert (refused.value.code, refused.value.exit_code) == ("store.older_format", 5)
    assert "let the version of Avtomat that wrote them end or cancel" in (refused.value.hint or "")

    await world.commit(job, result(task_id), end=FINISHED)
    other = RedisStore(fresh_redis.url)
    await other.open(DEAF)
    row = await other.show(job)
    await other.close()
    assert row is not None
    assert await redis.execute("HGET", "av:meta", "format") == str(FORMAT).encode()


async def test_full_memory_refuses_new_jobs_in_words_for_people_and_changes_nothing(
    world: World, fresh_redis: RedisServer
) -> None:
    fresh_redis.command("CONFIG SET maxmemory 1")
    try:
        with pytest.raises(StoreNotExecuted, match="give it more memory"):
            await world.store.create(world.new())
        with pytest.raises(StoreError):
            await world.store.ping()
    finally:
        fresh_redis.command("CONFIG SET maxmemory 0")
    assert (await world.dump())["jobs"] == {}


@pytest.mark.parametrize("fields", [{"client": "a\nb"}, {"blueprint": "a\nb"}, {"key": "a\nb"}])
async def test_a_name_with_a_line_feed_is_refused(world: World, fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="line feed"):
        await world.store.create(world.new(**fields))


async def test_user_data_comes_back_byte_by_byte(world: World) -> None:
    data = bytes(range(256)) + b"\n\n\x00\r\n[]{} 18446744073709551616"
    new = world.new(head=data, writes=change(scope=data, record=data, values={"v": data}, timer_ms=world.now() + 1_000))
    await world.store.create(new)
    await world.store.deliver(new.job, mail("m1", body=data))
    loaded = await world.load(new.job)
    [due] = [due for due in await world.watch(0) if due.kind == "mail"]
    assert due.mail is not None
    assert (loaded.head, loaded.scope, due.mail.body) == (data, data, data)
    assert await world.store.values(new.job, ["v"]) == [data]
    assert (await world.store.history(new.job, 0, 1))[0].record == data


async def test_a_timer_is_answered_once(world: World) -> None:
    job = await world.create(timer_ms=world.now() + 1_000)
    world.clock.advance(1_000)
    await world.due()
    cause = DueCause(kind="timer", number=1)
    assert (await world.commit(job, cause, end=FINISHED)).outcome == "ok"
    assert (await world.commit(job, cause, end=FINISHED)).outcome == "unknown"


# --- what should not be there -----------------------------------------------------------------------------------------


async def test_strays_are_removed_and_hold_up_nothing(
    world: World, redis: RedisConnection, caplog: pytest.LogCaptureFixture
) -> None:
    job = await world.create(timer_ms=world.now() + 1_000)
    quiet = await world.create(signal=SignalWait(name="paid", key=""))
    strays = ["", "x", "t", "t/", f"t{quiet}/", f"w{quiet}/", f"m{quiet}/", f"b{quiet}/9.9", f"d{quiet}", f"s{quiet}"]
    strays += [f"w{quiet}/1.0", f"w{world.name()}/", f"d{world.name()}", f"w{quiet}", f"d{quiet}/", f"r{quiet}-x", "rx"]
    for stray in strays:
        await redis.execute("ZADD", f"{prefix_of(0)}d", 1, stray)

    world.clock.advance(2_000)
    given = [due for _ in range(3) for due in await world.due(limit=len(strays))]

    assert [(due.kind, due.job) for due in given] == [("timer", job)]
    assert await redis.execute("ZCARD", f"{prefix_of(0)}d") == 1
    told = [record.message for record in caplog.records if "belong to nothing" in record.message]
    assert len(told) == 1
    await world.sound()


async def test_strays_in_a_queue_hold_up_nothing(world: World, redis: RedisConnection) -> None:
    _, task_id = await world.with_task()
    idle = await world.create(timer_ms=world.now() + 10**9)
    for order, stray in enumerate(["", "x", f"{idle}/", f"{idle}/1.0", f"{world.name()}/"]):
        await redis.execute("ZADD", f"{prefix_of(0)}q:mail.send\nc1", order, stray)

    assert await world.polled() == [task_id]
    assert await redis.execute("ZCARD", f"{prefix_of(0)}q:mail.send\nc1") == 0
