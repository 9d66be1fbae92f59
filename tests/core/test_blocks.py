"""Parallel and foreach: what they begin, what their bodies see, and how they are joined."""

from __future__ import annotations

import pytest

from avtomat.core.messages import Ignored, JoinDecided
from avtomat.core.model import Error, Ref, Status
from avtomat.core.waiting import OnFork, OnRetry
from tests.core.building import Position, begun, seconds

BOTH = """
states:
  both:
    parallel:
      left: {task: l}
      right: {states: {one: {task: r, next: two}, two: {succeed: "{{ outputs.one }}"}}}
    next: done
  done: {succeed: "{{ outputs.both }}"}
"""
EACH = """
states:
  all: {foreach: "{{ input.items }}", KEYS do: {task: t, params: "{{ item }}"}, next: done}
  done: {succeed: "{{ outputs.all }}"}
"""
SUNK = Error(code="A", message="m", state="all[1]", attempt=1)


def each(keys: str = "", items: object = (1, 2, 3)) -> Position:
    return begun(
        EACH.replace("KEYS", keys and keys + ","), {"items": list(items) if isinstance(items, tuple) else items}
    )


def test_a_parallel_begins_a_body_for_each_branch_in_file_order() -> None:
    job = begun(BOTH)

    assert (job.forked.total, job.forked.need, job.forked.tolerated) == (2, 2, 0)
    assert job.forked.machines == ("both.left", "both.right")
    assert job.scope.waiting == OnFork(number=0, total=2)


def test_a_foreach_begins_a_body_for_each_item() -> None:
    job = each()

    assert (job.forked.total, job.forked.need, job.forked.tolerated, job.forked.window) == (3, 3, 0, 1000)
    assert [job.body(index).params for index in range(3)] == [1, 2, 3]


def test_a_parallels_output_is_its_branches_by_name() -> None:
    job = begun(BOTH)

    job.joins("l", None)

    assert job.ended.output == {"left": "l", "right": None}


def test_a_foreachs_output_is_a_list_in_item_order() -> None:
    job = each()

    job.joins("x", None, 1.0)

    assert job.ended.output == ["x", None, 1.0]


def test_a_body_is_a_machine_of_its_own_and_ends_alone() -> None:
    body = begun(BOTH).body(1)
    assert (body.scope.path, body.scope.state) == ("/0.1", "one")

    body.succeeds("r")

    assert (body.ended.output, body.ended.error) == ("r", None)


def test_a_lone_body_ends_with_its_states_output() -> None:
    body = begun(BOTH).body(0)

    body.succeeds("l")

    assert body.ended.output == "l"


def test_a_bodys_error_names_its_place() -> None:
    left, right, item = begun(BOTH).body(0), begun(BOTH).body(1), each().body(2)

    left.fails("A")
    right.fails("A")
    item.fails("A")

    assert (left.error.state, right.error.state, item.error.state) == ("both.left", "both.right.one", "all[2]")


def test_bodies_see_a_copy_of_the_data_around_them_and_change_nothing_outside() -> None:
    job = begun(
        """
        data: {n: 1}
        states:
          first: {task: t, next: all}
          all: {foreach: "{{ [5] }}", do: {start: a, states: {
            a: {set: {n: "{{ data.n + outputs.first }}"}, next: b}, b: {task: t, params: "{{ data.n }}", next: end}}},
            next: end}
        """
    )
    job.succeeds(10)

    body = job.body(0)

    assert (body.params, body.data, job.data) == (11, {"n": 11}, {"n": 1})


def test_an_inner_foreach_sees_the_outer_item_by_its_own_name() -> None:
    job = begun(
        """
        states:
          rows:
            foreach: "{{ [[1, 2]] }}"
            as: row
            do:
              foreach: "{{ row }}"
              do: {task: t, params: "{{ [row, item, index] }}"}
        """
    )

    inner = job.body(0).body(1)

    assert inner.params == [[1, 2], 2, 1]
    assert (inner.scope.path, inner.around.place) == ("/0.0/0.1", "rows[0][1]")


def test_a_block_fails_with_the_error_that_sank_it_unchanged() -> None:
    job = each()

    job.joins("x", failed=1, error=SUNK)

    assert job.error == SUNK


