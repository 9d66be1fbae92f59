"""How a state that did what it should is left."""

from __future__ import annotations

import pytest

from avtomat.core.model import Status
from avtomat.storage.port.codec import dumps, loads, scope_as_record
from tests.core.building import begun

CHOICE = """
states:
  ask: {task: ask, transitions: [{when: "output.n > 1", to: many}, {when: "output.n > 0", to: one}, {to: none}]}
  many: {succeed: many}
  one: {succeed: one}
  none: {succeed: none}
"""


@pytest.mark.parametrize(("n", "taken"), [(5, "many"), (1, "one"), (0, "none")])
def test_the_first_transition_that_holds_is_taken(n: int, taken: str) -> None:
    job = begun(CHOICE)

    job.succeeds({"n": n})

    assert job.ended.output == taken


def test_a_state_without_a_transition_that_holds_fails_with_no_transition() -> None:
    job = begun("states: {ask: {task: ask, transitions: [{when: output, to: end}]}}")

    job.succeeds(False)

    assert (job.error.code, job.error.state, job.error.attempt) == ("NO_TRANSITION", "ask", 1)


def test_no_transition_is_taken_by_the_states_own_catch_and_is_never_retried() -> None:
    job = begun(
        """
        states:
          ask:
            task: ask
            retry: {attempts: 5, errors: [ANY]}
            transitions: [{when: output, to: end}]
            catch: [{errors: [NO_TRANSITION], to: other}]
          other: {succeed: "{{ error.code }}"}
        """
    )

    job.succeeds(False)

    assert job.ended.output == "NO_TRANSITION"


def test_set_sees_the_data_before_it_and_guards_see_the_data_after() -> None:
    job = begun(
        """
        data: {a: 1, b: 2}
        states:
          swap:
            set: {a: "{{ data.b }}", b: "{{ data.a }}"}
            transitions: [{when: data.a == 2 and data.b == 1, to: end, set: {c: "{{ data.a + data.b }}"}}]
        """
    )

    assert job.data == {"a": 2, "b": 1, "c": 3}


def test_set_replaces_whole_variables_and_merges_nothing_inside() -> None:
    job = begun("data: {m: {a: 1, b: 2}, n: 1}\nstates: {one: {set: {m: {c: 3}}, next: end}}")

    assert job.data == {"m": {"c": 3}, "n": 1}


def test_only_the_chosen_arms_set_is_run() -> None:
    job = begun(
        """
        states:
          choose:
            transitions: [{when: input.no, to: end, set: {x: 1}}, {to: end, set: {y: 1}}]
        """,
        {"no": False},
    )

    assert job.data == {"y": 1}


def test_what_was_set_is_taken_back_when_a_guard_fails() -> None:
    job = begun(
        """
        data: {n: 1}
        states:
          work: {task: t, set: {n: 2}, transitions: [{when: input.missing, to: end}], catch: [{to: seen}]}
          seen: {succeed: {n: "{{ data.n }}", output: "{{ has(outputs.work) }}", code: "{{ error.code }}"}}
        """,
        {},
    )

    job.succeeds("done")

    assert job.ended.output == {"n": 1, "output": False, "code": "EXPRESSION_ERROR"}


def test_what_was_set_is_taken_back_when_the_chosen_arms_set_fails() -> None:
    job = begun(
        "data: {n: 1}\n"
        "states: {work: {task: t, set: {n: 2}, transitions: [{to: end, set: {m: '{{ input.missing }}'}}]}}",
        {},
    )

    job.succeeds()

    assert (job.ended.status, job.error.code, job.error.attempt, job.data) == (
        Status.FAILED,
        "EXPRESSION_ERROR",
        1,
        {"n": 1},
    )


@pytest.mark.parametrize("value", [1, 0, "true", None, []])
def test_a_guard_that_is_neither_true_nor_false_is_an_error(value: object) -> None:
    job = begun("states: {choose: {transitions: [{when: input.x, to: end}]}}", {"x": value})

    assert (job.error.code, job.error.state) == ("EXPRESSION_ERROR", "choose")


def test_true_is_not_one() -> None:
    job = begun("states: {choose: {transitions: [{when: input.x == 1, to: one}, {to: other}]}, "
                "one: {succeed: one}, other: {succeed: other}}", {"x": True})  # fmt: skip

    assert job.ended.output == "other"


def test_an_output_is_readable_by_its_states_name_until_the_next_visit_replaces_it() -> None:
    job = begun(
        """
        states:
          work: {task: t, transitions: [{when: output > 1, to: end}, {to: work, set: {seen: "{{ outputs.work }}"}}]}
        """
    )

    job.succeeds(1)
    job.succeeds(2)

    assert (job.data, job.outputs) == ({"seen": 1}, {"work": 2})


def test_end_gives_the_output_of_the_state_that_was_left() -> None:
    job = begun("states: {a: {task: t, next: b}, b: {task: t, next: end}}")

    job.succeeds("first")
    job.succeeds("second")

    assert job.ended.output == "second"


def test_end_after_a_state_without_output_gives_null() -> None:
    assert begun("states: {only: {set: {x: 1}, next: end}}").ended.output is None


def test_the_workers_own_word_is_the_status_that_guards_see() -> None:
    job = begun("states: {ask: {task: t, transitions: [{when: status == 'later', to: end}, {to: ask}]}}")

    job.succeeds(7, status="later")

    assert job.ended.output == 7


def test_values_come_out_as_they_went_in() -> None:
    value = {"z": None, "a": 1.0, "n": 1, "yes": True, "list": [None, 0.5, {"b": None, "a": []}]}
    job = begun("states: {a: {task: t, set: {kept: '{{ output }}'}, next: b}, b: {succeed: '{{ data.kept }}'}}")

    job.succeeds(value)

    assert dumps(job.ended.output) == dumps(value)
    assert dumps(loads(dumps(scope_as_record(job.scope)))["data"]["kept"]) == dumps(value)


def test_an_output_that_is_not_as_expected_fails_the_state_and_is_not_kept() -> None:
    job = begun("states: {ask: {task: t, expects: {type: integer}, next: end, catch: [{to: seen}]}, "
                "seen: {succeed: ['{{ error.code }}', '{{ error.details }}', '{{ has(outputs.ask) }}']}}")  # fmt: skip

    job.succeeds("text")

    code, details, kept = job.ended.output
    assert (code, details[0]["pointer"], kept) == ("CONTRACT_VIOLATION_ERROR", "", False)


def test_a_result_that_is_not_as_described_fails_the_job() -> None:
    job = begun("result: {type: integer}\nstates: {work: {task: t}}")

    job.succeeds("text")

    assert (job.ended.status, job.error.code, job.error.state) == (Status.FAILED, "CONTRACT_VIOLATION_ERROR", "work")


def test_succeed_ends_the_machine_with_its_rendered_value() -> None:
    assert begun("states: {done: {succeed: {a: ['{{ input.x }}']}}}", {"x": 1.0}).ended.output == {"a": [1.0]}
