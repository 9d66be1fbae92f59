"""`worker.sticky`: by which text a worker is preferred, rendered once for a visit."""

from __future__ import annotations

import pytest

from avtomat.core.formula import Json
from avtomat.core.messages import TaskSucceeded
from avtomat.core.program import Requirements
from avtomat.storage.port.codec import undos_as_json, undos_from_json
from tests.core.building import Position, begun


def sticky_of(job: Position) -> str:
    assert job.change.dispatch is not None
    assert job.change.dispatch.body is not None
    return job.change.dispatch.body.sticky


@pytest.mark.parametrize(
    ("given", "text"), [("ann", "ann"), ("", ""), (None, ""), (7, "7"), ([1, "ä"], '[1, "ä"]'), (True, "true")]
)
def test_a_text_is_as_it_is_null_is_none_and_others_are_json(given: Json, text: str) -> None:
    job = begun("states: {a: {task: t, worker: {sticky: '{{ input.c }}'}}}", {"c": given})

    assert sticky_of(job) == text


def test_it_asks_nothing_of_workers() -> None:
    job = begun("states: {a: {task: t, worker: {sticky: x, type: till}}}")
    alone = begun("states: {a: {task: t, worker: {sticky: x}}}")

    assert job.change.dispatch is not None
    assert job.change.dispatch.body is not None
    assert job.change.dispatch.body.requirements == Requirements(type="till")
    assert alone.change.dispatch is not None
    assert alone.change.dispatch.body is not None
    assert alone.change.dispatch.body.requirements is None


def test_an_own_worker_takes_the_place_of_that_of_the_defaults() -> None:
    states = "states: {a: {task: t, next: b}, b: {task: t, worker: {type: x}, next: end}}"
    job = begun(f"defaults: {{worker: {{sticky: usual}}}}\n{states}")
    assert sticky_of(job) == "usual"

    job.tell(TaskSucceeded(attempt=1))

    assert sticky_of(job) == ""


def test_an_attempt_that_follows_has_no_text_of_its_own() -> None:
    job = begun("states: {a: {task: t, worker: {sticky: x}}}")

    job.fails("TRANSIENT_ERROR")

    assert job.change.dispatch is not None
    assert job.change.dispatch.body is None


def test_what_cannot_be_rendered_is_an_error_of_the_state_before_any_attempt() -> None:
    job = begun("states: {a: {task: t, worker: {sticky: '{{ input.x.y }}'}}}", {})

    assert (job.error.code, job.error.state, job.error.attempt) == ("EXPRESSION_ERROR", "a", 0)


def test_an_undo_keeps_its_text_with_its_params() -> None:
    undo = "{task: u, worker: {sticky: '{{ output }}'}}"
    job = begun(f"states: {{a: {{task: t, next: b, compensate: {undo}}}, b: {{task: t, next: end}}}}")

    job.tell(TaskSucceeded(attempt=1, output="shelf"))

    [undo] = undos_from_json(undos_as_json(job.change.undos), job.program)
    assert undo.body.sticky == "shelf"