def test_what_still_runs_is_cancelled_when_a_join_is_decided_early() -> None:
    job = each()

    job.joins(failed=1, error=SUNK)

    assert job.change.close == (0,)


def test_nothing_is_cancelled_when_all_bodies_have_ended() -> None:
    job = each()

    job.joins(1, 2, 3)

    assert job.change.close == ()


def test_a_blocks_own_catch_takes_the_error_of_its_body() -> None:
    job = each("catch: [{errors: [A], output: '{{ error.state }}'}]")

    job.joins(failed=1, error=SUNK)

    assert job.ended.output == "all[1]"


def test_the_blueprints_catch_never_acts_inside_a_body_but_takes_what_sank_the_block() -> None:
    job = begun("catch: [{to: told}]\n" + BOTH.replace("{task: l}", "{task: l, retry: none}")
                + "  told: {succeed: '{{ error.code }}'}\n")  # fmt: skip
    body = job.body(0)
    body.fails("A")

    job.joins(failed=1, error=body.error)

    assert (body.ended.status, job.ended.output) == (Status.FAILED, "A")


def test_a_broken_join_without_an_error_is_an_internal_error() -> None:
    job = each()

    job.tell(JoinDecided(number=0, met=False, ok=0, failed=1))

    assert (job.error.code, job.error.state) == ("INTERNAL_ERROR", "all")


@pytest.mark.parametrize(
    ("join", "need", "tolerated"),
    [("all", 3, 0), ("any", 1, 2), ("{at_least: 2}", 2, 1), ("{at_least: '{{ input.items[1] }}'}", 2, 1)],
)
def test_a_join_counts_successes_and_fails_once_they_cannot_be_reached(join: str, need: int, tolerated: int) -> None:
    job = each(f"join: {join}")

    assert (job.forked.need, job.forked.tolerated) == (need, tolerated)


def test_the_winners_name_is_the_status_where_any_branch_is_enough() -> None:
    job = begun(
        """
        states:
          race:
            parallel: {slow: {task: t}, fast: {task: t}}
            join: any
            transitions: [{when: status == 'fast', to: end}, {to: no}]
          no: {fail: {code: WRONG}}
        """
    )

    job.tell(JoinDecided(number=0, met=True, ok=1, failed=0, outputs=[None, 7], winner=1))

    assert (job.ended.output, job.change.close) == ({"slow": None, "fast": 7}, (0,))


def test_more_successes_than_there_are_bodies_can_never_be_and_fail_the_block() -> None:
    assert each("join: {at_least: '{{ 4 }}'}").error.code == "TEMPLATE_ERROR"
    assert each("join: any", items=()).error.code == "TEMPLATE_ERROR"


@pytest.mark.parametrize(("tolerate", "tolerated"), [("1", 1), ("50%", 1), ("34%", 1), ("33%", 0), ("100%", 3),
                                                     ("9", 3), ("'{{ 2 }}'", 2), ("\"{{ '67%' }}\"", 2)])  # fmt: skip
def test_tolerate_lets_so_many_items_fail_rounded_down(tolerate: str, tolerated: int) -> None:
    assert each(f"tolerate: {tolerate}").forked.tolerated == tolerated


@pytest.mark.parametrize("tolerate", [-1, 0.5, True, "half", None, "12.%", ".5%", "-1%", "٣%", "9" * 6_000 + "%"])
def test_a_number_that_is_none_fails_the_block(tolerate: object) -> None:
    job = begun(EACH.replace("KEYS", "tolerate: '{{ input.n }}',"), {"items": [1], "n": tolerate})

    assert (job.error.code, job.error.state, job.error.attempt) == ("TEMPLATE_ERROR", "all", 0)


@pytest.mark.parametrize("items", [None, "abc", {"a": 1}, 3])
def test_a_foreach_over_what_is_no_list_fails(items: object) -> None:
    assert each(items=items).error.code == "TEMPLATE_ERROR"


def test_a_foreach_over_nothing_is_done_at_once() -> None:
    job = each(items=())

    assert (job.ended.output, job.change.fork, job.scope.forks) == ([], None, 1)


