"""Signatures are those that other implementations of the protocol make, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avtomat.runtime.json_door import read_json
from avtomat.runtime.work import signing
from avtomat.storage.port.codec import dumps
from avtomat_worker import signing as of_the_sdk

# The two digests were made by the package rxon 1.0b17 (`sign_payload`), with and without `ignore_fields`.
MESSAGE: dict[str, Any] = {
    "worker_id": "w1",
    "b": {"z": 1.0, "a": None, "é": [None, 2.5, -0.0, 1e-7, 1e16, {"n": None}]},
    "a": "ü\u2028\n",
    "security": {"signature": "x"},
    "_signature": "y",
    "n": None,
    "list": [1.0, {"k": 1e18}],
    "bubbling_chain": ["b"],
}
SECRET = "token-of-the-tests"
WHOLE = "85b81ed3394759a4c562090756090d987e03219d5e4458af9290454a2b9b2bb1"
WITHOUT_CHAIN = "aba08d5b68e2a9387beac5c932158e170e7f58552e73f8ca369c9d365fd5110b"
TEXT = st.text(st.characters(codec="utf-8"))
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


def test_a_signature_is_that_of_the_clients() -> None:
    assert signing.signature(MESSAGE, SECRET) == WHOLE
    assert signing.signature(MESSAGE, SECRET, ("bubbling_chain",)) == WITHOUT_CHAIN
    assert of_the_sdk.signature(MESSAGE, SECRET) == WHOLE


@pytest.mark.parametrize(
    "other", [{**MESSAGE, "a": "u"}, {**MESSAGE, "list": [1, {"k": 2}]}, {**MESSAGE, "more": 0}, {}]
)
def test_another_message_or_secret_has_another_signature(other: dict[str, Any]) -> None:
    assert signing.is_signed(MESSAGE, WHOLE, SECRET)
    assert not signing.is_signed(other, WHOLE, SECRET)
    assert not signing.is_signed(MESSAGE, WHOLE, SECRET + "x")
    assert not signing.is_signed(MESSAGE, "ü", SECRET)


@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_what_is_signed_does_not_change_on_the_way(message: dict[str, Any]) -> None:
    arrived = read_json(dumps(message))

    assert signing.canonical(arrived) == signing.canonical(message) == of_the_sdk.canonical(message)
    assert signing.canonical(read_json(signing.canonical(message))) == signing.canonical(message)
