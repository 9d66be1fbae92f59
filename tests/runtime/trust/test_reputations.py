"""Reputation in the engine: on each store, with two replicas that agree; nothing that a worker sends sets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused
from avtomat.runtime.work.polls import Poll
from tests.runtime.bench import PATIENCE_S
from tests.runtime.fleet import until
from tests.runtime.trust.conftest import MakePair
from tests.runtime.trust.pair import Pair

EXPECTING = "states: {a: {task: work, retry: none, expects: {type: integer}, next: end}}\n"
LEASE = timedelta(milliseconds=600)


async def spoil(pair: Pair, times: int, worker: str = "w1") -> None:
    """So many outputs that `expects` refuses, half of them at each replica."""
    for number in range(times):
        await pair.submit()
        replica = pair.both[number % 2]
        await pair.answer(replica, await pair.take(replica, worker), worker, data="no number")
    await pair.meet()


def scores(pair: Pair, worker: str = "w1") -> list[float]:
    return [round(replica.trust.reputations.of(worker), 2) for replica in pair.both]


async def test_what_a_worker_spoils_at_either_replica_counts_at_both(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await spoil(pair, 4)

        assert scores(pair) == [0.56, 0.56]
        shown = await pair.b.workers.one("w1")
        assert (shown["reputation"], shown["probation"], len(shown["faults"])) == (0.556, False, 4)
        assert {fault["fault"] for fault in shown["faults"]} == {"contract"}
        assert {fault["kind"] for fault in shown["faults"]} == {"work"}


async def test_good_work_makes_it_better_and_time_too(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await spoil(pair, 4)
        for _ in range(20):
            await pair.submit()
            await pair.answer(pair.b, await pair.take(pair.a), data=1)
        await pair.meet()
        assert scores(pair) == [0.71, 0.71]

        pair.turn(3_600)
        await pair.meet()
        assert scores(pair) == [0.79, 0.79]
        pair.turn(24 * 3_600)
        await pair.meet()
        assert scores(pair) == [1.0, 1.0]
        found = await pair.a.store.agreed("reputation", 0)
        assert found is not None
        assert found[1] == {}


async def test_an_error_of_the_author_a_failure_and_an_attempt_given_back_are_no_fault(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        for code in ("CARD_DECLINED", "INVALID_INPUT_ERROR", "TRANSIENT_ERROR", "INTERNAL_ERROR"):
            await pair.submit()
            await pair.fail(pair.a, await pair.take(pair.a), code)
        await pair.submit()
        await pair.answer(pair.a, await pair.take(pair.a), status="cancelled", given_back=True)
        await pair.meet()

        assert scores(pair) == [1.0, 1.0]
        assert await pair.a.store.agreed("reputation", 0) is None


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"status": "cancelled"}, "lost"),
        ({"status": ["no word"]}, "malformed"),
        ({"status": "failure", "error": 7}, "malformed"),
        ({"status": "failure", "error": {"code": "CONTRACT_VIOLATION_ERROR"}}, "contract"),
    ],
)
async def test_what_is_a_fault_of_the_worker(make_pair: MakePair, body: dict[str, Json], fault: str) -> None:
    async with make_pair(EXPECTING) as pair:
        await pair.submit()
        await pair.answer(pair.b, await pair.take(pair.a), **body)
        await pair.meet()

        assert [each["fault"] for each in (await pair.a.workers.one("w1"))["faults"]] == [fault]


async def test_a_lease_that_ran_out_and_a_time_that_passed_are_faults_of_who_had_the_attempt(
    make_pair: MakePair,
) -> None:
    text = """
states:
  a: {task: work, retry: none, catch: [{to: b}], next: b}
  b: {task: work, retry: none, timeout: {attempt: 100ms, heartbeat: 30s}, next: end}