def test_a_block_that_needs_none_of_its_bodies_is_done_at_once() -> None:
    job = each("join: {at_least: '{{ 0 }}'}")

    assert (job.ended.output, job.change.fork) == ([None, None, None], None)


@pytest.mark.parametrize(("concurrency", "window"), [("2", 2), ("'{{ 0 }}'", 1000), ("5000", 1000)])
def test_concurrency_is_a_window_that_throttles_and_never_fails(concurrency: str, window: int) -> None:
    assert each(f"concurrency: {concurrency}").forked.window == window


def test_collect_makes_an_items_output_in_the_commit_that_ends_it() -> None:
    body = each("collect: '{{ [item, output.a] }}'").body(2)

    body.succeeds({"a": 7})

    assert body.ended.output == [3, 7]


def test_a_collect_that_fails_fails_its_item() -> None:
    body = each("collect: '{{ output.a }}'").body(1)

    body.succeeds({})

    assert (body.ended.status, body.error.code, body.error.state) == (Status.FAILED, "EXPRESSION_ERROR", "all[1]")


def test_without_collecting_the_output_is_the_counts() -> None:
    job = each("collect: false, tolerate: 1")

    job.tell(JoinDecided(number=0, met=True, ok=2, failed=1))

    assert job.ended.output == {"total": 3, "succeeded": 2, "failed": 1}


def test_the_total_counts_items_that_were_cancelled_too() -> None:
    job = each("collect: false, join: {at_least: 1}")

    job.tell(JoinDecided(number=0, met=True, ok=1, failed=0))

    assert job.ended.output == {"total": 3, "succeeded": 1, "failed": 0}


def test_a_long_list_of_outputs_is_kept_by_reference() -> None:
    job = begun("states: {all: {foreach: '{{ input }}', do: {task: t}, next: more}, more: {task: t, next: end}}", [1])

    job.tell(JoinDecided(number=0, met=True, ok=1, failed=0, outputs=Ref("r", 99)))

    assert job.outputs == {"all": Ref("r", 99)}


def test_a_block_is_tried_once_unless_it_names_a_policy() -> None:
    job = each()

    job.joins(failed=1, error=Error(code="TRANSIENT_ERROR"))

    assert job.ended.status is Status.FAILED


def test_a_block_with_a_policy_is_begun_again_as_a_new_fork_after_a_pause() -> None:
    job = each("retry: {attempts: 2, delay: 3s, jitter: none}")

    job.joins(failed=1, error=Error(code="TRANSIENT_ERROR", attempt=3))
    assert job.scope.waiting == OnRetry(until=job.now + seconds(3), attempt=2)
    assert (job.change.close, job.scope.visit) == ((0,), 1)
    job.wakes(after="3s")

    assert job.scope.waiting == OnFork(number=1, total=3, attempt=2)


def test_a_blocks_attempts_are_its_own_and_its_error_stays_the_bodys() -> None:
    job = each("retry: {attempts: 2, delay: 3s, jitter: none}")
    sunk = Error(code="TRANSIENT_ERROR", attempt=3, state="all[0]")
    job.joins(failed=1, error=sunk)
    job.wakes(after="3s")

    job.joins(failed=1, error=sunk)

    assert job.error == sunk


def test_a_verdict_on_a_fork_that_was_left_is_ignored() -> None:
    job = begun(BOTH.replace("next: done", "timeout: 5s\n    next: done\n    catch: [{to: later}]")
                + "  later: {wait: 1h, next: done}\n".replace("done", "end"))  # fmt: skip
    job.wakes(after="5s")

    assert isinstance(job.tell(JoinDecided(number=0, met=True, ok=2, failed=0, outputs=[1, 2])), Ignored)
    assert job.scope.state == "later"


def test_a_verdict_on_an_earlier_fork_of_the_same_block_is_ignored() -> None:
    job = begun("states: {all: {foreach: '{{ [1] }}', do: {task: t}, next: all}}")
    job.joins("x")

    assert isinstance(job.tell(JoinDecided(number=0, met=True, ok=1, failed=0, outputs=["late"])), Ignored)
    assert job.outputs == {"all": ["x"]}


