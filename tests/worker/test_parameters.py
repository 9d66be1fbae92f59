"""A task's params meet the annotations of the function that handles it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from avtomat_worker import TaskContext, TaskError
from avtomat_worker.conversion import converter_for
from avtomat_worker.parameters import parameters_of


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Item:
    sku: str
    count: int = 1
    parts: list[Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count is negative")


class Address(TypedDict):
    city: str
    zip: NotRequired[str]


CONTEXT = TaskContext(
    job_id="j",
    task_id="t",
    kind="k",
    attempt=1,
    idempotency_key="i",
    deadline=None,
    traceparent=None,
    report=lambda _fraction, _message: None,
)


@pytest.mark.parametrize(
    ("annotation", "value", "converted"),
    [
        (Any, {"a": [1]}, {"a": [1]}),
        (None, None, None),
        (bool, True, True),
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (str, "x", "x"),
        (list, [1, "a"], [1, "a"]),
        (list[int], [1, 2], [1, 2]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Sequence[str], ["a"], ["a"]),
        (dict, {"a": 1}, {"a": 1}),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (Mapping[str, list[int]], {"a": [1]}, {"a": [1]}),
        (int | None, None, None),
        (int | str, "x", "x"),
        (Literal["a", 1], 1, 1),
        (Size, "l", Size.LARGE),
        (datetime, "2026-01-31T23:00:00Z", datetime(2026, 1, 31, 23, tzinfo=UTC)),
        (Item, {"sku": "a"}, Item("a")),
        (Item, {"sku": "a", "parts": [{"sku": "b"}]}, Item("a", parts=[Item("b")])),
        (Address, {"city": "Oslo", "more": 1}, {"city": "Oslo", "more": 1}),
        (list[Item | None], [{"sku": "a"}, None], [Item("a"), None]),
    ],
)
def test_json_becomes_what_the_annotation_says(annotation: Any, value: Any, converted: Any) -> None:
    found = converter_for(annotation)(value, "params")
    assert found == converted
    assert type(found) is type(converted)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (None, 1, "params: expected null, found the number 1"),
        (bool, 1, "params: expected true or false, found the number 1"),
        (int, True, "params: expected a whole number, found true"),
        (int, 1.5, "params: expected a whole number, found the number 1.5"),
        (float, "1", "params: expected a number, found the text '1'"),
        (str, None, "params: expected a text, found null"),
        (list[int], {}, "params: expected a list, found a map"),
        (list[int], [1, "2"], "params[1]: expected a whole number, found the text '2'"),
        (dict[str, int], {"a": []}, "params.a: expected a whole number, found a list"),
        (int | None, "x", "params: expected a whole number, found the text 'x'"),
        (int | str, [], "params: expected int | str, found a list"),
        (Literal["a", "b"], "c", "params: expected one of the text 'a', the text 'b', found the text 'c'"),
        (Literal[1], True, "params: expected one of the number 1, found true"),
        (Size, "x", "params: expected one of the text 's', the text 'l', found the text 'x'"),
        (datetime, "yesterday", "params: expected a time like 2026-01-31T23:00:00Z, found the text 'yesterday'"),
        (datetime, "2026-01-31", "params: expected a time like 2026-01-31T23:00:00Z, found the text '2026-01-31'"),
        (Item, {"count": 1}, "params: missing 'sku'"),
        (Item, {"sku": "a", "cuont": 1}, "params: unknown key 'cuont' (did you mean 'count'?)"),
        (Item, {"sku": "a", "count": -1}, "params: count is negative"),
        (
            Item,
            {"sku": "a", "parts": [{"sku": 3}]},
            "params.parts[0].sku: expected a text, found the number 3",
        ),
        (Address, {"zip": "1"}, "params: missing 'city'"),
        (Address, {"city": 1}, "params.city: expected a text, found the number 1"),
    ],
)
def test_json_that_does_not_fit_is_refused_with_its_place(annotation: Any, value: Any, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        converter_for(annotation)(value, "params")
    assert caught.value.code == "INVALID_INPUT_ERROR"
    assert caught.value.message == message


@pytest.mark.parametrize("annotation", [set, bytes, complex, Callable, tuple[int, str], Item.__init__])
def test_an_annotation_that_json_cannot_become_is_refused_at_once(annotation: Any) -> None:
    with pytest.raises(TypeError, match="JSON cannot be converted"):
        converter_for(annotation)


def named(a: int, b: str = "x") -> None: ...
def whole(params: Item) -> None: ...
def with_context(ctx: TaskContext, a: int) -> None: ...
def rest(a: int, **more: float) -> None: ...
def bare(a, b=2): ...  # type: ignore[no-untyped-def]
def nothing() -> None: ...


@pytest.mark.parametrize(
    ("function", "params", "arguments"),
    [
        (named, {"a": 1}, {"a": 1}),
        (named, {"a": 1, "b": "y"}, {"a": 1, "b": "y"}),
        (whole, {"sku": "a"}, {"params": Item("a")}),
        (with_context, {"a": 1}, {"a": 1, "ctx": CONTEXT}),
        (rest, {"a": 1, "c": 2, "d": 3}, {"a": 1, "c": 2.0, "d": 3.0}),
        (bare, {"a": None}, {"a": None}),
        (nothing, None, {}),
        (nothing, {}, {}),
    ],
)
def test_params_are_matched_to_parameters_by_name(function: Any, params: Any, arguments: dict[str, Any]) -> None:
    assert parameters_of(function).bind(params, CONTEXT) == arguments


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        (named, {}, "params: missing 'a'"),
        (named, None, "params: missing 'a'"),
        (named, [1], "params: expected a map, found a list"),
        (named, {"a": 1, "bb": 2}, "params: unknown key 'bb' (did you mean 'b'?)"),
        (nothing, {"a": 1}, "params: unknown key 'a'"),
        (rest, {"a": 1, "c": "x"}, "params.c: expected a number, found the text 'x'"),
    ],
)
def test_params_that_fit_no_parameter_are_refused(function: Any, params: Any, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        parameters_of(function).bind(params, CONTEXT)
    assert caught.value.message == message


def positional(a: int, /) -> None: ...
def many(*a: int) -> None: ...
def both(params: dict[str, Any], a: int) -> None: ...


@pytest.mark.parametrize("function", [positional, many, both])
def test_a_signature_that_no_params_can_fit_is_refused_at_once(function: Any) -> None:
    with pytest.raises(TypeError):
        parameters_of(function)


def test_an_annotation_that_cannot_be_resolved_says_so() -> None:
    class Local: ...

    def function(a: Local) -> None: ...

    with pytest.raises(TypeError, match="top of the module"):
        parameters_of(function)


def test_an_object_that_can_be_called_is_as_good_as_a_function() -> None:
    class Task:
        def __call__(self, a: int) -> None: ...

    assert parameters_of(Task()).bind({"a": 1}, CONTEXT) == {"a": 1}
