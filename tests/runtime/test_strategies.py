"""Of the polls that wait, the one is woken that the strategy names; of equal workers none is passed over."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from avtomat.runtime.work import queues as queues_module
from avtomat.runtime.work.matchmaker import Matchmaker, Profile, Standing
from avtomat.runtime.work.polls import Poll
from avtomat.runtime.work.strategies import Merit
from tests.runtime.bench import Bench, bench_of
from tests.runtime.fleet import PATIENCE_S, until

NEVER_S = 1_000.0
JAIN_MIN = 0.95
NOBODY = Profile(frozenset(), b"{}")
PLAIN = "states: {a: {task: work, next: end}}\n"


def asking_for(strategy: str) -> str:
    """A blueprint whose task asks for this strategy."""
    return f"states: {{a: {{task: work, worker: {{strategy: {strategy}}}, next: end}}}}\n"


async def stand(maker: Matchmaker, merit: Merit, queue: str) -> tuple[Standing, asyncio.Task[bool]]:
    """A poll of a worker with this merit waits for the queue."""
    standing = maker.standing(merit)
    standing.profile, standing.queues = NOBODY, [queue]
    waiting = asyncio.create_task(maker.wait(standing, NEVER_S))
    await asyncio.sleep(0)
    return standing, waiting


async def order(strategy: str | None, merits: dict[str, Merit]) -> list[str]:
    """In which order workers that came one after the other are woken, when none of them comes again."""
    maker, queue = Matchmaker(), "work"
    if strategy is not None:
        queue = "work#1"
        maker.learn(queue, {"strategy": strategy})
    polls = {name: await stand(maker, merit, queue) for name, merit in merits.items()}
    served: list[str] = []
    while maker.call(queue):
        await asyncio.sleep(0)
        served += [name for name, (_, waiting) in polls.items() if waiting.done() and name not in served]
    return served


def costing(cost: float, **more: Any) -> Merit:
    return Merit(costs={"work": cost}, **more)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (None, "c b d a"),
        ("round_robin", "a b c d"),
        ("cheapest", "c b d a"),
        ("least_loaded", "d a c b"),
        ("best_value", "b d c a"),
        ("overflow", "d a c b"),
    ],
)
async def test_a_strategy_is_an_order_of_those_that_wait(strategy: str | None, expected: str) -> None:
    merits = {
        "a": Merit(load=3),
        "b": costing(2, load=5),
        "c": costing(1, load=4, reputation=0.1),
        "d": costing(2, load=2, reputation=0.5),
    }
    if strategy in (None, "cheapest"):
        merits["b"].load = 0  # the load does not count, and of equal costs the one that has waited longest is first

    assert await order(strategy, merits) == expected.split()


async def test_overflow_fills_the_cheapest_before_a_dearer_one() -> None:
    cheap, dear = costing(1), costing(9)
    served = []
    for _ in range(8):
        [name, *_] = await order("overflow", {"dear": dear, "cheap": cheap})
        served.append(name)
        (cheap if name == "cheap" else dear).took(1)

    assert served == ["cheap"] * 3 + ["dear"] * 3 + ["dear", "cheap"]


@pytest.mark.parametrize("strategy", [None, "round_robin", "least_loaded", "cheapest", "best_value", "overflow"])
async def test_a_worker_that_is_hot_for_the_kind_comes_first_and_of_equal_ones_the_longest_waiting(
    strategy: str | None,
) -> None:
    merits = {
        "cold": costing(1, hot=frozenset({"other"})),
        "first": costing(5, hot=frozenset({"work"})),
        "second": costing(5, hot=frozenset({"work"})),
    }

    assert await order(strategy, merits) == ["first", "second", "cold"]


@pytest.mark.parametrize("strategy", [None, "round_robin", "least_loaded", "cheapest", "best_value", "overflow"])
async def test_a_worker_on_probation_comes_after_all_others_whatever_the_strategy(strategy: str | None) -> None:
    merits = {
        "doubtful": costing(1, hot=frozenset({"work"}), few=1, reputation=0.3),
        "dear": costing(9, load=7),
        "untold": Merit(load=9),
    }

    assert (await order(strategy, merits))[-1] == "doubtful"


async def test_a_worker_without_any_reputation_still_has_a_place() -> None:
    merits = {"nought": costing(1, reputation=0.0), "good": costing(2)}

    assert await order("best_value", merits) == ["good", "nought"]


def test_on_probation_a_worker_is_full_with_its_few_tasks_until_the_last_were_given_long_ago() -> None:
    merit = costing(1, few=2)
    assert merit.room(100) == 2
    merit.took(1, lease_s=NEVER_S)
    assert (merit.is_full, merit.room(100)) == (False, 1)
    merit.took(1, lease_s=NEVER_S)
    assert merit.is_full
    merit.counts_until_s = 0.0
    assert (merit.is_full, merit.room(100)) == (False, 1)
    merit.few = 0
    assert merit.room(100) == 100


# --- in the engine ----------------------------------------------------------------------------------------------------


async def poll_of(bench: Bench, worker: str, hot: tuple[str, ...] | None = None) -> asyncio.Task[Any]:
    """A poll that waits."""
    before = bench.service.queues.polls_waiting()
    asked = Poll(worker=worker, kinds=("work",), timeout_s=NEVER_S, hot=hot)
    waiting = asyncio.create_task(bench.service.dispatcher.poll(asked, lambda: False))
    await until(lambda: bench.service.queues.polls_waiting() == before + 1)
    return waiting


async def test_the_cheapest_that_waits_gets_the_task_though_it_came_last(tmp_path: Path) -> None:
    async with bench_of(asking_for("cheapest"), tmp_path, "memory") as bench:
        for worker, cost in (("dear", 5), ("cheap", 1)):
            await bench.register(worker, "work", capabilities={"cost_per_skill": {"work": cost}})
        dear, cheap = [await poll_of(bench, worker) for worker in ("dear", "cheap")]

        await bench.submit()
        assert await asyncio.wait_for(cheap, PATIENCE_S)
        await bench.submit()
        assert await asyncio.wait_for(dear, PATIENCE_S)


async def test_a_worker_has_the_fewer_attempts_in_hand_the_sooner_it_is_served(tmp_path: Path) -> None:
    async with bench_of(asking_for("least_loaded"), tmp_path, "memory") as bench:
        for worker in ("one", "two"):
            await bench.register(worker, "work")
        await bench.submit()
        taken = await bench.take("one", "work")
        one, two = [await poll_of(bench, worker) for worker in ("one", "two")]
        await bench.submit()
        assert await asyncio.wait_for(two, PATIENCE_S)

        two = await poll_of(bench, "two")
        await bench.answer(taken, "one")  # its poll waits meanwhile, and comes to the front
        await bench.submit()
        assert await asyncio.wait_for(one, PATIENCE_S)
        two.cancel()


async def test_heartbeats_tell_how_many_attempts_a_worker_has_in_hand(tmp_path: Path) -> None:
    async with bench_of(asking_for("least_loaded"), tmp_path, "memory") as bench:
        for worker in ("one", "two"):
            await bench.register(worker, "work")
        await bench.submit()
        await bench.take("two", "work")  # whoever is woken for a queue that is new here takes the first task
        one, two = [await poll_of(bench, worker) for worker in ("one", "two")]
        await bench.service.dispatcher.heartbeat("two", {"current_tasks": []})
        await bench.service.dispatcher.heartbeat("one", {"current_tasks": ["of another engine"]})

        await bench.submit()

        assert await asyncio.wait_for(two, PATIENCE_S)
        one.cancel()


async def test_a_worker_that_is_hot_has_a_moment_to_ask_before_a_cold_one_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues_module, "HOT_GRACE_S", NEVER_S)
    async with bench_of(PLAIN, tmp_path, "memory") as bench:
        await bench.register("cold", "work")
        await bench.register("hot", "work", hot_skills=["work"])
        cold = await poll_of(bench, "cold")

        job = await bench.submit()
        assert (await bench.take("hot", "work"))["job_id"] == job
        assert not cold.done()
        cold.cancel()


async def test_once_the_moment_is_over_a_cold_worker_gets_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues_module, "HOT_GRACE_S", 0.0)
    async with bench_of(PLAIN, tmp_path, "memory") as bench:
        await bench.register("hot", "work", hot_skills=["work"])
        cold = await poll_of(bench, "cold")

        await bench.submit()

        assert await asyncio.wait_for(cold, PATIENCE_S)


@pytest.mark.parametrize("way", ["heartbeat", "poll"])
async def test_a_worker_says_anew_what_it_is_hot_for_in_heartbeats_and_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(queues_module, "HOT_GRACE_S", NEVER_S)
    async with bench_of(PLAIN, tmp_path, "memory") as bench:
        await bench.register("w1", "work", hot_skills=["work"])
        await bench.register("w2", "work")
        if way == "heartbeat":
            await bench.service.dispatcher.heartbeat("w1", {"hot_skills": []})
            second = await poll_of(bench, "w2")
        else:
            waiting = await poll_of(bench, "w1", ())
            waiting.cancel()
            await asyncio.wait([waiting])
            second = await poll_of(bench, "w2")
        assert not bench.service.queues.hot

        await bench.submit()

        assert await asyncio.wait_for(second, PATIENCE_S)


# --- fair between equal workers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [None, "round_robin", "least_loaded", "cheapest", "best_value", "overflow"])
@pytest.mark.parametrize("seed", range(3))
async def test_equal_workers_get_equal_shares_whenever_their_polls_end_and_come_again(
    strategy: str | None, seed: int
) -> None:
    """Twenty workers, of which half are busy at a time; polls end in vain after 30 s, and some come again late."""
    chance, maker, queue = Random(seed), Matchmaker(), "work" if strategy is None else "work#1"
    if strategy is not None:
        maker.learn(queue, {"strategy": strategy})
    merits = [costing(1) for _ in range(20)]
    waiting: dict[int, tuple[Standing, asyncio.Task[bool]]] = {}
    shares, tie = [0] * len(merits), count()
    events: list[tuple[float, int, str, int]] = []
    for number in range(len(merits)):
        heappush(events, (chance.random(), next(tie), "polls", number))
    heappush(events, (1.0, next(tie), "task", -1))
    while sum(shares) < 2_000:
        now, _, what, number = heappop(events)
        if what == "polls":
            merits[number].load = 0
            waiting[number] = await stand(maker, merits[number], queue)
            heappush(events, (now + 30, next(tie), "ends", shares[number] * 1_000 + number))
        elif what == "ends":
            taken, number = divmod(number, 1_000)
            if taken == shares[number] and number in waiting:
                waiting.pop(number)[1].cancel()
                await asyncio.sleep(0)
                heappush(events, (now + (0.5 if number % 2 else 0.001), next(tie), "polls", number))
        else:
            heappush(events, (now + 1.0, next(tie), "task", -1))
            if maker.call(queue):
                await asyncio.sleep(0)
                [served] = [each for each, (_, poll) in waiting.items() if poll.done()]
                del waiting[served]
                shares[served] += 1
                merits[served].took(1)
                heappush(events, (now + chance.uniform(9, 11), next(tie), "polls", served))
    for _, poll in waiting.values():
        poll.cancel()

    assert jain(shares) >= JAIN_MIN
    assert min(shares) * 2 >= max(shares)


def jain(shares: list[int]) -> float:
    """Jain's index of fairness: 1 when all are equal, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))
