"""From text to Program, and back from what a store keeps."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from avtomat.blueprint.building import build_program
from avtomat.blueprint.compiler import compile_text, examine_text
from avtomat.core.formula import Environment, Rendered
from avtomat.core.kinds.blocks import ForeachState, ParallelState
from avtomat.core.kinds.ends import FailState, SucceedState
from avtomat.core.kinds.passing import PassState
from avtomat.core.kinds.task import TaskState
from avtomat.core.kinds.waits import WaitState
from avtomat.core.program import Jitter, Program, Unhandled

GOLDEN = Path(__file__).parent / "golden"
SAMPLE = """\
# yaml-language-server: $schema=../schemas/blueprint.schema.json
avtomat: 1
blueprint: sample
version: "7"
title: A sample
labels: {customer: "{{ input.customer }}"}
input: {type: object, required: [customer], properties: {customer: {type: string}}}
data: {count: 0, who: "{{ input.customer }}"}
timeout: 3d
limits: {transitions: 50, data_bytes: 1000}
unhandled: quarantine
priority: 7
retention: 30d
policies:
  patient: {attempts: 8, delay: 2s, factor: 3, max_delay: 5m, jitter: none, errors: [BUSY]}
defaults: {timeout: {queue: 1h}, worker: {type: gpu}}
catch: [{errors: [ANY], to: stop}]
start: work
states:
  stop: {fail: {code: STOPPED, message: "at {{ error.state }}"}, compensate: false}
  work:
    task: work.do
    params: {who: "{{ data.who }}", key: "Bearer {{ secrets.key }}"}
    retry: [patient, {errors: [ANY], attempts: 2}]
    timeout: {attempt: 30s, total: "{{ input.total }}"}
    worker: {resources: {ram_gb: 4}, max_cost: 2.5}
    priority: 9
    expects: {type: object}
    set: {count: "{{ data.count + 1 }}"}
    transitions:
      - {when: output.again, to: rest, set: {why: again}}
      - {to: done}
    catch: [{errors: [GONE], when: error.attempt > 1, output: {gone: true}}]
  rest: {wait: 1h30m, next: until}
  until: {wait: {until: "{{ now() }}"}, next: choose}
  choose: {transitions: [{when: data.count < 3, to: work}, {to: end}]}
  done: {succeed: "{{ outputs.work }}"}
