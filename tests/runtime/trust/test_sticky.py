"""`sticky`: tasks of the same text go to the worker that had the last one, where that is free soon."""

from __future__ import annotations

import asyncio

import pytest

from avtomat.runtime.jobs.writing import sticky_name
from tests.runtime.bench import PATIENCE_S
from tests.runtime.fleet import until
from tests.runtime.trust.conftest import MakePair
from tests.runtime.trust.pair import Pair

TEXT = """
input: {type: object, properties: {customer: {type: [string, "null"]}}}
states: {a: {task: work, worker: {sticky: "{{ input.customer }}"}, next: end}}
"""
TWICE = """
input: {type: object, properties: {customer: {type: string}}}
defaults: {worker: {sticky: "{{ input.customer }}"}}
states: {a: {task: work, next: b}, b: {task: work, next: end}}
"""
ANN = {"customer": "ann"}


async def bind(pair: Pair, worker: str, customer: str = "ann") -> None:
    """The worker does a task of this customer's."""
    await pair.submit({"customer": customer})
    await pair.answer(pair.a, await pair.take(pair.a, worker), worker)


async def test_the_next_task_of_a_customer_goes_to_the_worker_of_the_last(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        others = [pair.wait(replica, "w2") for replica in pair.both]
        own = pair.wait(pair.b, "w1")
        await until(lambda: sum(replica.queues.polls_waiting() for replica in pair.both) == 3)

        await pair.submit(ANN)

        [task] = await asyncio.wait_for(own, PATIENCE_S)
        assert not any(poll.done() for poll in others)
        await pair.answer(pair.a, task)
        for poll in others:
            poll.cancel()


async def test_a_worker_that_comes_within_the_grace_finds_its_task_past_others(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        await bind(pair, "w2", "bob")
        bobs = await pair.submit({"customer": "bob"})
        anns = await pair.submit(ANN)
        plain = await pair.submit({"customer": None})

        assert (await pair.take(pair.a, "w1"))["job_id"] == anns
        assert (await pair.take(pair.a, "w1"))["job_id"] == plain
        assert (await pair.take(pair.a, "w2"))["job_id"] == bobs


async def test_why_says_which_worker_is_awaited_and_until_when(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        job = await pair.submit(ANN)

        cause = await pair.why(pair.b, job)
        shown = await pair.b.clients.job(job, None)

        assert (cause["cause"], cause["details"]["worker"]) == ("worker_awaited", "w1")
        assert cause["details"]["until"] in cause["text"]
        assert shown is not None
        assert shown["status"] == "waiting_for_worker"


async def test_after_the_grace_any_worker_takes_it_and_has_the_customer_then(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        job = await pair.submit(ANN)
        waiting = pair.wait(pair.b, "w2")
        await until(lambda: pair.b.queues.polls_waiting() == 1)
        pair.turn(2)

        [task] = await asyncio.wait_for(waiting, PATIENCE_S)
        assert task["job_id"] == job
        await pair.answer(pair.b, task, "w2")
        again = await pair.submit(ANN)
        assert await pair.look(pair.a, "w1") == []
        assert (await pair.take(pair.b, "w2"))["job_id"] == again


async def test_the_states_of_one_job_stay_with_one_worker(make_pair: MakePair) -> None:
    async with make_pair(TWICE) as pair:
        job = await pair.submit(ANN)
        await pair.answer(pair.b, await pair.take(pair.a, "w1"))

        assert await pair.look(pair.a, "w2") == []
        task = await pair.take(pair.a, "w1")
        assert task["job_id"] == job
        await pair.answer(pair.a, task)
        assert (await pair.end_of(job))["status"] == "finished"


async def test_null_is_no_text_and_nobody_is_awaited(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        for _ in range(2):
            job = await pair.submit({"customer": None})
            task = (await pair.look(pair.a, "w1")) or (await pair.look(pair.a, "w2"))
            assert task[0]["job_id"] == job
            await pair.answer(pair.a, task[0], "w1")
        await pair.submit({"customer": None})
        assert await pair.look(pair.a, "w2")


async def test_it_is_no_part_of_the_queues_name(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        for number in range(5):
            await pair.submit({"customer": f"c{number}"})

        counts = await pair.a.store.counts()

        assert [name for name in counts if name.startswith("queue:")] == ["queue:work"]
        assert counts["queue:work"] == 5


async def test_it_is_remembered_over_replicas_that_start_anew(make_pair: MakePair) -> None:
    async with make_pair(TEXT) as pair:
        await bind(pair, "w1")
        await pair.submit(ANN)

        assert await pair.look(pair.b, "w2") == []
        row = await pair.b.explainer.why(await pair.submit(ANN), None)
        assert row is not None
        assert row["causes"][0]["details"]["worker"] == "w1"


async def test_what_cannot_be_evaluated_fails_the_state(make_pair: MakePair) -> None:
    text = 'states: {a: {task: work, worker: {sticky: "{{ input.customer.name }}"}, next: end}}\n'
    async with make_pair(text) as pair:
        ended = await pair.end_of(await pair.submit(ANN))

        assert ended["error"]["code"] in {"TEMPLATE_ERROR", "EXPRESSION_ERROR"}


async def test_undos_stick_too(make_pair: MakePair) -> None:
    text = """
states:
  a:
    task: work
    next: b
    compensate: {task: work, worker: {sticky: "{{ output.shelf }}"}}
  b: {task: work, worker: {sticky: s7}, retry: none, next: end}
"""
    async with make_pair(text) as pair:
        await pair.submit()
        await pair.answer(pair.a, await pair.take(pair.a, "w1"), data={"shelf": "s7"})
        await pair.fail(pair.a, await pair.take(pair.a, "w2"), "OWN_ERROR", "w2")

        assert await pair.look(pair.b, "w1") == []
        assert await pair.take(pair.a, "w2")


@pytest.mark.parametrize("other", [("work", "bob"), ("work\nann", ""), ("wor", "k\nann")])
def test_a_name_is_of_a_kind_and_a_text(other: tuple[str, str]) -> None:
    assert sticky_name("work", "ann") == sticky_name("work", "ann")
    assert sticky_name("work", "ann") != sticky_name(*other)
    assert len(sticky_name("work", "ann" * 10_000)) == len(sticky_name("", "")) == 32
    assert sticky_name("work", "\ud800")