def test_each_fork_of_a_scope_has_a_number_of_its_own() -> None:
    job = begun("states: {all: {foreach: '{{ [1] }}', do: {task: t}, next: all}}")

    job.joins("x")

    assert (job.forked.number, job.scope.forks, job.scope.visit) == (1, 2, 2)


def test_succeed_and_fail_in_a_body_end_that_body_alone() -> None:
    job = begun(
        """
        states:
          all:
            foreach: "{{ input }}"
            do:
              states:
                a: {transitions: [{when: item == 1, to: well}, {to: bad}]}
                well: {succeed: good}
                bad: {fail: {code: B}}
        """,
        [1, 2],
    )

    assert (job.body(0).ended.output, job.body(1).error.code, job.body(1).error.state) == ("good", "B", "all[1].bad")


AFTER_A_CATCH = """
states:
  pay: {task: pay, retry: none, next: end, catch: [{to: tell}]}
  tell:
    foreach: "{{ [1] }}"
    do:
      parallel:
        mail: {task: mail, params: "{{ error.code }}"}
        call:
          states:
            dial: {task: dial, retry: none, next: end, catch: [{to: sorry}]}
            sorry: {task: sorry, params: "{{ error.code }}", next: end}
        stop: {states: {stop: {fail: {}}}}
    collect: "{{ error.code }}"
    next: end
"""


def test_bodies_see_the_error_that_was_caught_around_them() -> None:
    job = begun(AFTER_A_CATCH)
    job.fails("DECLINED")

    row = job.body(0)
    stopped = row.body(2).ended.error

    assert row.body(0).params == "DECLINED"
    assert stopped is not None
    assert (stopped.code, stopped.state) == ("DECLINED", "pay")


def test_a_body_that_caught_an_error_of_its_own_sees_that_one() -> None:
    job = begun(AFTER_A_CATCH)
    job.fails("DECLINED")
    call = job.body(0).body(1)

    call.fails("BUSY")

    assert call.params == "BUSY"


def test_collect_sees_the_error_that_was_caught_around_the_block() -> None:
    job = begun(AFTER_A_CATCH)
    job.fails("DECLINED")
    row = job.body(0)

    row.joins(1, 2, 3)

    assert row.ended.output == "DECLINED"


@pytest.mark.parametrize(
    "concurrency",
    ["0", "null", "'{{ null }}'", "'{{ 0.0 }}'", "'{{ default(input.c, 0) }}'", "'{{ omit }}'",
     "'{{ input.c if has(input.c) else omit }}'"],
)  # fmt: skip
def test_a_concurrency_of_nothing_is_no_limit(concurrency: str) -> None:
    text = f"states: {{all: {{foreach: [1, 2, 3], concurrency: {concurrency}, do: {{task: t}}, next: end}}}}"

    assert begun(text, {}).forked.window == 1000


@pytest.mark.parametrize("two", ["2", "2.0", "'{{ 2.0 }}'", "'{{ input.n }}'"])
def test_a_whole_number_may_be_written_with_a_fraction_of_zero(two: str) -> None:
    text = "states: {all: {foreach: [1, 2, 3], KEYS, do: {task: t}, next: end}}"
    windowed = begun(text.replace("KEYS", f"concurrency: {two}, tolerate: {two}"), {"n": 2.0}).forked
    needing = begun(text.replace("KEYS", f"join: {{at_least: {two}}}"), {"n": 2.0}).forked

    assert (windowed.window, windowed.tolerated, needing.need) == (2, 2, 2)
    assert {type(each) for each in (windowed.window, windowed.tolerated, needing.need)} == {int}


@pytest.mark.parametrize(("share", "tolerated"), [("0.5%", 1), ("'{{ '0.5%' }}'", 1), ("0.49%", 0), ("12.5%", 25)])
def test_a_share_may_have_a_fraction_and_is_rounded_down(share: str, tolerated: int) -> None:
    share = share.replace("'0.5%'", '"0.5%"')
    items = "'{{ range(200) }}'"

    job = begun(f"states: {{all: {{foreach: {items}, tolerate: {share}, do: {{task: t}}, next: end}}}}")

    assert job.forked.tolerated == tolerated
