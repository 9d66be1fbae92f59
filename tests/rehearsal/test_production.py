"""A rehearsal is what production does: the same histories, for any blueprint, every time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from avtomat import Engine, TaskContext, TaskError
from avtomat.core.formula import Json
from avtomat.rehearsal.cases import CaseFile
from avtomat.rehearsal.judging import outcome_of
from avtomat.rehearsal.marks import Mark, marks_in, observed
from avtomat.rehearsal.reading import read_tests
from avtomat.rehearsal.stage import Played, play
from tests.core.building import program_of
from tests.simulation.programs import random_blueprint

BLUEPRINT = """\
avtomat: 1
blueprint: it
data: {n: 0}
states:
  book:
    task: book
    compensate: {task: cancel, params: {booking: "{{ output.id }}"}}
    set: {n: "{{ data.n + 1 }}"}
    next: both
  both:
    parallel:
      left: {task: left, retry: {attempts: 2, delay: 1h, jitter: none}, compensate: {task: cancel, after: attempted}}
      right:
        start: each
        states:
          each:
            foreach: "{{ input.items }}"
            concurrency: 2
            tolerate: 1
            do: {task: pick, params: {sku: "{{ item }}"}}
            collect: "{{ output.bin }}"
            next: end
    timeout: 5h
    transitions:
      - {when: len(output.right) > 2, to: nap}
      - {to: end}
    catch: [{errors: [LATE], to: nap, set: {late: true}}]
  nap: {wait: 3d, next: fail}
  fail: {fail: {code: ENOUGH, message: "after {{ data.n }}", details: "{{ outputs }}"}}
"""
CASES = """\
avtomat: 1
test: it
cases:
  - name: c
    input: {items: [a, b, c, d]}
    tasks:
      book: {output: {id: 7}}
      left: [{error: TRANSIENT_ERROR}, {output: 1}]
      pick: {when: params.sku == 'b', error: GONE}
      "both.right.each": {when: params.sku != 'b', output: {bin: 3}}
      cancel: {}
"""


def test_the_engine_and_a_rehearsal_write_the_same_history(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text(BLUEPRINT, "utf-8")

    produced = asyncio.run(history_of_engine(tmp_path))
    played = play(program_of(BLUEPRINT), cases_of(CASES).cases[0])

    assert by_scope(played.entries) == by_scope(produced)
    assert played.compensated == ["both.left", "book"]


async def history_of_engine(folder: Path) -> Sequence[Mapping[str, Json]]:
    """What the embedded engine writes of the same job, with functions for the same answers."""
    async with Engine(folder, store="memory:") as engine:
        engine.task("book")(lambda: {"id": 7})
        engine.task("cancel")(lambda booking=0: booking)
        engine.task("left")(left)
        engine.task("pick")(pick)
        job = await engine.submit("it", {"items": ["a", "b", "c", "d"]})
        async for entry in engine.follow(job):
            if entry["type"] == "TaskFailed" or entry.get("trail") == ["nap"]:
                engine.advance("3d" if entry["scope"] == "/" else "1h")
        return await engine.history(job)


def left(context: TaskContext) -> int:
    if context.attempt == 1:
        raise TaskError("TRANSIENT_ERROR")
    return 1


def pick(sku: str) -> dict[str, int]:
    if sku == "b":
        raise TaskError("GONE")
    return {"bin": 3}


def by_scope(entries: Sequence[Mapping[str, Json]]) -> dict[str, list[Json]]:
    """What happened in each scope, in order; neither times nor who did it."""
    found: dict[str, list[Json]] = defaultdict(list)
    for entry in entries:
        changed = {key: entry.get("set", {}).get(key) for key in ("data", "outputs", "state", "error")}
        found[entry["scope"]].append([entry["type"], entry.get("trail"), changed, entry.get("ended")])
    return found


# --- any blueprint ----------------------------------------------------------------------------------------------------

INPUTS = ("{n: 2, items: [1, 2, 3], pause: 5s}", "{n: 1, items: [], pause: 1h30m}", "{n: 5, items: [1], pause: 0s}")
ANSWERS = (
    "{output: {n: 3, ok: true}}", "{output: null}", "{error: TRANSIENT_ERROR, takes: 3s}", "{error: OWN_CODE}",
    "{silent: true}", "{untaken: true}", "{output: {n: 0, ok: false, list: [1, null]}, takes: 20s, status: later}",
)  # fmt: skip
CHILDREN = (
    "{result: {n: 3, ok: true}}", "{result: 1, takes: 50s}", "{error: OWN_CODE, takes: 3s}", "{error: DEADLINE}",
    "[{error: TRANSIENT_ERROR}, {when: attempt == 2, result: [1, null]}]",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_any_program_comes_to_its_end_or_is_stopped_and_the_same_way_every_time(seed: int) -> None:
    random, program = Random(seed), program_of(random_blueprint(str(seed)))
    tasks = "".join(f"      {kind}: [{', '.join(random.choices(ANSWERS, k=40))}]\n" for kind in ("one", "two", "undo"))
    children = "".join(f"      {name}: {random.choice(CHILDREN)}\n" for name in ("other", "third", "nobody"))
    case = f"  - name: c\n    input: {random.choice(INPUTS)}\n    tasks:\n{tasks}    children:\n{children}"
    tests = cases_of(f"avtomat: 1\ntest: x\ncases:\n{case}")

    (first, seen), (again, seen_again) = (rehearsed(program, tests) for _ in range(2))

    assert (outcome_of(first), seen) == (outcome_of(again), seen_again)
    assert outcome_of(first).status in {"finished", "failed", "quarantined"} or first.stopped is not None
    assert (outcome_of(first).error or {}).get("code") != "INTERNAL_ERROR"


def rehearsed(program: Any, tests: CaseFile) -> tuple[Played, set[Mark]]:
    seen: set[Mark] = set()
    watched = observed(program, seen)
    played = play(watched, tests.cases[0])
    return played, seen | {*marks_in(played.entries, watched, played.join_errors)}


def test_watching_which_arms_are_taken_changes_no_decision() -> None:
    for seed in range(10):
        program = program_of(random_blueprint(str(seed)))
        tests = cases_of(
            "avtomat: 1\ntest: x\ncases: [{name: c, input: {n: 1, items: [1, 2], pause: 1s}, "
            "tasks: {one: {output: {n: 3, ok: true}}, two: {error: OWN_CODE}, undo: {}}}]\n"
        )
        plain, watched = play(program, tests.cases[0]), rehearsed(program, tests)[0]

        assert by_scope(plain.entries) == by_scope(watched.entries)


def cases_of(text: str) -> CaseFile:
    read = read_tests(text.encode())
    assert read.tests is not None, read.findings
    return read.tests
