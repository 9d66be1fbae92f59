"""What becomes of an error: the lists of catch that may take it, from the state outward."""

from __future__ import annotations

import pytest

from avtomat.core.model import Error, Status
from tests.core.building import begun


def catching(arms: str, jobs: str = "") -> str:
    return f"""
avtomat: 1
blueprint: sample
data: {{n: 1}}
{jobs and f"catch: {jobs}"}
states:
  work: {{task: t, next: done, retry: none{arms and f", catch: {arms}"}}}
  done: {{succeed: "{{{{ outputs.work }}}}"}}
  own: {{transitions: [{{when: input.again, to: work}}, {{to: told}}]}}
  told: {{succeed: "{{{{ default(error.code, 'none') }}}}"}}
  rescue: {{task: mend, next: told}}
"""


AGAIN = {"again": False}


@pytest.mark.parametrize(
    ("arms", "code", "taken"),
    [
        ("[{errors: [A], to: own}]", "A", True),
        ("[{errors: [A], to: own}]", "B", False),
        ("[{errors: [A, B], to: own}]", "B", True),
        ("[{to: own}]", "B", True),
        ("[{errors: [ANY], to: own}]", "B", True),
        ("[{when: error.message == 'x', to: own}]", "A", False),
        ("[{errors: [B], to: rescue}, {errors: [A], to: own}]", "A", True),
    ],
)
def test_the_first_arm_that_names_the_error_and_whose_guard_holds_takes_it(arms: str, code: str, taken: bool) -> None:
    job = begun(catching(arms), AGAIN)

    job.fails(code)

    assert job.ended.output == (code if taken else None)
    assert job.ended.status is (Status.FINISHED if taken else Status.FAILED)


def test_an_error_that_nothing_takes_fails_the_job_unchanged() -> None:
    job = begun("states: {work: {task: t, retry: none}}")

    job.fails("CARD_DECLINED", "no money", {"card": 1})

    assert job.ended.status is Status.FAILED
    assert job.error.as_json() == {
        "code": "CARD_DECLINED",
        "message": "no money",
        "details": {"card": 1},
        "state": "work",
        "attempt": 1,
    }


def test_a_failed_state_runs_none_of_its_set_and_keeps_no_output() -> None:
    job = begun("data: {n: 1}\nstates: {work: {task: t, retry: none, set: {n: 2}, next: end, catch: [{to: seen}]}, "
                "seen: {succeed: ['{{ data.n }}', '{{ has(outputs.work) }}']}}")  # fmt: skip

    job.fails("A")

    assert job.ended.output == [1, False]


def test_a_failed_second_visit_leaves_the_output_of_the_first() -> None:
    job = begun("states: {work: {task: t, retry: none, next: work, catch: [{to: seen}]}, "
                "seen: {succeed: '{{ outputs.work }}'}}")  # fmt: skip
    job.succeeds("first")

    job.fails("A")

    assert job.ended.output == "first"


def test_the_arms_set_sees_the_error() -> None:
    job = begun(catching("[{to: own, set: {code: '{{ error.code }}', n: '{{ data.n + 1 }}'}}]"), AGAIN)

    job.fails("A")

    assert job.data == {"n": 2, "code": "A"}


def test_the_error_stays_readable_in_the_states_after_the_catch() -> None:
    job = begun(catching("[{to: rescue}]"), AGAIN)

    job.fails("A")
    job.succeeds()

    assert job.ended.output == "A"


def test_the_error_is_the_last_that_was_taken() -> None:
    job = begun("states: {a: {task: t, retry: none, next: end, catch: [{to: b}]}, "
                "b: {task: t, retry: none, next: end, catch: [{to: c}]}, "
                "c: {succeed: '{{ error.code }}'}}")  # fmt: skip

    job.fails("A")
    job.fails("B")

    assert job.ended.output == "B"


def test_a_catch_with_an_output_goes_on_as_if_the_state_had_succeeded_with_status_null() -> None:
    job = begun(
        """
        states:
          work:
            task: t
            retry: none
            set: {seen: "{{ output.n }}"}
            transitions: [{when: status == null and output.n == 7, to: good}, {to: bad}]
            catch: [{errors: [A], output: {n: 7}}]
          good: {succeed: ["{{ data.seen }}", "{{ outputs.work }}"]}
          bad: {fail: {code: BAD}}
        """
    )

    job.fails("A")

    assert job.ended.output == [7, {"n": 7}]


