"""The fold of what commits changed is the state."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avtomat.core.history import delta, fold
from avtomat.storage.port.codec import dumps, loads

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.0, 1.0, 0.5]), st.text(max_size=2)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)
NAMED = st.dictionaries(st.sampled_from("abcd"), VALUES, min_size=1, max_size=4)
WORDS = VALUES.filter(lambda value: value is not None)
RECORDS = st.fixed_dictionaries({}, optional={"data": NAMED, "outputs": NAMED, "state": WORDS, "waiting": WORDS})


@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_the_fold_of_deltas_is_the_last_record_to_the_letter(records: list[dict[str, Any]]) -> None:
    befores = [{}, *records]
    changes = [loads(dumps(delta(before, after))) for before, after in zip(befores, records, strict=False)]

    folded = fold(changes)

    assert {key: dumps(value) for key, value in folded.items()} == {
        key: dumps(value) for key, value in records[-1].items()
    }


def test_only_the_variables_that_changed_are_written() -> None:
    before = {"state": "a", "data": {"x": 1, "y": [1]}, "visit": 1}

    assert delta(before, {"state": "b", "data": {"x": 1, "y": [2], "z": None}, "visit": 1}) == {
        "state": "b",
        "data": {"y": [2], "z": None},
    }


def test_nothing_changed_is_nothing() -> None:
    assert delta({"data": {"x": 1}}, {"data": {"x": 1}}) == {}


def test_true_one_and_one_point_nought_are_three_values() -> None:
    assert delta({"data": {"x": 1}}, {"data": {"x": True}}) == {"data": {"x": True}}
    assert delta({"data": {"x": [1]}}, {"data": {"x": [1.0]}}) == {"data": {"x": [1.0]}}


def test_a_variable_that_an_operator_removed_is_gone() -> None:
    before, after = {"data": {"x": 1, "y": 2}}, {"data": {"x": 1}}

    assert delta(before, after) == {"gone": {"data": ["y"]}}
    assert fold([before, delta(before, after)]) == after


def test_an_output_that_moves_to_a_reference_is_gone_from_the_values() -> None:
    before = {"outputs": {"a": 1, "b": 2}}
    after = {"outputs": {"b": 2}, "refs": {"a": ["r", 99]}}

    assert fold([before, delta(before, after)]) == after
