"""What a worker says of its failure: only codes that a worker may use reach the blueprint as they are."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.core.messages import TaskFailed
from avtomat.runtime.work.results import event_of


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


@pytest.mark.parametrize("error", [None, {}, {"code": None}, "no", 5, []])
def test_a_failure_without_a_code_is_an_internal_error(error: Any) -> None:
    assert failed(error).code == "INTERNAL_ERROR"


@pytest.mark.parametrize(
    ("code", "fitting"), [("S3.NoSuchBucket", "S3_NOSUCHBUCKET"), ("not_found", "NOT_FOUND"), ("A B", "A_B")]
)
def test_a_code_of_another_form_is_made_to_fit_and_kept_in_the_details(code: str, fitting: str) -> None:
    event = failed({"code": code, "message": "no", "details": 7})

    assert (event.code, event.details) == (fitting, {"code": code, "details": 7})


def test_a_message_that_counts_as_nothing_in_python_is_still_a_message() -> None:
    assert failed({"code": "X1", "message": 0}).message == "0"
    assert failed({"code": "X1", "message": None}).message == ""