def test_a_block_that_a_catch_gave_an_output_has_no_status_either() -> None:
    job = begun(
        """
        states:
          both:
            parallel: {a: {task: t}, b: {task: t}}
            join: any
            transitions: [{when: status == null and output == 'none', to: good}, {to: bad}]
            catch: [{errors: [A], output: none}]
          good: {succeed: 1}
          bad: {fail: {code: BAD}}
        """
    )

    job.joins(failed=2, error=Error(code="A", state="both.a"))

    assert job.ended.output == 1


def test_an_error_on_the_way_out_with_the_catchs_output_goes_outward_and_never_to_the_same_list() -> None:
    job = begun(
        """
        catch: [{errors: [NO_TRANSITION], to: told}]
        data: {n: 1}
        states:
          work:
            task: t
            retry: none
            set: {n: 2}
            transitions: [{when: output == 'fine', to: end}]
            catch: [{output: other}]
          told: {succeed: ["{{ error.code }}", "{{ data.n }}", "{{ has(outputs.work) }}"]}
        """
    )

    job.fails("A")

    assert job.ended.output == ["NO_TRANSITION", 1, False]


@pytest.mark.parametrize(
    "arm",
    [
        "{when: input.missing, to: own}",
        "{to: own, set: {x: '{{ input.missing }}'}}",
        "{output: '{{ input.missing }}'}",
        "{when: \"'text'\", to: own}",
    ],
)
def test_an_error_in_an_arm_goes_to_the_blueprints_catch_and_never_to_the_same_list(arm: str) -> None:
    job = begun(catching(f"[{arm}, {{to: own}}]", "[{errors: [EXPRESSION_ERROR], to: told}]"), AGAIN)

    job.fails("A")

    assert job.ended.output == "EXPRESSION_ERROR"


def test_an_error_in_an_arm_takes_the_place_of_the_first_when_nothing_takes_it() -> None:
    job = begun(catching("[{to: own, set: {n: 5, x: '{{ input.missing }}'}}]"), AGAIN)

    job.fails("A")

    assert (job.error.code, job.error.state, job.error.attempt) == ("EXPRESSION_ERROR", "work", 1)
    assert (job.data, job.scope.error) == ({"n": 1}, None)


def test_the_states_own_catch_comes_before_the_blueprints() -> None:
    job = begun(catching("[{errors: [A], to: own}]", "[{to: rescue}]"), AGAIN)

    job.fails("A")

    assert job.ended.output == "A"


def test_the_blueprints_catch_takes_what_the_states_own_did_not() -> None:
    job = begun(catching("[{errors: [A], to: own}]", "[{to: rescue}]"), AGAIN)

    job.fails("B")

    assert job.scope.state == "rescue"


def test_the_blueprints_catch_takes_nothing_from_the_states_that_it_led_to() -> None:
    job = begun(catching("", "[{to: rescue}]"), AGAIN)
    job.fails("A")

    job.fails("INVALID_INPUT_ERROR")

    assert (job.ended.status, job.error.code, job.error.state) == (Status.FAILED, "INVALID_INPUT_ERROR", "rescue")


def test_a_catch_may_end_the_machine_which_then_has_no_output() -> None:
    job = begun("states: {work: {task: t, retry: none, catch: [{to: end}]}}")

    job.fails("A")

    assert (job.ended.status, job.ended.output) == (Status.FINISHED, None)


def test_an_error_on_entering_has_attempt_zero_and_is_taken_like_any_other() -> None:
    job = begun("states: {work: {task: t, params: '{{ input.missing }}', next: end, catch: [{to: seen}]}, "
                "seen: {succeed: '{{ error }}'}}", {})  # fmt: skip

    assert (job.ended.output["code"], job.ended.output["attempt"]) == ("EXPRESSION_ERROR", 0)
    assert job.change.dispatch is None


def test_a_text_that_holds_what_is_no_text_is_a_template_error() -> None:
    job = begun("states: {work: {task: t, params: {x: 'a {{ input.list }}'}}}", {"list": [1]})

    assert job.error.code == "TEMPLATE_ERROR"