"""
    async with make_pair(text, lease=LEASE) as pair:
        job = await pair.submit()
        await pair.take(pair.a)
        await pair.take(pair.b, "w2")
        assert (await pair.end_of(job))["error"]["code"] == "TIMEOUT_ERROR"
        await pair.meet()

        for worker, fault in (("w1", "lost"), ("w2", "timeout")):
            assert [each["fault"] for each in (await pair.a.workers.one(worker))["faults"]] == [fault]


async def test_a_result_that_came_while_the_job_was_paused_counts_when_it_is_used(make_pair: MakePair) -> None:
    from avtomat.core.messages import PauseRequested, ResumeRequested

    async with make_pair(EXPECTING) as pair:
        job = await pair.submit()
        task = await pair.take(pair.a)
        await pair.a.operators.operate(job, None, PauseRequested())
        await pair.answer(pair.b, task, data="no number")
        await pair.meet()
        assert scores(pair) == [1.0, 1.0]

        await pair.a.operators.operate(job, None, ResumeRequested())
        await pair.end_of(job)
        await pair.meet()

        [fault] = (await pair.a.workers.one("w1"))["faults"]
        assert (fault["fault"], fault["task_id"]) == ("contract", task["task_id"])


# --- probation --------------------------------------------------------------------------------------------------------


async def test_on_probation_a_worker_gets_a_task_only_when_no_other_waits_for_it(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await spoil(pair, 6)
        doubtful, good = pair.wait(pair.a, "w1"), pair.wait(pair.a, "w2")
        await until(lambda: pair.a.queues.polls_waiting() == 2)

        await pair.submit()
        assert await asyncio.wait_for(good, PATIENCE_S)
        assert not doubtful.done()
        await pair.submit()
        assert await asyncio.wait_for(doubtful, PATIENCE_S)


async def test_on_probation_a_worker_has_few_tasks_at_a_time(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING, probation_tasks=2) as pair:
        await spoil(pair, 6)
        for _ in range(5):
            await pair.submit()
        asked = Poll(worker="w1", kinds=("work",), timeout_s=0, tasks_max=10)

        first = await pair.a.dispatcher.poll(asked, lambda: False)
        assert len(first) == 2
        assert await pair.a.dispatcher.poll(asked, lambda: False) == []
        waiting = pair.wait(pair.a)
        await pair.answer(pair.a, first[0], data=1)
        assert len(await asyncio.wait_for(waiting, PATIENCE_S)) == 1
        assert len(await pair.look(pair.a, "w2")) == 1


async def test_a_worker_whose_few_tasks_ended_elsewhere_is_not_left_without(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING, lease=LEASE) as pair:
        await spoil(pair, 6)
        await pair.submit()
        await pair.submit()
        task = await pair.take(pair.a)
        await pair.answer(pair.b, task, data=1)

        assert await pair.take(pair.a)


async def test_a_worker_that_recovers_is_on_probation_no_longer(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await spoil(pair, 6)
        assert [replica.trust.reputations.on_probation() for replica in pair.both] == [1, 1]
        waiting = pair.wait(pair.a)
        await until(lambda: pair.a.queues.polls_waiting() == 1)

        pair.turn(2 * 3_600)
        await pair.meet()
        assert [replica.trust.reputations.on_probation() for replica in pair.both] == [0, 0]
        await pair.submit()
        assert await asyncio.wait_for(waiting, PATIENCE_S)


async def test_why_says_that_the_worker_is_on_probation(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await pair.a.dispatcher.register({"worker_id": "w1", "supported_skills": ["work"]})
        await spoil(pair, 6)
        job = await pair.submit()

        cause = await pair.why(pair.b, job)

        assert "w1 (on probation, at most 1 at a time)" in cause["text"]
        assert cause["details"]["probation"] == ["w1"]


async def test_without_a_threshold_nobody_is_on_probation(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING, probation_below=0) as pair:
        await spoil(pair, 12)

        assert scores(pair)[0] < 0.4
        assert pair.a.trust.reputations.on_probation() == 0


async def test_best_value_goes_by_reputation_at_the_replica_that_did_not_see_the_fault(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING.replace("next", "worker: {strategy: best_value}, next")) as pair:
        for worker, cost in (("cheap", 10), ("dear", 12)):
            record = {"worker_id": worker, "supported_skills": ["work"]}
            await pair.b.dispatcher.register({**record, "capabilities": {"cost_per_skill": {"work": cost}}})
        await pair.submit()
        await pair.answer(pair.b, await pair.take(pair.b, "dear"), "dear", data=1)  # the queue is known there by now
        for _ in range(2):
            await pair.submit()
            await pair.answer(pair.a, await pair.take(pair.a, "cheap"), "cheap", data="no number")
        await pair.meet()
        cheap, dear = pair.wait(pair.b, "cheap"), pair.wait(pair.b, "dear")
        await until(lambda: pair.b.queues.polls_waiting() == 2)

        await pair.submit()

        assert await asyncio.wait_for(dear, PATIENCE_S)
        cheap.cancel()


# --- never set from outside -------------------------------------------------------------------------------------------

CLAIM: Any = {"reputation": 1.0, "probation": False, "good": 10**6, "bad": 0, "faults": []}
CLAIMED = ("reputation", "probation", "faults", "security", "metadata", "costs", "capabilities", "resources", "usage")


async def claim_everywhere(pair: Pair, worker: str) -> None:
    """Say in each message of the protocol, in each field and place, that the worker is good."""
    told = {**CLAIM, **{name: CLAIM for name in CLAIMED if name != "reputation"}}
    for replica in pair.both:
        record = {"worker_id": worker, "supported_skills": [{"name": "work", "properties": CLAIM}], **told}
        await replica.dispatcher.register(record)
        await replica.dispatcher.heartbeat(worker, {"worker_id": worker, "status": "idle", **told})
        await replica.dispatcher.heartbeat(worker, record)
        event = {"event_id": "e1", "worker_id": worker, "event_type": "reputation", "payload": CLAIM, **told}
        with pytest.raises(RequestRefused):  # it is for no attempt
            await replica.dispatcher.event(event)
        await replica.dispatcher.event({**event, "event_type": "progress", "target_task_id": "none"})
        await replica.dispatcher.poll(Poll(worker=worker, kinds=("reputation",), timeout_s=0, hot=()), lambda: False)


async def test_nothing_that_a_worker_sends_sets_its_reputation(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await spoil(pair, 6)
        before = scores(pair)

        await claim_everywhere(pair, "w1")
        await pair.meet()
        assert scores(pair) == before
        await pair.submit()
        task = await pair.take(pair.a)
        await pair.answer(pair.b, task, **{"data": "no number", **CLAIM, "metadata": CLAIM, "costs": CLAIM})
        await pair.meet()

        assert scores(pair)[0] < before[0]
        assert scores(pair)[0] == scores(pair)[1]


async def test_a_new_registration_leaves_the_reputation_as_it_is(make_pair: MakePair) -> None:
    async with make_pair(EXPECTING) as pair:
        await spoil(pair, 6)
        pair.turn(600)
        await pair.a.dispatcher.register({"worker_id": "w1", "supported_skills": ["work"]})
        await pair.meet()

        assert scores(pair)[0] < 0.5


# --- what it costs ----------------------------------------------------------------------------------------------------


async def test_successes_of_a_worker_without_a_fault_are_told_to_nobody(
    make_pair: MakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_pair(EXPECTING) as pair:
        asked: list[str] = []

        async def agree(topic: str, *_: object) -> list[str]:
            asked.append(topic)
            return []

        monkeypatch.setattr(pair.a.store, "agree", agree, raising=False)
        for _ in range(50):
            await pair.submit()
            await pair.answer(pair.a, await pair.take(pair.a), data=1)
            await pair.a.trust.reputations.keep()

        assert asked == []


async def test_many_faults_between_two_looks_are_told_in_one_step(
    make_pair: MakePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_pair(EXPECTING) as pair:
        reputations = pair.a.trust.reputations
        told: list[int] = []
        agree = pair.a.store.agree

        async def counted(topic: str, changes: dict[str, bytes], was: dict[str, bytes]) -> list[str]:
            told.append(len(changes))
            return await agree(topic, changes, was)

        monkeypatch.setattr(pair.a.store, "agree", counted, raising=False)
        await reputations.keep()
        for number in range(30):
            worker = f"w{number % 3}"
            await pair.submit()
            await pair.answer(pair.a, await pair.take(pair.a, worker), worker, data="no number")
        await reputations.keep()

        assert sum(told) <= 9
        assert len(told) <= 3