"""


def compiled(text: str) -> Program:
    program = compile_text(text, file="sample.yaml")
    assert isinstance(program, Program), program
    return program


@pytest.fixture(scope="module")
def program() -> Program:
    return compiled(SAMPLE)


def test_what_stands_at_the_top_is_in_the_program(program: Program) -> None:
    assert (program.name, program.version, program.title) == ("sample", "7", "A sample")
    assert (program.timeout, program.retention) == (timedelta(days=3), timedelta(days=30))
    assert (program.unhandled, program.priority) == (Unhandled.QUARANTINE, 7)
    assert (program.limits.transitions, program.limits.data_bytes, program.limits.items) == (50, 1000, 100_000)
    assert program.input is not None
    assert [problem.message for problem in program.input.problems({})] == ["`customer` is missing"]
    assert [name for name, _template in program.data] == ["count", "who"]
    assert program.catch[0].target == "stop"
    assert program.machines[""].start == "work"


def test_a_task_has_its_policies_times_and_requirements(program: Program) -> None:
    work = program.machines[""].states["work"]

    assert isinstance(work, TaskState)
    assert (work.kind, work.priority) == ("work.do", 9)
    first, second = work.retry
    assert (first.attempts, first.delay, first.factor) == (8, timedelta(seconds=2), 3.0)
    assert (first.delay_max, first.jitter, first.errors) == (timedelta(minutes=5), Jitter.NONE, frozenset({"BUSY"}))
    assert (second.attempts, second.errors) == (2, frozenset({"ANY"}))
    assert (work.timeouts.attempt, work.timeouts.queue) == (timedelta(seconds=30), None)
    assert work.timeouts.total is not None
    assert not isinstance(work.timeouts.total, timedelta)
    assert work.requirements is not None
    assert (work.requirements.type, work.requirements.resources, work.requirements.cost_max) == (
        None,
        {"ram_gb": 4},
        2.5,
    )
    assert work.catch[0].output is not None
    assert [(arm.target, arm.when is None, len(arm.sets)) for arm in work.transitions] == [
        ("rest", False, 1),
        ("done", True, 0),
    ]


def test_secrets_stay_references(program: Program) -> None:
    work = program.machines[""].states["work"]
    assert isinstance(work, TaskState)

    rendered = work.params.render(Environment(names={"data": {"who": "x"}}, now=datetime.now(UTC), seed=""))

    assert isinstance(rendered, Rendered)
    assert rendered.value == {"who": "x", "key": "Bearer "}
    assert [(secret.pointer, secret.offset, secret.name) for secret in rendered.secrets] == [("/key", 7, "key")]


def test_states_of_all_kinds_that_are_built_are_there(program: Program) -> None:
    states = program.machines[""].states

    assert [type(states[name]) for name in states] == [
        FailState,
        TaskState,
        WaitState,
        WaitState,
        PassState,
        SucceedState,
    ]
    assert states["stop"].compensate is False  # type: ignore[union-attr]
    assert states["rest"].amount == timedelta(minutes=90)  # type: ignore[union-attr]
    assert states["until"].until is not None  # type: ignore[union-attr]


def test_defaults_count_where_a_task_says_nothing_and_three_attempts_where_nobody_does() -> None:
    text = (
        "avtomat: 1\nblueprint: sample\ndefaults: {timeout: {queue: 1h}, worker: {type: gpu}}\nstates: {a: {task: t}}\n"
    )

    state = compiled(text).machines[""].states["a"]

    assert isinstance(state, TaskState)
    assert state.timeouts.queue == timedelta(hours=1)
    assert state.requirements is not None
    assert state.requirements.type == "gpu"
    assert [policy.attempts for policy in state.retry] == [3]


def test_retry_none_is_one_attempt() -> None:
    text = "avtomat: 1\nblueprint: sample\nstates: {a: {task: t, retry: none}}\n"

    state = compiled(text).machines[""].states["a"]

    assert isinstance(state, TaskState)
    assert state.retry == ()


def test_comments_and_layout_do_not_change_the_digest_but_order_and_values_do(program: Program) -> None:
    assert compiled(SAMPLE.replace("title: A sample", "title:   'A sample'  # yes")).digest == program.digest
    assert compiled(SAMPLE + "x-note: nothing\n").digest == program.digest
    assert compiled(SAMPLE.replace("priority: 7", "priority: 6")).digest != program.digest
    moved = SAMPLE.replace('  done: {succeed: "{{ outputs.work }}"}\n', "").replace(
        "  rest:", '  done: {succeed: "{{ outputs.work }}"}\n  rest:'
    )
    assert compiled(moved).digest != program.digest


def test_what_a_store_keeps_is_the_same_program_again(program: Program) -> None:
    again = build_program(program.canonical)

    assert (again.digest, again.canonical, again.name) == (program.digest, program.canonical, program.name)
    assert list(again.machines[""].states) == list(program.machines[""].states)
    assert orjson.loads(again.canonical)["states"]["rest"] == {"wait": "1h30m", "next": "until"}


def test_characters_that_yaml_would_refuse_survive_the_way_through_a_store() -> None:
    text = 'avtomat: 1\nblueprint: sample\nstates: {a: {succeed: "\\e\\u2028 😀 \\t"}}\n'

    program = compiled(text)

    assert build_program(program.canonical).digest == program.digest


def test_a_stored_program_is_built_without_asking_the_rules_of_today() -> None:
    text = {
        "avtomat": 1,
        "blueprint": "sample",
        "states": {
            "pack": {
                "foreach": "{{ input.items }}",
                "as": "box",
                "tolerate": "10%",
                "do": {
                    "task": "pick",
                    "params": {"box": "{{ box }}"},
                    "compensate": {"task": "put.back", "when": "output.taken", "after": "attempted", "retry": "none"},
                },
                "next": "tell",
            },
            "tell": {
                "parallel": {"mail": {"task": "mail"}, "crm": {"states": {"x": {"task": "crm", "next": "end"}}}},
                "join": "any",
                "next": "end",
            },
        },
    }

    program = build_program(orjson.dumps(text).decode())

    assert list(program.machines) == ["", "pack", "tell.crm", "tell.mail"]
    pack, tell = program.machines[""].states.values()
    assert isinstance(pack, ForeachState)
    assert (pack.item_name, pack.tolerate, program.machines["pack"].lone) == ("box", "10%", True)
    pick = program.machines["pack"].states["do"]
    assert isinstance(pick, TaskState)
    assert pick.compensate is not None
    assert (pick.compensate.kind, pick.compensate.attempted, pick.compensate.retry) == ("put.back", True, ())
    assert isinstance(tell, ParallelState)
    assert (tell.branches, tell.join.at_least, tell.join.names_winner) == (("mail", "crm"), 1, True)


def test_all_findings_come_in_one_go_with_the_name_of_the_file() -> None:
    found = compile_text("avtomat: 1\nblueprint: X\nstates: {a: {task: t, retry: 3, next: b}}\n", file="a/b.yaml")

    assert isinstance(found, list)
    assert [(each.file, each.code) for each in found] == [
        ("a/b.yaml", "AVT105"),
        ("a/b.yaml", "AVT103"),
        ("a/b.yaml", "AVT201"),
    ]


def test_warnings_alone_refuse_nothing() -> None:
    text = "avtomat: 1\nblueprint: sample\npolicies: {p: {attempts: 2}}\nstates: {a: {task: t}}\n"

    assert [finding.code.number for finding in examine_text(text).findings] == ["AVT409"]
    assert isinstance(compile_text(text, file="x"), Program)


def test_nothing_that_an_author_can_write_raises() -> None:
    dice = random.Random(7)
    texts = [file.read_text("utf-8") for file in sorted(GOLDEN.glob("*.yaml"))] + [SAMPLE]
    pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        "- ",
        "\n",
        "  ",
        "'",
        '"',
        "{{",
        "}}",
        "#",
        "&a",
        "*a",
        "!x",
        "|",
        "null",
        "x-a: 1\n",
    ]
    for _ in range(1_500):
        text = dice.choice(texts)
        for _ in range(dice.randint(1, 4)):
            start = dice.randrange(len(text) + 1)
            text = text[:start] + dice.choice(["", *pieces]) + text[start + dice.randint(0, 12) :]
        examined = examine_text(text)
        for finding in examined.findings:
            assert 1 <= finding.span.line <= text.count("\n") + 1, text
            assert finding.span.column >= 1, text
        if examined.is_good:
            program = examined.program()
            assert build_program(program.canonical).digest == program.digest