def test_fail_ends_the_job_with_its_code_message_and_details() -> None:
    job = begun("states: {no: {fail: {code: OUT_OF_STOCK, message: 'no {{ input.x }}', "
                "details: {x: '{{ input.x }}'}}}}", {"x": 1})  # fmt: skip

    assert job.ended.status is Status.FAILED
    assert (job.error.code, job.error.message, job.error.details, job.error.state) == (
        "OUT_OF_STOCK",
        "no 1",
        {"x": 1},
        "no",
    )


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (None, "null"), ({"a": "ü"}, '{"a": "ü"}'), ("x", "x")])
def test_a_message_that_is_no_text_is_written_as_json(value: object, text: str) -> None:
    job = begun("states: {no: {fail: {code: A, message: '{{ input.x }}'}}}", {"x": value})

    assert job.error.message == text


@pytest.mark.parametrize("code", ["", "404", "9A", "Ä", "…", 5, None, ["A"], "A" * 129, "DEADLINE", "Limit exceeded"])
def test_a_code_of_fail_that_cannot_be_made_to_fit_is_a_permanent_error_with_the_original_in_the_details(
    code: object,
) -> None:
    job = begun("states: {no: {fail: {code: '{{ input.x }}', message: m, details: {a: 1}}}}", {"x": code})

    assert (job.error.code, job.error.message, job.error.state) == ("PERMANENT_ERROR", "m", "no")
    assert job.error.details == {"code": code, "details": {"a": 1}}


def test_fail_without_a_code_fails_again_with_the_error_that_was_caught() -> None:
    job = begun("states: {work: {task: t, retry: none, next: end, catch: [{to: no}]}, no: {fail: {}}}")

    job.fails("A", "first", {"d": 1})

    assert (job.error.code, job.error.message, job.error.details, job.error.state) == ("A", "first", {"d": 1}, "work")


def test_fail_without_a_code_and_without_a_caught_error_is_a_permanent_error() -> None:
    job = begun("states: {choose: {transitions: [{when: input.x, to: end}, {to: no}]}, no: {fail: {}}}", {"x": False})

    assert (job.error.code, job.error.state) == ("PERMANENT_ERROR", "no")


def test_what_a_fail_state_says_is_taken_by_no_catch() -> None:
    job = begun("catch: [{to: other}]\nstates: {no: {fail: {code: A}}, other: {succeed: 1}}")

    assert (job.ended.status, job.error.code) == (Status.FAILED, "A")


def test_a_fail_or_succeed_that_cannot_be_rendered_is_an_error_of_its_state_that_the_blueprint_may_catch() -> None:
    text = "catch: [{{to: other}}]\nstates: {{last: {}, other: {{succeed: '{{{{ error.state }}}}'}}}}"

    assert begun(text.format("{succeed: '{{ input.missing }}'}"), {}).ended.output == "last"
    assert begun(text.format("{fail: {code: A, message: '{{ input.missing }}'}}"), {}).ended.output == "last"


def test_a_job_with_unhandled_quarantine_is_parked_where_it_failed_instead_of_ended() -> None:
    job = begun("unhandled: quarantine\nstates: {work: {task: t, retry: none}}")

    job.fails("A")

    assert (job.change.ended, job.change.status, job.scope.state) == (None, Status.QUARANTINED, "work")
    assert job.change.reason is not None
    assert (job.change.reason.code, job.scope.waiting) == ("A", None)


def test_a_fail_state_ends_the_job_even_where_errors_are_parked() -> None:
    job = begun("unhandled: quarantine\nstates: {no: {fail: {code: A}}}")

    assert (job.ended.status, job.head.status) == (Status.FAILED, Status.FAILED)


@pytest.mark.parametrize(
    ("code", "fitting"), [("Some.x", "SOME_X"), ("S3.NoSuchBucket", "S3_NOSUCHBUCKET"), ("not found", "NOT_FOUND")]
)
def test_a_code_of_fail_is_made_to_fit_and_the_original_stays_in_the_details(code: str, fitting: str) -> None:
    job = begun("states: {no: {fail: {code: '{{ input }}', details: {a: 1}}}}", code)

    assert (job.error.code, job.error.details) == (fitting, {"code": code, "details": {"a": 1}})
