"""A state that waits for a signal: entering it, what it goes on with, and how it fails."""

from __future__ import annotations

from datetime import timedelta

import pytest

from avtomat.core.formula import Json
from avtomat.core.kinds.signals import KEY_CHARACTERS_MAX, SignalState
from avtomat.core.messages import CancelRequested, Ignored, RerunRequested, SignalReceived, SizeExceeded, SkipRequested
from avtomat.core.model import Status
from avtomat.core.waiting import OnSignal, waiting_from_json
from tests.core.building import NOW, begun, program_of

PAID = """
states:
  pay: {signal: paid, key: "{{ input.order }}", timeout: 1h, next: done}
  done: {succeed: "{{ outputs.pay }}"}
"""


def paid(payload: Json = None, name: str = "paid") -> SignalReceived:
    return SignalReceived(name=name, payload=payload, id="s1", by="bank")


def addresses(text: str) -> list[str]:
    return [state.address for state in program_of(text).states if isinstance(state, SignalState)]


def test_a_state_waits_for_its_name_and_rendered_key_until_its_timeout() -> None:
    job = begun(PAID, {"order": "o1"})

    assert job.scope.waiting == OnSignal(address="paid", key="o1", deadline=NOW + timedelta(hours=1))


def test_what_is_waited_for_is_written_down_and_read_again() -> None:
    waiting = begun(PAID, {"order": "o1"}).scope.waiting

    assert waiting is not None
    assert waiting_from_json(waiting.as_json()) == waiting


@pytest.mark.parametrize(("order", "key"), [(17, "17"), (1.5, "1.5"), ("", ""), ("a/b ü", "a/b ü")])
def test_a_key_is_a_text(order: Json, key: str) -> None:
    assert begun(PAID, {"order": order}).scope.waiting.signal == ("paid", key)  # type: ignore[union-attr]


@pytest.mark.parametrize("order", [None, True, [1], {"a": 1}, "x" * (KEY_CHARACTERS_MAX + 1), "a\nb", "a\0", "\ud800"])
def test_a_key_that_is_no_short_text_fails_the_state_on_entering(order: Json) -> None:
    job = begun(PAID, {"order": order})

    assert (job.error.code, job.error.state, job.error.attempt) == ("TEMPLATE_ERROR", "pay", 0)


def test_the_payload_is_the_output() -> None:
    job = begun(PAID, {"order": "o1"})

    job.tell(paid({"amount": 12}))

    assert (job.ended.status, job.ended.output) == (Status.FINISHED, {"amount": 12})


@pytest.mark.parametrize("payload", [None, 0, "", [], {}])
def test_an_empty_payload_is_a_payload(payload: Json) -> None:
    job = begun(PAID, {"order": "o1"})

    job.tell(paid(payload))

    assert job.ended.output == payload


def test_a_payload_is_data_and_never_rendered() -> None:
    job = begun(PAID, {"order": "o1"})

    job.tell(paid("{{ input.order }}"))

    assert job.ended.output == "{{ input.order }}"


def test_a_signal_of_another_name_is_ignored() -> None:
    job = begun(PAID, {"order": "o1"})

    assert isinstance(job.tell(paid(name="sent")), Ignored)


def test_a_scope_that_waits_for_something_else_ignores_a_signal() -> None:
    job = begun("states: {work: {task: t}}")

    assert isinstance(job.tell(paid()), Ignored)


def test_a_visit_takes_one_signal() -> None:
    job = begun("states: {pay: {signal: paid, next: work}, work: {task: t, next: end}}")
    job.tell(paid(1))

    assert isinstance(job.tell(paid(2)), Ignored)
    assert job.scope.outputs == {"pay": 1}


def test_a_time_that_passes_is_timeout_error() -> None:
    job = begun(PAID, {"order": "o1"})

    job.wakes(after="1h")

    assert (job.error.code, job.error.state, job.error.attempt) == ("TIMEOUT_ERROR", "pay", 0)


def test_a_catch_takes_the_timeout() -> None:
    job = begun("""
        states:
          pay: {signal: paid, timeout: 1h, catch: [{errors: [TIMEOUT_ERROR], output: late}], next: done}
          done: {succeed: "{{ outputs.pay }}"}
        """)

    job.wakes(after="1h")

    assert (job.ended.status, job.ended.output) == (Status.FINISHED, "late")


