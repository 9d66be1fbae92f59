"""Breakers in the engine: on each store, with two replicas that agree."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from avtomat.errors import RequestRefused
from tests.runtime.bench import PATIENCE_S
from tests.runtime.fleet import until
from tests.runtime.trust.conftest import MakePair
from tests.runtime.trust.pair import Pair

ONCE = "states: {a: {task: work, retry: none, next: end}}\n"
KEPT = {"breaker_rate": 50, "breaker_attempts_min": 4, "breaker_window": timedelta(minutes=10)}
OPEN_FOR_S = 30.0
LEASE = timedelta(milliseconds=600)


async def break_it(pair: Pair) -> None:
    """Four jobs fail, half of them at each replica, so that the breaker opens; then one waits."""
    for number in range(4):
        await pair.submit()
        replica = pair.both[number % 2]
        await pair.fail(replica, await pair.take(replica), "TRANSIENT_ERROR")
    await pair.meet()


async def test_it_opens_for_all_replicas_and_nothing_of_the_kind_is_handed_out(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        job = await pair.submit()

        for replica in pair.both:
            assert await pair.look(replica) == []
            cause = await pair.why(replica, job)
            assert cause["cause"] == "breaker_open"
            assert "the breaker of work is open since" in cause["text"]
            assert cause["details"]["next_probe_at"] is not None
        [breaker] = await pair.b.trust.breakers.listed()
        assert breaker["reason"] == "4 of 4 attempts failed within 600 s: TRANSIENT_ERROR 4"


async def test_other_kinds_go_on(make_pair: MakePair) -> None:
    text = "states: {a: {task: '{{ }}', next: end}}\n".replace("'{{ }}'", "work")
    async with make_pair(text, **KEPT) as pair:
        await break_it(pair)
        await pair.submit()
        asked = await pair.look(pair.a, kind="other")

        assert asked == []
        assert pair.a.queues.shut == {"work"}


async def test_after_a_time_one_probe_goes_out_and_its_success_closes_it(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        jobs = [await pair.submit() for _ in range(3)]
        waiting = [pair.wait(replica, worker) for replica in pair.both for worker in ("w1", "w2")]
        await until(lambda: all(replica.queues.polls_waiting() == 2 for replica in pair.both))

        pair.turn(OPEN_FOR_S)
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        await pair.meet()
        assert sum(poll.done() for poll in waiting) == 1
        [probe] = done.pop().result()
        assert probe["job_id"] in jobs
        other = next(job for job in jobs if job != probe["job_id"])
        cause = await pair.why(pair.b, other)
        while cause["cause"] == "running":  # it was taken, and is given back
            cause = await pair.why(pair.b, other)
        assert cause["cause"] == "breaker_open"
        assert cause["details"]["probe"]["task_id"] == probe["task_id"]

        await pair.answer(pair.b, probe, next(w for w in ("w1", "w2") if w in cause["text"]))
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            while sum(poll.done() for poll in waiting) < 3:
                await asyncio.wait([poll for poll in waiting if not poll.done()], return_when=asyncio.FIRST_COMPLETED)
        assert {task["job_id"] for poll in waiting if poll.done() for task in poll.result()} == set(jobs)
        for poll in waiting:
            poll.cancel()


async def test_a_probe_that_fails_opens_it_again(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        for _ in range(2):
            await pair.submit()
        pair.turn(OPEN_FOR_S)
        await pair.meet()
        await pair.fail(pair.b, await pair.take(pair.a), "INTERNAL_ERROR")
        await pair.meet()

        for replica in pair.both:
            assert await pair.look(replica) == []
        pair.turn(OPEN_FOR_S)
        await pair.meet()
        assert await pair.look(pair.b)


async def test_two_replicas_never_hand_out_two_probes(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        for _ in range(6):
            await pair.submit()
        pair.turn(OPEN_FOR_S)
        for replica in pair.both:
            await replica.trust.breakers.keep()

        looks = [pair.look(replica, worker) for replica in pair.both for worker in ("w1", "w2", "w3")]
        found = [task for tasks in await asyncio.gather(*looks) for task in tasks]

        assert len(found) == 1
        counts = await pair.a.store.counts()
        assert (counts["leases"], counts["queue:work"]) == (1, 5)


async def test_a_probe_whose_worker_falls_silent_fails(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT, lease=LEASE) as pair:
        await break_it(pair)
        job = await pair.submit()
        await pair.submit()
        pair.turn(OPEN_FOR_S)
        await pair.meet()
        await pair.take(pair.a)

        assert (await pair.end_of(job))["error"]["code"] == "WORKER_LOST"
        await pair.meet()
        [breaker] = await pair.a.trust.breakers.listed()

        assert "the probe failed: WORKER_LOST" in [change["text"] for change in breaker["changes"]]


async def test_a_probe_that_is_given_back_decides_nothing_and_another_goes_out(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        await pair.submit()
        pair.turn(OPEN_FOR_S)
        await pair.meet()
        probe = await pair.take(pair.a)
        await pair.meet()
        await pair.a.dispatcher.release("w1", [probe["task_id"]])
        assert await pair.look(pair.b) == []

        pair.turn(6)
        await pair.meet()

        assert (await pair.take(pair.b))["job_id"] == probe["job_id"]


async def test_tasks_keep_their_places_and_their_times_go_on(make_pair: MakePair) -> None:
    text = "states: {a: {task: work, retry: none, timeout: {queue: 60s}, next: end}}\n"
    async with make_pair(text, **KEPT) as pair:
        await break_it(pair)
        first = await pair.submit()
        pair.turn(20)
        second = await pair.submit()
        await pair.meet()
        pair.turn(OPEN_FOR_S)
        await pair.meet()
        probe = await pair.take(pair.a)
        assert probe["job_id"] == first

        pair.turn(40)
        assert (await pair.end_of(second))["error"]["code"] == "NO_WORKER"


async def test_a_restarted_replica_goes_by_what_the_store_says(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        await pair.submit()
        fresh = type(pair.a.trust.breakers)(pair.a.store, pair.a.queues, None, pair.a.measures.tally.breakers)

        await fresh.keep()

        assert fresh.of("work") is not None


async def test_an_operator_closes_it(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await break_it(pair)
        job = await pair.submit()
        told = await pair.a.trust.breakers.reset("work", "ann")
        await pair.meet()

        assert (told["state"], told["changes"][-1]["text"]) == ("closed", "ann closed it")
        assert (await pair.take(pair.b))["job_id"] == job
        with pytest.raises(RequestRefused, match="no attempt at 'nothing' is known to have failed"):
            await pair.a.trust.breakers.reset("nothing", "ann")


async def test_errors_of_authors_and_successes_open_nothing(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        for number in range(8):
            await pair.submit()
            task = await pair.take(pair.a)
            if number % 2:
                await pair.fail(pair.b, task, "CARD_DECLINED")
            else:
                await pair.answer(pair.b, task)
        await pair.meet()

        assert await pair.a.trust.breakers.listed() == []


async def test_without_breakers_nothing_is_counted_or_asked(make_pair: MakePair) -> None:
    async with make_pair(ONCE) as pair:
        await break_it(pair)
        job = await pair.submit()

        assert await pair.b.trust.breakers.listed() == []
        assert (await pair.take(pair.b))["job_id"] == job
