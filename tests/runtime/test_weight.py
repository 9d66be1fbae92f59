"""What a text is said to weigh, beside what its value takes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import orjson
import pytest

from avtomat.core.formula import Json
from avtomat.runtime.weight import BYTES_A_BYTE_MAX, weight_of

ITEMS = 20_000


def items(each: Callable[[int], str]) -> bytes:
    return f"[{','.join(map(each, range(ITEMS)))}]".encode()


def bytes_of(text: bytes) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        value: Json = orjson.loads(text)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value
    return after - before


@pytest.mark.parametrize(
    "each",
    [
        pytest.param(lambda _: "{}", id="empty maps"),
        pytest.param(lambda _: "[]", id="empty lists"),
        pytest.param(lambda _: "[1000]", id="lists of one"),
        pytest.param(lambda _: "[" * 20 + "]" * 20, id="nested lists"),
        pytest.param(lambda _: '{"":' * 20 + "1" + "}" * 20, id="nested maps"),
        pytest.param(lambda i: f'{{"{i:x}":{i + 1000}}}', id="maps of one"),
        pytest.param(lambda i: f'{{"{i}a":1,"{i}b":1,"{i}c":1,"{i}d":1,"{i}e":1,"{i}f":1}}', id="maps of six"),
        pytest.param(lambda i: f'{{"😀{i}":"😀{i}"}}', id="wide keys"),
        pytest.param(lambda i: f'"ж{i}"', id="wide texts"),
        pytest.param(lambda i: f'"{i}"', id="texts"),
        pytest.param(lambda i: str(i + 1000), id="integers"),
        pytest.param(lambda _: "1.5", id="floats"),
        pytest.param(lambda i: f'"\\ud83d\\ude00{"a" * 100}{i}"', id="escaped characters"),
    ],
)
def test_a_value_takes_no_more_than_its_text_weighs(each: Callable[[int], str]) -> None:
    text = items(each)

    assert bytes_of(text) <= weight_of(text) <= len(text) * BYTES_A_BYTE_MAX


@pytest.mark.parametrize(
    "each", ["[]", "{}", '{"":[]}', '{"":{"":{}}}', "[[]]", '{"ж":[],"":[]}', '"ж"', "[" * 60 + "]" * 60]
)
def test_no_text_weighs_more_than_the_most_for_its_length(each: str) -> None:
    text = items(lambda _: each)

    assert weight_of(text) <= len(text) * BYTES_A_BYTE_MAX


def test_a_text_of_one_value_weighs_little_more_than_its_characters() -> None:
    assert weight_of(b'{"text":"' + b"x" * 10**6 + b'"}') < 1.01 * 10**6


def test_usual_documents_weigh_at_most_four_times_what_they_take() -> None:
    text = items(lambda i: f'{{"id":{i},"name":"customer {i}","tags":["a","b"],"price":12.5,"ok":true}}')

    assert weight_of(text) <= 4 * bytes_of(text)
