"""A server that is not fit for jobs, or that is not the store that it was, is seen at its connection and said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from avtomat.cli.main import main
from avtomat.errors import RequestRefused, StoreError
from avtomat.storage.port.answers import Wakeups
from avtomat.storage.redis import store as redis_store
from avtomat.storage.redis.meta import FORMAT, accept
from avtomat.storage.redis.store import RedisStore
from avtomat.storage.redis.wire.connection import RedisConnection
from avtomat.storage.redis.wire.url import parse_redis_url
from tests.runtime.bench import bench_of
from tests.servers import RedisServer, free_port
from tests.storage.world import Clock, World

ONE = "states: {one: {task: work}}"
PATIENCE_S = 20


@pytest.fixture
async def redis(fresh_redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(parse_redis_url(fresh_redis.url))
    await connection.open()
    yield connection
    await connection.aclose()


@pytest.fixture(autouse=True)
def watched_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "LOOK_AT_IDENTITY_S", 0.01)


async def until(redis: RedisConnection, holds: Callable[[], bool]) -> None:
    """Ask the server something until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            try:
                await redis.execute("PING")
            except StoreError:
                continue


def code_of(trouble: StoreError | None) -> str:
    return "" if trouble is None else trouble.code


def world_on(server: RedisServer, **more: str) -> World:
    return World(RedisStore(server.url, **more), Clock())


async def opened(world: World, lost: Callable[[], None] = lambda: None) -> None:
    await world.store.open(Wakeups(queue=lambda _, name: None, job=lambda job: None, lost=lost))


async def test_a_node_of_a_cluster_is_refused_at_start_and_by_the_doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # the port of the cluster's bus would be the server's plus 10,000, where outgoing connections take theirs
    server = RedisServer(tmp_path, more={"cluster-enabled": "yes", "cluster-port": str(free_port())})
    try:
        with pytest.raises(StoreError, match="Redis Cluster, which Avtomat does not support") as refused:
            await opened(world_on(server))
        assert (refused.value.code, refused.value.exit_code) == ("store.cluster", 5)
        assert await asyncio.to_thread(main, ["doctor", "--store", server.url]) == 1
        assert "Redis Cluster" in capsys.readouterr().out
    finally:
        server.kill()


async def test_a_policy_that_throws_keys_away_is_seen_at_the_next_connection(
    tmp_path: Path, fresh_redis: RedisServer, redis: RedisConnection
) -> None:
    async with bench_of(ONE, tmp_path, fresh_redis.url) as bench:
        store = bench.service.store
        job = await bench.submit()
        fresh_redis.command("CONFIG SET maxmemory-policy allkeys-lru")
        fresh_redis.command("CLIENT KILL TYPE normal")
        await until(redis, lambda: code_of(store.trouble()) == "store.evicting")

        with pytest.raises(RequestRefused, match="would evict jobs") as refused:
            await bench.submit()
        ready, reasons = bench.service.readiness()
        await bench.answer(await bench.take())

        assert (refused.value.status, refused.value.code) == (503, "store.evicting")
        assert (ready, reasons["store"]["code"]) == (False, "store.evicting")
        assert (await bench.job(job))["status"] == "finished"
        fresh_redis.command("CONFIG SET maxmemory-policy noeviction")
        fresh_redis.command("CLIENT KILL TYPE normal")
        await until(redis, lambda: store.trouble() is None)


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_emptied_store_is_refused_until_it_is_accepted(
    fresh_redis: RedisServer, redis: RedisConnection, restarted: bool
) -> None:
    world, lost = world_on(fresh_redis), asyncio.Event()
    await opened(world, lost.set)
    job = await world.create(timer_ms=world.now() + 10**9)
    fresh_redis.command("FLUSHALL SYNC")
    if restarted:
        fresh_redis.kill()
        await asyncio.to_thread(fresh_redis.start)
    await until(redis, lambda: code_of(world.store.trouble()) == "store.replaced")

    with pytest.raises(StoreError, match="is empty") as refused:
        await world.store.load(job)
    assert "avtomat store accept --yes" in (refused.value.hint or "")
    lost.clear()
    await asyncio.to_thread(main, ["store", "accept", "--yes", "--store", fresh_redis.url])
    await until(redis, lambda: world.store.trouble() is None)

    await asyncio.wait_for(lost.wait(), PATIENCE_S)
    assert await world.store.load(job) is None
    await world.create(timer_ms=world.now() + 10**9)
    await world.store.close()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("partitions", 4, "store.partitions"),
        ("format", FORMAT + 1, "store.newer_format"),
        ("format", FORMAT - 1, "store.older_format"),
    ],
)
async def test_a_store_that_was_accepted_is_refused_while_it_does_not_fit(
    fresh_redis: RedisServer, redis: RedisConnection, name: str, value: int, code: str
) -> None:
    world = world_on(fresh_redis)
    await opened(world)
    await redis.execute("DEL", "av:meta")
    await redis.execute("HSET", "av:meta", "store", "other", "accepted", "other", name, value)
    await until(redis, lambda: code_of(world.store.trouble()) == code)

    with pytest.raises(StoreError) as refused:
        await world.create(timer_ms=world.now() + 10**9)
    assert refused.value.code == code
    await redis.execute("HSET", "av:meta", "partitions", 1, "format", FORMAT)
    await until(redis, lambda: world.store.trouble() is None)
    await world.create(timer_ms=world.now() + 10**9)
    await world.store.close()


async def test_a_store_that_another_replica_began_anew_is_not_taken_for_the_old_one(
    fresh_redis: RedisServer, redis: RedisConnection
) -> None:
    world, fresh = world_on(fresh_redis), world_on(fresh_redis)
    await opened(world)
    fresh_redis.command("FLUSHALL SYNC")
    await opened(fresh)
    await until(redis, lambda: "holds another store" in str(world.store.trouble()))
    assert code_of(world.store.trouble()) == "store.replaced"
    await fresh.store.close()
    await world.store.close()


async def test_a_new_store_is_told_and_an_old_one_is_not(
    fresh_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        world = world_on(fresh_redis)
        await opened(world)
        await world.store.close()
    [told] = [record.message for record in caplog.records if "store_id = " in record.message]
    assert "the store is empty and begins as" in told


async def test_a_store_must_have_the_identity_that_is_set(fresh_redis: RedisServer, redis: RedisConnection) -> None:
    world = world_on(fresh_redis, store_id="ours")
    with pytest.raises(StoreError, match="is empty"):
        await opened(world)
    assert await redis.execute("EXISTS", "av:meta") == 0
    assert await accept(redis, "ours") == "ours"
    await opened(world)
    await world.store.close()
    with pytest.raises(StoreError, match="holds another store, ours"):
        await opened(world_on(fresh_redis, store_id="theirs"))


def test_accepting_a_store_needs_a_confirmation(fresh_redis: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "accept", "--store", fresh_redis.url]) == 2
    assert "avtomat store accept --yes" in capsys.readouterr().err
    assert fresh_redis.command("EXISTS av:meta") == ":0"
    assert main(["store", "accept", "--store", "sqlite:///jobs.db"]) == 2
