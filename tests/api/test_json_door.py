from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.errors import RequestRefused
from avtomat.runtime.json_door import DEPTH_MAX, read_json

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from('":{} \\'))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "request.json"),
        ("{", "request.json"),
        ("{'a': 1}", "request.json"),
        ("NaN", "request.json"),
        ('{"a": Infinity}', "request.json"),
        ('{"a": 1e999}', "request.json"),
        ('"\\ud800"', "request.json"),
        ('{"a": 1, "a": 2}', "request.duplicate_key"),
        ('{"a":1,"a" :2}', "request.duplicate_key"),
        ('{"a":1,"\\u0061":2}', "request.duplicate_key"),
        ('[{"x": {"a": 1, "b": 2, "a": 3}}]', "request.duplicate_key"),
        ("9223372036854775808", "request.integer"),
        ('{"a": [18446744073709551616]}', "request.integer"),
        ("[-9223372036854775809]", "request.integer"),
        ("1" + "0" * 400, "request.integer"),
        ("-" + "9" * 100_000, "request.integer"),
        ("9" * 400 + ".5", "request.json"),
        ("[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1), "request.depth"),
        ("[" * 900 + "]" * 900, "request.depth"),
        ("[1e300," + "[" * 200 + "]" * 200 + "]", "request.depth"),
        ("[" * 100_000, "request.depth"),
        ('{"a":' * 2_000, "request.depth"),
    ],
)
def test_what_readers_could_understand_differently_is_refused(text: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_json(text.encode())

    assert (refused.value.status, refused.value.code) == (400, code)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":null,"b":1.0,"c":[],"d":{},"e":-0.0}',
        '{"quote\\":":":","colon":"a\\":b\\" : c"}',
        '{"z":1,"a":2,"m":{"z":1,"a":2}}',
        "[9223372036854775807,-9223372036854775808,1e+300]",
        "[" * DEPTH_MAX + "]" * DEPTH_MAX,
    ],
)
def test_a_value_comes_out_as_it_went_in(text: str) -> None:
    assert orjson.dumps(read_json(text.encode())).replace(b"1e300", b"1e+300") == text.encode()


@given(VALUES)
def test_every_value_is_read_back(value: Any) -> None:
    compact, spaced = orjson.dumps(value), orjson.dumps(value, option=orjson.OPT_INDENT_2)

    assert repr(read_json(compact)) == repr(read_json(spaced)) == repr(orjson.loads(compact))


@given(TEXTS, VALUES, st.sampled_from([":", " :", "\n\t: "]), st.lists(VALUES, max_size=3))
def test_a_key_that_stands_twice_is_found_beside_any_values(
    name: str, value: Any, colon: str, others: list[Any]
) -> None:
    key, shown = orjson.dumps(name).decode(), orjson.dumps(value).decode()
    text = f'{{"others":{orjson.dumps(others).decode()},"twice":{{{key}{colon}{shown},{key}:{shown}}}}}'

    with pytest.raises(RequestRefused) as refused:
        read_json(text.encode())

    assert refused.value.code == "request.duplicate_key"


@pytest.mark.parametrize("beside", ["1", "1.5", "null", '"t"', '"a: b"', "{}"])
@pytest.mark.parametrize("integer", [str(2**63), str(-(2**63) - 1), str(2**64), str(10**30)])
def test_an_integer_past_64_bits_is_found_among_many_values(integer: str, beside: str) -> None:
    for places in ([integer], [integer, "2"], [integer, "2.5"]):
        text = f'{{"data":[{",".join([beside] * 40 + places)}]}}'

        with pytest.raises(RequestRefused) as refused:
            read_json(text.encode())
        assert refused.value.code == "request.integer"


@pytest.mark.parametrize("beside", ["1", "null", '"a: b"', r'"\":"'])
def test_the_edges_of_64_bits_and_a_single_key_are_taken_among_many_values(beside: str) -> None:
    text = f'{{"data":[{",".join([beside] * 40)},{-(2**63)},{2**63 - 1}],"a":{{"data":1}}}}'

    assert read_json(text.encode()) == json.loads(text)


def test_a_key_that_stands_twice_is_found_among_many_maps() -> None:
    text = "[" + ",".join(['{"a":1}'] * 40 + ['{"a":1,"a":2}']) + "]"

    with pytest.raises(RequestRefused) as refused:
        read_json(text.encode())
    assert refused.value.code == "request.duplicate_key"
