"""Polls ask the store when that may help, and no poll is forgotten."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

import pytest

from avtomat.runtime.work.matchmaker import Standing
from avtomat.runtime.work.queues import Queues
from avtomat.runtime.work.strategies import Merit

ASKED = [(0, ["q"])]
NOBODY: list[tuple[int, list[str]]] = []
LONG_S = 60


@pytest.fixture
def queues() -> Queues:
    queues = Queues(1)
    queues.unread.clear()
    return queues


def standing(queues: Queues, *kinds: str) -> Standing:
    """The place of a poll for these kinds."""
    place = queues.standing(Merit())
    queues.look(place, kinds, None)
    return place


async def waiting(queues: Queues, *kinds: str) -> asyncio.Task[bool]:
    """A poll that waits."""
    poll = asyncio.create_task(queues.wait(standing(queues, *kinds), LONG_S))
    await asyncio.sleep(0)
    assert not poll.done()
    return poll


def test_one_poll_asks_for_one_task_and_others_wait_for_what_it_finds(queues: Queues) -> None:
    queues.has_work(0, "q")
    assert queues.worth_asking(["q"]) == ASKED
    claim = queues.claim(0, ["q"])

    assert queues.worth_asking(["q"]) == NOBODY
    assert queues.worth_asking(["q"], at_once=True) == ASKED

    queues.answered(claim, {"q"})
    assert queues.worth_asking(["q"], at_once=True) == NOBODY


def test_all_may_ask_once_a_claim_has_left_something(queues: Queues) -> None:
    first = queues.claim(0, ["q"])
    queues.has_work(0, "q")
    queues.answered(first, {"q"})
    claims = [queues.claim(0, ["q"]) for _ in range(3)]

    assert queues.worth_asking(["q"]) == ASKED

    for claim in claims:
        queues.answered(claim, ())
    assert queues.worth_asking(["q"]) == NOBODY


def test_news_that_come_while_the_store_is_asked_are_asked_for(queues: Queues) -> None:
    claim = queues.claim(0, ["q"])
    queues.has_work(0, "q")
    assert queues.worth_asking(["q"]) == ASKED

    queues.answered(claim, ())
    assert queues.worth_asking(["q"]) == ASKED


@pytest.mark.parametrize("taken", [None, {"other"}])
async def test_a_poll_that_waited_for_an_answer_looks_when_it_told_nothing(queues: Queues, taken: set[str]) -> None:
    claim = queues.claim(0, ["q", "other"])
    poll = await waiting(queues, "q")

    queues.answered(claim, taken)

    assert await poll is True
    assert queues.worth_asking(["q"]) == ASKED


async def test_each_task_that_is_left_wakes_the_poll_that_waited_longest(queues: Queues) -> None:
    claim = queues.claim(0, ["q"])
    polls = [await waiting(queues, "q") for _ in range(3)]
    for poll, later in pairwise([*polls, None]):
        queues.has_work(0, "q")
        queues.answered(claim, {"q"})
        assert await poll
        assert later is None or not later.done()
        claim = queues.claim(0, ["q"])


class SlowStore:
    """A store of one queue, whose claims are answered when the test says so."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.tasks = 0
        self.taken = 0
        self.unanswered: list[asyncio.Future[None]] = []

    def add(self) -> None:
        self.tasks += 1
        if self.tasks == 1:
            self.queues.has_work(0, "q")

    def answer(self) -> None:
        if self.unanswered:
            self.unanswered.pop(0).set_result(None)

    async def claim(self) -> bool:
        claim, found = self.queues.claim(0, ["q"]), self.tasks > 0
        self.tasks -= found
        if found and self.tasks:
            self.queues.has_work(0, "q")
        self.unanswered.append(asyncio.get_running_loop().create_future())
        await self.unanswered[-1]
        self.queues.answered(claim, {"q"} if found else ())
        self.taken += found
        return found

    async def poll(self) -> None:
        """Take one task, however long it takes."""
        place = standing(self.queues, "q")
        while not (self.queues.worth_asking(["q"]) and await self.claim()):
            await self.queues.wait(place, LONG_S)


@pytest.mark.parametrize("seed", range(30))
async def test_in_whatever_order_tasks_and_polls_come_none_is_left_waiting(queues: Queues, seed: int) -> None:
    store, polls = SlowStore(queues), []
    steps = ["add"] * 20 + ["poll"] * 20 + ["answer"] * 60
    Random(seed).shuffle(steps)
    for step in steps:
        if step == "poll":
            polls.append(asyncio.create_task(store.poll()))
        else:
            getattr(store, step)()
        await asyncio.sleep(0)
    while store.unanswered:
        store.answer()
        for _ in range(3):
            await asyncio.sleep(0)

    assert (store.taken, store.tasks) == (20, 0)
    await asyncio.gather(*polls)
