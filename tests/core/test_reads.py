"""Which outputs one decision may read: none may be missing, for what is not loaded reads as null."""

from __future__ import annotations

import pytest

from avtomat.core.reads import outputs_read
from tests.core.building import program_of

PLACES = [
    ("a: {task: t, set: {x: '{{ outputs.big }}'}, next: end}", "a"),
    ("a: {task: t, transitions: [{when: outputs.big == 1, to: end}, {to: big}]}", "a"),
    ("a: {task: t, transitions: [{to: end, set: {x: '{{ outputs.big }}'}}]}", "a"),
    ("a: {task: t, next: end, catch: [{when: outputs.big == 1, to: end}]}", "a"),
    ("a: {task: t, next: end, catch: [{output: '{{ outputs.big }}'}]}", "a"),
    ("a: {task: t, next: end, compensate: {task: u, params: {x: '{{ outputs.big }}'}}}", "a"),
    ("a: {task: t, next: end, compensate: {task: u, when: outputs.big == 1}}", "a"),
    ("a: {task: t, next: b}\n  b: {task: t, params: {x: '{{ outputs.big }}'}, next: end}", "a"),
    ("a: {task: t, next: b}\n  b: {task: t, timeout: '{{ outputs.big }}', next: end}", "a"),
    ("a: {task: t, next: b}\n  b: {task: t, worker: {sticky: '{{ outputs.big }}'}, next: end}", "a"),
    ("a: {task: t, next: end, compensate: {task: u, worker: {sticky: '{{ outputs.big }}'}}}", "a"),
    ("a: {task: t, next: b}\n  b: {wait: '{{ outputs.big }}', next: end}", "a"),
    ("a: {task: t, next: b}\n  b: {succeed: '{{ outputs.big }}'}", "a"),
    ("a: {task: t, next: b}\n  b: {fail: {code: A, details: '{{ outputs.big }}'}}", "a"),
    ("a: {task: t, next: b}\n  b: {next: c}\n  c: {succeed: '{{ outputs.big }}'}", "a"),
    ("a: {task: t, next: b}\n  b: {foreach: '{{ outputs.big }}', do: {task: t}, next: end}", "a"),
    ("a: {task: t, next: b}\n  b: {foreach: '{{ [] }}', tolerate: '{{ outputs.big }}', do: {task: t}, next: end}", "a"),
    ("a: {foreach: '{{ outputs.big }}', retry: {attempts: 2}, do: {task: t}, next: end}", "a"),
    ("a: {task: t, next: b}\n  b: {foreach: '{{ [] }}', do: {task: t}, next: c}\n"
     "  c: {succeed: '{{ outputs.big }}'}", "a"),
    ("a: {task: t, next: b}\n  b: {wait: '{{ data.x }}', next: c, catch: [{output: 1}]}\n"
     "  c: {succeed: '{{ outputs.big }}'}", "a"),
    ("a: {task: t, next: b}\n  b: {wait: '{{ data.x }}', next: end, catch: [{to: c}]}\n"
     "  c: {succeed: '{{ outputs.big }}'}", "a"),
]  # fmt: skip


@pytest.mark.parametrize(("states", "state"), PLACES)
def test_what_can_be_read_on_the_way_is_known(states: str, state: str) -> None:
    program = program_of(f"data: {{x: 1s}}\nstates:\n  big: {{task: t, next: a}}\n  {states}\n")

    assert outputs_read(program, "", state) == {"big"}


def test_what_is_read_behind_the_next_task_is_not_loaded_yet() -> None:
    program = program_of("states: {big: {task: t, next: a}, a: {task: t, next: b}, b: {task: t, next: c}, "
                         "c: {succeed: '{{ outputs.big }}'}}")  # fmt: skip

    assert outputs_read(program, "", "a") == frozenset()


def test_outputs_as_a_whole_are_all_of_them() -> None:
    program = program_of("states: {a: {task: t, next: b}, b: {succeed: '{{ outputs }}'}}")

    assert outputs_read(program, "", "a") is None


def test_a_body_reads_for_its_collect() -> None:
    program = program_of(
        """
        states:
          big: {task: t, next: a}
          a: {foreach: "{{ [1] }}", do: {task: t}, collect: "{{ outputs.big }}", next: end}
        """
    )

    assert outputs_read(program, "a", "do") == {"big"}


def test_the_blueprints_catch_reads_too() -> None:
    program = program_of("catch: [{to: c}]\nstates: {big: {task: t, next: a}, a: {task: t, next: end}, "
                         "c: {succeed: '{{ default(outputs.big, 0) }}'}}")  # fmt: skip

    assert outputs_read(program, "", "a") == {"big"}
