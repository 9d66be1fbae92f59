"""What a worker says of its failure: only codes that a worker may use reach the blueprint as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from avtomat.core.messages import TaskFailed
from avtomat.runtime.work.results import BESIDE_BYTES_MAX, event_of


def failed(error: Any) -> TaskFailed:
    event = event_of({"worker_id": "w1", "status": "failure", "error": error})
    assert isinstance(event, TaskFailed)
    return event


@pytest.mark.parametrize("code", ["CARD_DECLINED", "TRANSIENT_ERROR", "NO_WORKER", "X1"])
def test_a_workers_own_code_comes_as_it_is(code: str) -> None:
    assert failed({"code": code, "message": "no", "details": 7}).details == 7
    assert failed({"code": code}).code == code


@pytest.mark.parametrize("code", ["1A", "\u00c4", 5, ["A"], "A" * 129, "DEADLINE", "limit.exceeded"])
def test_a_code_that_is_none_or_that_nothing_would_catch_is_a_permanent_error_with_the_code_in_details(
    code: Any,
) -> None:
    event = failed({"code": code, "message": "no", "details": 7})

    assert (event.code, event.message) == ("PERMANENT_ERROR", "no")
    assert event.details == {"code": code, "details": 7}


@pytest.mark.parametrize("error", [None, {}, {"code": None}, "no"])
def test_a_failure_without_a_code_is_an_internal_error(error: Any) -> None:
    assert failed(error).code == "INTERNAL_ERROR"


@pytest.mark.parametrize("error", [5, [], False, 1.5, ["no"]])
def test_an_error_that_is_neither_a_map_nor_a_text_is_for_good_and_shown(error: Any) -> None:
    event = failed(error)
    shown = json.dumps(error)

    assert (event.code, event.message) == ("PERMANENT_ERROR", f"error of the result is a map, or a text, not {shown}")
    assert event.details == {"field": "error", "expected": "a map, or a text", "found": shown}


@pytest.mark.parametrize(
    ("code", "fitting"), [("S3.NoSuchBucket", "S3_NOSUCHBUCKET"), ("not_found", "NOT_FOUND"), ("A B", "A_B")]
)
def test_a_code_of_another_form_is_made_to_fit_and_kept_in_the_details(code: str, fitting: str) -> None:
    event = failed({"code": code, "message": "no", "details": 7})

    assert (event.code, event.details) == (fitting, {"code": code, "details": 7})


def test_a_message_that_counts_as_nothing_in_python_is_still_a_message() -> None:
    assert failed({"code": "X1", "message": 0}).message == "0"
    assert failed({"code": "X1", "message": None}).message == ""


def test_a_message_that_is_no_text_is_told_as_json() -> None:
    assert failed({"code": "X1", "message": {"none": None, "yes": True}}).message == '{"none":null,"yes":true}'


@pytest.mark.parametrize("size", [BESIDE_BYTES_MAX, BESIDE_BYTES_MAX + 1])
def test_what_is_told_beside_an_answer_is_kept_up_to_a_limit_and_else_noted(size: int) -> None:
    text = "x" * (size - len('{"a":""}'))
    event = event_of({"worker_id": "w1", "data": 1, "costs": {"seconds": 1}, "metadata": {"a": text}})

    assert event.beside is not None
    assert event.beside["costs"] == {"seconds": 1}
    assert ("metadata" in event.beside) is (size == BESIDE_BYTES_MAX)
    assert event.beside.get("not_kept") == (
        None if size == BESIDE_BYTES_MAX else {"metadata": "it has 4097 bytes; at most 4096 are kept"}
    )
