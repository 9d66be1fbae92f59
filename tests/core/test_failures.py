"""What the arms of a block read of the bodies that failed."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.core.kinds.blocks import BlockState
from avtomat.core.messages import JoinDecided, TimerFired
from avtomat.core.model import Error
from tests.core.building import Position, begun, program_of, seconds

Json = Any

EACH = """
states:
  all:
    foreach: [1, 2, 3]
    KEYS
    do: {task: t, retry: none}
    set: {fails: "{{ failures }}", count: "{{ failed }}"}
    next: hold
  hold: {wait: 1h, next: end}
"""
SECOND = Error(code="BAD", message="no", state="all[1]", attempt=1).as_json()


def told(job: Position, *failures: tuple[int, Json], failed: int | None = None, met: bool = True) -> None:
    error = None if met else Error(code="BAD", message="no", state="all[1]")
    count = len(failures) if failed is None else failed
    number = job.scope.forks - 1
    job.tell(
        JoinDecided(
            number=number, met=met, ok=3 - count, failed=count, error=error, failures=failures, outputs=[None] * 3
        )
    )


def each(keys: str = "tolerate: 2") -> Position:
    return begun(EACH.replace("KEYS", keys))


@pytest.mark.parametrize("keys", ["tolerate: 2", "collect: false\n    tolerate: 2", "join: {at_least: 1}"])
def test_the_items_that_failed_are_told_with_their_index(keys: str) -> None:
    job = each(keys)

    told(job, (1, SECOND))

    assert job.data == {"fails": [{"index": 1, "error": SECOND}], "count": 1}


def test_all_are_counted_though_not_all_are_told() -> None:
    job = each()

    told(job, (1, SECOND), failed=2)

    assert job.data["count"] == 2


def test_there_are_none_where_nothing_failed() -> None:
    job = each()

    told(job)

    assert job.data == {"fails": [], "count": 0}


def test_there_are_none_where_nothing_was_begun() -> None:
    job = begun(EACH.replace("[1, 2, 3]", "'{{ [] }}'").replace("KEYS", "tolerate: 1"))

    assert job.data == {"fails": [], "count": 0}


def test_the_branches_that_failed_are_told_with_their_name() -> None:
    job = begun("""
    states:
      all:
        parallel: {a: {task: t}, b: {task: t}, c: {task: t}}
        join: {at_least: 2}
        set: {fails: "{{ failures }}"}
        next: hold
      hold: {wait: 1h, next: end}
    """)

    told(job, (1, SECOND))

    assert job.data == {"fails": [{"branch": "b", "error": SECOND}]}


def test_an_arm_chooses_by_them() -> None:
    job = begun("""
    states:
      all:
        foreach: [1, 2, 3]
        tolerate: 2
        do: {task: t}
        transitions:
          - {when: "failed > 0 and failures[0].error.code == 'BAD'", to: bad}
          - {to: end}
      bad: {wait: 1h, next: end}
    """)

    told(job, (1, SECOND))

    assert job.scope.state == "bad"


def test_the_blocks_own_catch_reads_them() -> None:
    job = begun("""
    states:
      all:
        foreach: [1, 2, 3]
        do: {task: t}
        catch: [{when: "failed == 1", set: {code: "{{ failures[0].error.code + error.code }}"}, to: hold}]
        next: end
      hold: {wait: 1h, next: end}
    """)

    told(job, (1, SECOND), met=False)

    assert job.data == {"code": "BADBAD"}


def test_a_block_that_took_too_long_tells_what_had_failed_by_then() -> None:
    job = begun("""
    states:
      all:
        foreach: [1, 2, 3]
        tolerate: 2
        timeout: 1m
        do: {task: t}
        catch: [{set: {n: "{{ failed }}", fails: "{{ failures }}"}, to: hold}]
        next: end
      hold: {wait: 1h, next: end}
    """)
    job.now += seconds(60)

    job.tell(TimerFired(visit=job.scope.visit, failed=2, failures=[(1, SECOND)]))

    assert job.data == {"n": 2, "fails": [{"index": 1, "error": SECOND}]}


def test_those_of_an_earlier_attempt_of_the_block_are_forgotten() -> None:
    job = each("retry: {attempts: 2, errors: [ANY], delay: 1s, jitter: none}")
    told(job, (0, SECOND), (1, SECOND), met=False)
    job.wakes(after="1s")

    told(job)

    assert job.data == {"fails": [], "count": 0}


def test_the_next_state_does_not_see_them() -> None:
    job = begun("""
    states:
      one: {foreach: [1, 2, 3], tolerate: 2, do: {task: t}, set: {n: "{{ failed }}"}, next: two}
      two: {foreach: "{{ [] }}", do: {task: t}, set: {m: "{{ failed }}"}, next: hold}
      hold: {wait: 1h, next: end}
    """)

    told(job, (1, SECOND))

    assert job.data == {"n": 1, "m": 0}


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_body_tells_its_error_where_the_block_reads_failures() -> None:
    body = each().body(1)

    body.fails("BAD")

    assert body.ended.tells


@pytest.mark.parametrize(
    "arm", ['set: {n: "{{ failed }}"}, next: end', "next: end", "transitions: [{when: failed > 1, to: end}, {to: end}]"]
)
def test_nothing_is_told_where_no_arm_reads_failures(arm: str) -> None:
    body = begun(f"states: {{all: {{foreach: [1], tolerate: 1, do: {{task: t, retry: none}}, {arm}}}}}").body(0)

    body.fails("BAD")

    assert not body.ended.tells


def test_a_body_whose_collect_fails_tells_that_error() -> None:
    body = each('tolerate: 2\n    collect: "{{ output.n }}"').body(0)

    body.succeeds({})

    assert (body.error.code, body.ended.tells) == ("EXPRESSION_ERROR", True)


@pytest.mark.parametrize(
    "arms",
    [
        "set: {n: '{{ failures }}'}, next: end",
        "transitions: [{when: len(failures) > 1, to: end}, {to: end}]",
        "transitions: [{to: end, set: {n: '{{ failures[0] }}'}}]",
        "catch: [{output: '{{ failures }}'}], next: end",
        "catch: [{when: len(failures) > 1, to: end}], next: end",
    ],
)
def test_every_arm_counts_as_a_reader(arms: str) -> None:
    state = program_of(f"states: {{all: {{foreach: [1], tolerate: 1, do: {{task: t}}, {arms}}}}}").machines[""]

    block = state.states["all"]

    assert isinstance(block, BlockState)
    assert block.reads_failures