def test_without_a_timeout_no_timer_is_set() -> None:
    job = begun("states: {pay: {signal: paid}}")

    assert job.scope.waiting == OnSignal(address="paid")
    assert job.scope.waiting.due_at is None


@pytest.mark.parametrize("span", ["0s", "-5m"])
def test_a_time_that_is_over_is_now_so_that_a_signal_that_came_counts(span: str) -> None:
    job = begun("states: {pay: {signal: paid, timeout: '{{ input.t }}'}}", {"t": span})

    assert job.scope.waiting.due_at == NOW  # type: ignore[union-attr]


def test_what_expects_describes_not_is_an_error_of_the_state() -> None:
    job = begun("states: {pay: {signal: paid, expects: {type: object, required: [amount]}}}")

    job.tell(paid({"sum": 12}))

    assert (job.error.code, job.error.state) == ("CONTRACT_VIOLATION_ERROR", "pay")
    assert "amount" in str(job.error.details)


def test_a_signal_is_taken_once_a_visit_and_a_loop_waits_again() -> None:
    job = begun("""
        data: {n: 0}
        states:
          count:
            signal: tick
            set: {n: "{{ data.n + output }}"}
            transitions: [{when: data.n >= 3, to: end}, {to: count}]
        """)

    job.tell(paid(1, "tick"))
    assert (job.scope.data["n"], job.scope.waiting) == (1, OnSignal(address="tick"))
    job.tell(paid(2, "tick"))

    assert job.ended.status is Status.FINISHED


def test_a_payload_whose_way_out_fails_leaves_no_output() -> None:
    job = begun("states: {pay: {signal: paid, set: {n: '{{ output.none }}'}}}")

    job.tell(paid({}))

    assert (job.error.code, job.scope.outputs) == ("EXPRESSION_ERROR", {})


def test_a_payload_that_is_too_large_for_the_job_fails_it() -> None:
    job = begun("states: {pay: {signal: paid, catch: [{to: end}]}}")

    job.tell(SizeExceeded(message="too large", event=paid("x")))

    assert job.error.code == "LIMIT_EXCEEDED"


def test_an_operator_may_skip_the_wait() -> None:
    job = begun(PAID, {"order": "o1"})

    job.tell(SkipRequested(output={"amount": 0}))

    assert job.ended.output == {"amount": 0}


def test_a_rerun_waits_again_with_a_key_of_the_new_data() -> None:
    job = begun(
        "data: {k: a}\nstates: {pay: {signal: paid, key: '{{ data.k }}', next: work}, work: {task: t, next: end}}"
    )
    job.tell(paid(1))

    job.tell(RerunRequested(state="pay", data={"k": "b"}))

    assert (job.scope.visit, job.scope.waiting) == (3, OnSignal(address="paid", key="b"))


def test_a_cancel_ends_the_wait() -> None:
    job = begun(PAID, {"order": "o1"})

    job.tell(CancelRequested())

    assert (job.ended.status, job.scope.waiting) == (Status.CANCELLED, None)


def test_branches_and_items_wait_each_for_their_own_key() -> None:
    job = begun("""
        states:
          each: {foreach: "{{ input }}", do: {signal: picked, key: "{{ item }}"}}
        """, ["a", "b"])  # fmt: skip
    first, second = job.body(0), job.body(1)

    assert [first.scope.waiting, second.scope.waiting] == [OnSignal(address="picked", key=key) for key in "ab"]
    second.tell(paid(2, "picked"))
    assert second.ended.output == 2


def test_states_that_expect_the_same_share_an_address() -> None:
    told = addresses("""
        states:
          a: {signal: paid, expects: {type: object, required: [x]}, next: b}
          b: {signal: paid, expects: {required: [x], type: object}, next: c}
          c: {signal: sent, next: end}
        """)

    assert told == ["paid", "paid", "sent"]


def test_states_that_expect_different_payloads_have_addresses_of_their_own() -> None:
    told = addresses("""
        states:
          a: {signal: paid, expects: {type: object}, next: b}
          b: {parallel: {x: {signal: paid, expects: {type: string}}, y: {signal: paid}}, next: end}
        """)

    assert len(set(told)) == 3
    assert {address.partition("#")[0] for address in told} == {"paid"}


def test_an_address_is_the_same_each_time_that_a_program_is_built() -> None:
    text = "states: {a: {signal: paid, expects: {type: object}, next: b}, b: {signal: paid, next: end}}"

    assert addresses(text) == addresses(text)
