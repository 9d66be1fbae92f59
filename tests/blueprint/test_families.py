"""Blueprints that run one another: names that are not there, circles, and what goes live together."""

from __future__ import annotations

from pathlib import Path

import pytest

from avtomat.blueprint.families import always_runs, groups
from avtomat.blueprint.pieces import compile_piece
from avtomat.blueprint.registry import Registry, read_texts, registry_of
from tests.core.building import program_of

GOOD = "states: {a: {task: t}}"


def folder_of(folder: Path, **blueprints: str) -> Registry:
    """What a folder of these blueprints holds."""
    for name, text in blueprints.items():
        (folder / f"{name}.yaml").write_text(f"avtomat: 1\nblueprint: {name}\n{text}\n")
    texts = read_texts(folder)
    return registry_of(texts, {file: compile_piece(content) for file, content in texts.contents.items()}, {})


def codes(registry: Registry) -> dict[str, list[str]]:
    return {name: [each.code for each in errors] for name, errors in sorted(registry.errors.items())}


def test_a_blueprint_that_is_run_and_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    registry = folder_of(tmp_path, a="states: {x: {run: bb}}", b=GOOD)
    [found] = registry.errors["a"]
    assert (found.code, found.line, found.column, found.hint) == ("AVT502", 3, 19, "did you mean b?")
    assert sorted(registry.parts) == ["b"]
    assert registry.missed == {"bb"}


def test_what_is_joined_by_run_goes_live_together(tmp_path: Path) -> None:
    registry = folder_of(
        tmp_path,
        a="states: {x: {run: b}}",
        b="states: {x: {run: c}}",
        c="states: {x: {task: t, next: nowhere}}",
        other=GOOD,
    )
    assert {name: found[-1] for name, found in codes(registry).items()} == {"a": "AVT504", "b": "AVT504", "c": "AVT201"}
    assert sorted(registry.parts) == ["other"]


def test_a_child_waits_for_its_parent_too(tmp_path: Path) -> None:
    registry = folder_of(tmp_path, a="states: {x: {run: b, next: y}, y: {run: nobody, next: end}}", b=GOOD)
    assert codes(registry) == {"a": ["AVT502"], "b": ["AVT504"]}


@pytest.mark.parametrize(
    "blueprints",
    [
        {"a": "states: {x: {run: a}}"},
        {"a": "states: {x: {run: b}}", "b": "states: {x: {task: t, next: y}, y: {run: a, next: end}}"},
        {"a": "states: {x: {parallel: {one: {run: b}, two: {task: t}}}}", "b": "states: {x: {run: a}}"},
        {"a": "states: {x: {transitions: [{when: input.n > 1, to: y}, {to: z}]}, y: {run: a, next: end}, "
         "z: {run: a, next: end}}"},
        {"a": "states: {x: {run: a, catch: [{to: y}], next: end}, y: {fail: {}}}"} | {"b": "states: {x: {run: b}}"},
    ],
)  # fmt: skip
def test_a_circle_without_a_way_out_is_an_error(tmp_path: Path, blueprints: dict[str, str]) -> None:
    assert "AVT503" in {code for each in codes(folder_of(tmp_path, **blueprints)).values() for code in each}


@pytest.mark.parametrize(
    "text",
    [
        "states: {x: {transitions: [{when: input.n > 1, to: y}, {to: end}]}, y: {run: a, next: end}}",
        "states: {x: {foreach: '{{ input.items }}', do: {run: a}}}",
        "states: {x: {parallel: {one: {run: a}, two: {task: t}}, join: any}}",
        "states: {x: {run: a, detach: true}}",
        "states: {x: {task: t, next: y, catch: [{to: end}]}, y: {run: a, next: end}}",
    ],
)
def test_a_circle_with_a_way_out_is_right(tmp_path: Path, text: str) -> None:
    assert codes(folder_of(tmp_path, a=text)) == {}


def test_the_way_of_a_circle_is_told_once_at_each_that_is_in_it(tmp_path: Path) -> None:
    registry = folder_of(tmp_path, a="states: {x: {run: b}}", b="states: {x: {run: c}}", c="states: {x: {run: a}}")
    messages = {each.message for errors in registry.errors.values() for each in errors}
    assert messages == {"each job of a → b → c → a runs the next one, without an end"}
    assert sorted(registry.errors) == ["a", "b", "c"]


def test_what_a_job_always_runs_is_on_every_way_to_its_end() -> None:
    program = program_of(
        "states: {x: {run: one, next: y}, y: {transitions: [{when: input.n > 1, to: z}, {to: end}]}, "
        "z: {run: two, next: end}}"
    )
    assert always_runs(program) == {"one"}
    assert program.runs == {"one", "two"}


def test_names_are_joined_however_they_are_named() -> None:
    found = groups({"a": ["b"], "b": [], "c": ["d"], "d": ["c"], "e": ["nobody"], "f": ["b"]})
    assert sorted(sorted(group) for group in found) == [["a", "b", "f"], ["c", "d"], ["e"]]
