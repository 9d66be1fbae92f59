"""A result that asks for the next task obeys what a poll obeys: breakers, reservations, probation."""

from __future__ import annotations

import asyncio

from avtomat.core.formula import Json
from avtomat.runtime.service import Service
from avtomat.runtime.work.polls import Poll
from tests.runtime.bench import PATIENCE_S
from tests.runtime.fleet import until
from tests.runtime.trust.conftest import MakePair
from tests.runtime.trust.pair import Pair
from tests.runtime.trust.test_breakers import KEPT, ONCE, OPEN_FOR_S, break_it
from tests.runtime.trust.test_reputations import EXPECTING, spoil
from tests.runtime.trust.test_sticky import ANN, TEXT, TWICE, bind


async def report(
    pair: Pair, replica: Service, task: dict[str, Json], worker: str = "w1", tasks_max: int = 10, **body: Json
) -> list[dict[str, Json]]:
    """The tasks that come with the answer to a result."""
    asked = Poll(worker=worker, kinds=("work",), timeout_s=0, tasks_max=tasks_max)
    ids = {"job_id": task["job_id"], "task_id": task["task_id"], "worker_id": worker}
    said, tasks = await replica.dispatcher.result_and_next({**ids, **body}, asked, lambda: False)
    assert said == {"status": "accepted"}
    return tasks


async def leases(pair: Pair) -> tuple[int, int]:
    counts = await pair.a.store.counts()
    return counts.get("leases", 0), counts.get("queue:work", 0)


async def test_it_does_not_get_past_an_open_breaker(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await pair.submit()
        task = await pair.take(pair.a)
        await break_it(pair)
        await pair.submit()

        assert await report(pair, pair.a, task) == []
        assert await leases(pair) == (0, 1)


async def test_what_a_replica_takes_that_has_not_heard_of_the_breaker_goes_back(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        await pair.submit()
        task = await pair.take(pair.a)
        await break_it(pair)
        await pair.submit()
        shut, pair.a.queues.shut = pair.a.queues.shut, frozenset[str]()
        commit = pair.a.store.commit

        async def heard_meanwhile(*args: Json) -> Json:
            answer = await commit(*args)
            pair.a.queues.shut = shut
            return answer

        executor = pair.a.dispatcher.result.__self__._executor  # type: ignore[attr-defined]
        kept, executor._store = executor._store, _With(executor._store, heard_meanwhile)
        try:
            assert await report(pair, pair.a, task) == []
        finally:
            executor._store = kept
        assert await leases(pair) == (0, 1)


class _With:
    def __init__(self, store: Json, commit: Json) -> None:
        self._store, self.commit = store, commit

    def __getattr__(self, name: str) -> Json:
        return getattr(self._store, name)


async def test_it_gets_one_probe_and_no_more(make_pair: MakePair) -> None:
    async with make_pair(ONCE, **KEPT) as pair:
        for _ in range(2):
            await pair.submit()
        tasks = [await pair.take(pair.a) for _ in range(2)]
        await break_it(pair)
        for _ in range(3):
            await pair.submit()
        pair.turn(OPEN_FOR_S)
        await pair.meet()

        found = await asyncio.gather(*(report(pair, pair.a, task) for task in tasks))

        assert sum(map(len, found)) == 1
        assert await leases(pair) == (1, 2)


async def test_it_gets_an_attempt_that_is_reserved_for_its_worker(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        await pair.submit({"customer": None})
        task = await pair.take(pair.a)
        job = await pair.submit(ANN)
        await until(lambda: bool(pair.a.dispatcher.seats.of("w1").reserved))

        assert [given["job_id"] for given in await report(pair, pair.a, task)] == [job]


async def test_a_worker_goes_on_with_the_job_whose_tasks_stick_to_it(make_pair: MakePair) -> None:
    async with make_pair(TWICE) as pair:
        job = await pair.submit(ANN)
        task = await pair.take(pair.a)

        assert [given["job_id"] for given in await report(pair, pair.a, task)] == [job]


async def test_no_other_worker_gets_what_is_reserved(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        await pair.submit({"customer": None})
        task = await pair.take(pair.a, "w2")
        await pair.submit(ANN)

        assert await report(pair, pair.a, task, "w2") == []


async def test_on_probation_a_worker_gets_no_more_than_its_few(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING, probation_tasks=2) as pair:
        await spoil(pair, 6)
        for _ in range(5):
            await pair.submit()
        asked = Poll(worker="w1", kinds=("work",), timeout_s=0, tasks_max=10)
        first, second = await pair.a.dispatcher.poll(asked, lambda: False)

        [third] = await report(pair, pair.a, first, data=1)

        assert {second["task_id"], third["task_id"]} == set(pair.a.dispatcher.seats.of("w1").held)
        assert await leases(pair) == (2, 2)


async def test_on_probation_a_worker_passes_over_none_that_waits(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING, probation_tasks=2) as pair:
        await spoil(pair, 6)
        await pair.submit()
        task = await pair.take(pair.a)
        good = pair.wait(pair.a, "w2")
        await until(lambda: pair.a.queues.polls_waiting() == 1)
        await pair.submit()

        assert await report(pair, pair.a, task, data=1) == []
        assert await asyncio.wait_for(good, PATIENCE_S)
