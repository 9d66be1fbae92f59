"""Joins as the whole engine decides them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.bench import bench_of

RACE = """
start: race
states:
  race:
    parallel: {slow: {task: slow}, fast: {task: fast}}
    join: any
    transitions: [{when: status == 'fast', to: right}, {to: wrong}]
  right: {succeed: "{{ outputs.race }}"}
  wrong: {fail: {code: WRONG}}
"""


async def test_the_winner_is_who_ended_first_even_if_others_end_before_the_block_hears_of_it(tmp_path: Path) -> None:
    async with bench_of(RACE, tmp_path, "memory") as bench:
        await bench.register("w1", "slow", "fast")
        job = await bench.submit()
        slow, fast = await bench.take("w1", "slow"), await bench.take("w1", "fast")

        await bench.answer(fast, data=1)
        await bench.answer(slow, data=2)

        ended = await bench.until_status(job, "finished", "failed")
    assert (ended["status"], ended["result"]["fast"]) == ("finished", 1)


TOLD = """
states:
  pay: {task: pay, retry: none, next: end, catch: [{to: tell}]}
  tell:
    foreach: "{{ ['mail', 'shop'] }}"
    do: {parallel: {only: {task: tell, params: {whom: "{{ item }}", why: "{{ error }}"}}}}
    next: end
"""


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_bodies_within_bodies_are_told_the_error_that_was_caught_around_them(tmp_path: Path, store: str) -> None:
    async with bench_of(TOLD, tmp_path, store) as bench:
        await bench.submit()
        await bench.fail(await bench.take("w1", "pay"), "DECLINED")

        told = [(await bench.take("w1", "tell"))["params"] for _ in range(2)]

    why = {"code": "DECLINED", "message": "no", "details": None, "state": "pay", "attempt": 1}
    assert sorted((each["whom"], each["why"] == why) for each in told) == [("mail", True), ("shop", True)]
