"""Read JSON strictly: what two readers could understand differently is refused, not guessed.

Refused are NaN and Infinity, duplicate keys, more than 64 levels, and integers past 64 bits (which would come back as
floats). Everything else comes out as it went in: nulls, 1.0, the order of keys.

orjson does the reading and one walk over its value does the checking. orjson keeps the last of duplicate keys, so the
keys of the value are counted against the colons in the text, and if there are more, against the places where a quote
is followed by a colon: outside of texts there is exactly one for each key, inside of texts there may be more, never
fewer. Only when both numbers differ, or when a number is at the edge of 64 bits or past it, the text is read a second
time with hooks that see every key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from itertools import chain, compress
from typing import Final

import orjson

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused

DEPTH_MAX: Final = 64
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
_DIGITS_MAX: Final = 20
_NAME_SHOWN_MAX: Final = 80
_KEY: Final = re.compile(rb'"\s*:')
_NUMBER: Final = re.compile(r"-?[0-9]+(?P<rest>[.0-9eE+-]*)")
_TOO_DEEP: Final = "depth limit exceeded"
_TOO_LARGE: Final = "number is infinity"
_NOT_UTF8: Final = "str is not valid UTF-8"
"""What orjson says of nesting past its own limit, of a number past all floats, and of bytes that are no text."""

_SUSPICIOUS: Final = -1
_EDGE: Final = 2.0**63
_FEW: Final = 16
_TEXTS: Final = frozenset({str, bool, type(None)})


def read_json(raw: bytes) -> Json:
    """Return the value of the text `raw`. RequestRefused (400, request.…) says what is wrong with it."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _refusal_of(error) from None
    keys = _count_keys(value)
    if keys != raw.count(b":") and keys != _count_quoted_colons(raw):
        _read_again(raw)
    return value


def _refusal_of(error: orjson.JSONDecodeError) -> RequestRefused:
    """What orjson found, by our codes: its own limits are wider than ours, so what is past them is past ours."""
    if error.msg.startswith(_TOO_DEEP):
        return _too_deep()
    number = _NUMBER.match(error.doc, error.pos) if error.msg.startswith(_TOO_LARGE) else None
    if number is not None and number["rest"] == "":
        return _too_large(number[0])
    place = f"line {error.lineno}, column {error.colno}"
    if number is not None:
        text = f"the number {number[0][:_DIGITS_MAX]} is past what a float of 64 bits holds"
    elif error.msg.startswith(_NOT_UTF8):
        text, place = "it is not UTF-8", ""
    else:
        text = error.msg
    found = f"the body is not JSON: {text}" + (f" ({place})" if place else "")
    return RequestRefused(found, status=400, code="request.json")


def _too_deep() -> RequestRefused:
    return RequestRefused(f"the body has more than {DEPTH_MAX} levels", status=400, code="request.depth")


def _too_large(integer: str) -> RequestRefused:
    return RequestRefused(
        f"the body has the integer {integer[:_DIGITS_MAX]}…, which is past 64 bits",
        status=400,
        code="request.integer",
        hint="send it as a text",
    )


def _count_quoted_colons(raw: bytes) -> int:
    """The places where a quote is followed by a colon; white space between them is rare, and dearer to look for."""
    if b'" ' in raw or b'"\n' in raw or b'"\t' in raw or b'"\r' in raw:
        return len(_KEY.findall(raw))
    return raw.count(b'":')


def _count_keys(value: Json) -> int:
    """How many keys the value has, level by level; a number that no text has when it must be read again."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return 0 if _is_plain(value) else _SUSPICIOUS
    keys, depth, level, is_suspicious = 0, 0, [value], False
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise _too_deep()
        below: list[Json] = []
        if len(level) > _FEW:  # one look at the items of all is quicker than a look into each
            maps = [container for container in level if type(container) is dict]
            lists = [container for container in level if type(container) is list] if len(maps) < len(level) else []
            merged = list(chain.from_iterable(map(dict.values, maps)))
            keys += len(merged)
            merged.extend(chain.from_iterable(lists))
            level = [merged]
        for container in level:
            items = container
            if type(container) is dict:
                keys += len(container)
                items = container.values()
            if not (_look_at_all if len(items) > _FEW else _look_at_each)(items, below):
                is_suspicious = True
        level = below
    return _SUSPICIOUS if is_suspicious else keys


def _look_at_each(items: Iterable[Json], below: list[Json]) -> bool:
    """Add the containers among the items to those below; False when a number is at the edge of 64 bits or past it."""
    are_plain = True
    for item in items:
        kind = type(item)
        if kind is str:
            continue
        if kind is float:  # comparing a float with an integer is dear
            are_plain = are_plain and -_EDGE < item < _EDGE
        elif kind is int:
            are_plain = are_plain and INTEGER_MIN < item <= INTEGER_MAX
        elif kind is dict or kind is list:
            below.append(item)
    return are_plain


def _look_at_all(items: Collection[Json], below: list[Json]) -> bool:
    """The same for many items, which mostly are of few kinds."""
    are_plain = True
    for kind in set(map(type, items)) - _TEXTS:
        of_kind = list(compress(items, map(kind.__instancecheck__, items)))
        if kind is int:
            are_plain = are_plain and min(of_kind) > INTEGER_MIN and max(of_kind) <= INTEGER_MAX
        elif kind is float:
            are_plain = are_plain and min(of_kind) > -_EDGE and max(of_kind) < _EDGE
        else:
            below += of_kind
    return are_plain


def _is_plain(value: Json) -> bool:
    return not isinstance(value, int | float) or INTEGER_MIN < value <= INTEGER_MAX


def _read_again(raw: bytes) -> None:
    """Look at every key and integer of a text that orjson has read; raises when one of them is refused."""
    try:
        json.loads(raw, object_pairs_hook=_refuse_duplicates, parse_int=_refuse_large)
    except RecursionError:
        raise _too_deep() from None


def _refuse_duplicates(pairs: list[tuple[str, Json]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            shown = orjson.dumps(name[:_NAME_SHOWN_MAX]).decode()
            raise RequestRefused(f"the body has the key {shown} twice", status=400, code="request.duplicate_key")
        seen.add(name)


def _refuse_large(text: str) -> None:
    if len(text) > _DIGITS_MAX or not INTEGER_MIN <= int(text) <= INTEGER_MAX:
        raise _too_large(text)
