"""Give the tests a project with blueprints, engines and workers as processes, and chance that can be repeated."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import EngineProcess

BLUEPRINTS = {
    "echo": """\
avtomat: 1
blueprint: echo
policies:
  stubborn: {attempts: 20, delay: 100ms, factor: 1, jitter: none, errors: [ANY]}
states:
  echo:
    task: echo
    params: {number: "{{ input.number }}"}
    retry: stubborn
    next: done
  done: {succeed: "{{ outputs.echo.number }}"}
""",
    "twice": """\
avtomat: 1
blueprint: twice
policies:
  twice: {attempts: 2, delay: 100ms, factor: 1, jitter: none, errors: [ANY]}
states:
  echo:
    task: echo
    params: {number: "{{ input.number }}"}
    retry: twice
    next: done
  done: {succeed: "{{ outputs.echo.number }}"}
""",
    "raw": """\
avtomat: 1
blueprint: raw
states:
  echo: {task: echo-raw, params: {number: "{{ input.number }}"}, next: done}
  done: {succeed: "{{ outputs.echo.number }}"}
""",
    "hold": """\
avtomat: 1
blueprint: hold
policies:
  quick: {attempts: 3, delay: 50ms, factor: 1, jitter: none}
states:
  hold: {task: hold, params: {gate: "{{ input.gate }}"}, retry: quick, next: done}
  done: {succeed: "{{ outputs.hold }}"}
""",
    "endings": """\
avtomat: 1
blueprint: endings
policies:
  stubborn: {attempts: 20, delay: 100ms, factor: 1, jitter: none, errors: [ANY]}
timeout: "{{ '3s' if input.number % 4 == 3 else '1h' }}"
start: each
states:
  each:
    foreach: "{{ range(6) }}"
    tolerate: 100%
    collect: false
    do:
      start: work
      states:
        work: {task: echo, params: {item: "{{ item }}"}, retry: stubborn, next: judge}
        judge: {transitions: [{when: item % 2 == 0, to: end}, {to: sunk}]}
        sunk: {fail: {code: SUNK, message: "{{ item }}"}}
    set: {fails: "{{ [[each.index, each.error.message] for each in failures] }}", count: "{{ failed }}"}
    transitions:
      - {when: input.number % 4 == 0, to: good}
      - {when: input.number % 4 == 1, to: bad}
      - {to: hold}
  hold: {wait: 1h, next: good}
  good: {succeed: [3]}
  bad: {fail: {code: NOPE}}
finally: {task: echo, params: {seen: "{{ job.status }}"}, set: {seen: "{{ output.seen }}"}, retry: stubborn}
""",
    "saga": """\
avtomat: 1
blueprint: saga
policies:
  stubborn: {attempts: 20, delay: 100ms, factor: 1, jitter: none, errors: [ANY]}
defaults: {retry: stubborn}
states:
  rest: {wait: 20ms, next: work}
  work:
    parallel:
      items:
        foreach: "{{ range(4) }}"
        concurrency: 2
        do:
          start: first
          states:
            first:
              task: echo
              params: {number: "{{ item }}"}
              compensate: {task: echo, params: {undo: "{{ item }}"}}
              next: again
            again: {task: echo, params: {number: "{{ outputs.first.number * 10 }}"}, next: end}
      lone: {task: echo, params: {number: "{{ input.number }}"}, compensate: {task: echo, params: {undo: lone}}}
    transitions:
      - {when: input.number % 2 == 1, to: sink}
      - {to: done}
  sink: {fail: {code: ODD}}
  done: {succeed: {number: "{{ outputs.work.lone.number }}", items: "{{ [x.number for x in outputs.work.items] }}"}}
""",
    "pause": """\
avtomat: 1
blueprint: pause
states:
  pause: {wait: "{{ duration(input.seconds) }}", next: done}
  done: {succeed: done}
""",
}


def write_blueprints(folder: Path) -> Path:
    """Make the folder a project with the blueprints of these tests."""
    (folder / "workflows").mkdir()
    for name, text in BLUEPRINTS.items():
        (folder / f"workflows/{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of the test's own."""
    return write_blueprints(tmp_path)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Whatever process is entered is killed at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine for all tests of a module that leave no job open and do not stop it."""
    folder = write_blueprints(tmp_path_factory.mktemp("shared"))
    with EngineProcess(folder, arguments=["--lease", "2s"]) as engine:
        yield engine


@pytest.fixture
def engine(folder: Path) -> Iterator[EngineProcess]:
    """An engine on SQLite, with a short lease."""
    with EngineProcess(folder, arguments=["--lease", "2s"]) as engine:
        yield engine


@pytest.fixture
def seed() -> int:
    """What chance begins with: AVTOMAT_E2E_SEED, or anything; a test that fails shows it."""
    given = int(os.environ.get("AVTOMAT_E2E_SEED") or random.SystemRandom().randrange(10**6))
    print(f"AVTOMAT_E2E_SEED={given}")
    return given


@pytest.fixture
def chance(seed: int) -> random.Random:
    """When to kill, and whom."""
    return random.Random(seed)
