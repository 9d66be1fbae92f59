"""The functions that turn values into texts for other systems, and back.

What is read here comes from anywhere, so it must be JSON as the engine takes it at its doors: no NaN, no key twice,
64-bit integers, bounded depth.
"""

# ruff: noqa: D103 – how each is called stands in the table of `functions`

import base64
import binascii
import hashlib
import json
import uuid
from typing import NoReturn
from urllib.parse import quote

import orjson

from avtomat.blueprint.language.functions.text import text_of, written
from avtomat.blueprint.language.limits import (
    INTEGER_MAX,
    INTEGER_MIN,
    NODE_WEIGHT,
    SEARCHED_CHARS_PER_STEP,
    TEXT_CHARS_MAX,
    EvaluationError,
    Frame,
    weigh,
)
from avtomat.blueprint.language.operators import kind_of, whole_of
from avtomat.core.duration import format_duration
from avtomat.core.formula import Json
from avtomat.core.timestamp import format_time

_JSON_DEPTH_MAX = 64
_ALGORITHMS = ("md5", "sha1", "sha256", "sha384", "sha512")  # no set: what an author gives may have no hash


def to_json(frame: Frame, value: Json) -> str:
    frame.spend(weigh(frame, value, TEXT_CHARS_MAX * NODE_WEIGHT) // NODE_WEIGHT)
    try:
        text = orjson.dumps(value, default=_time_text, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except (TypeError, RecursionError):
        raise EvaluationError("to_json() takes JSON values; this one is nested too deep, or none") from None
    frame.allow_text(len(text))
    return text


def _time_text(value: Json) -> str:
    if hasattr(value, "isoformat"):
        return format_time(value)
    if hasattr(value, "total_seconds"):
        return format_duration(value)
    raise TypeError(kind_of(value))


def from_json(frame: Frame, text: Json) -> Json:
    source = text_of(text, "from_json()'s argument")
    frame.allow_text(len(source))
    frame.spend(len(source) * 6)
    try:
        value = json.loads(
            source, parse_int=_integer, parse_float=_float, parse_constant=_refuse, object_pairs_hook=_unique_keys
        )
        orjson.dumps(value)  # refuses lone surrogates
    except (ValueError, TypeError, RecursionError):
        raise EvaluationError(
            "from_json() needs a text that is valid JSON, with 64-bit integers and no key twice"
        ) from None
    _check_depth(value)
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20 or not INTEGER_MIN <= int(digits) <= INTEGER_MAX:
        raise ValueError("larger than 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise ValueError("not finite")
    return number


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _check_depth(value: Json) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _JSON_DEPTH_MAX + 1:
            raise EvaluationError(f"from_json() takes at most {_JSON_DEPTH_MAX} levels")
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]


def to_base64(frame: Frame, text: Json) -> str:
    source = _utf8(text, "base64()'s argument")
    frame.allow_text(len(source) * 4 // 3 + 4)
    frame.spend(len(source) // SEARCHED_CHARS_PER_STEP * 2)
    return base64.b64encode(source).decode()


def from_base64(frame: Frame, text: Json) -> str:
    source = text_of(text, "from_base64()'s argument")
    frame.allow_text(len(source))
    try:
        return base64.b64decode(source.encode("ascii"), validate=True).decode()
    except (ValueError, binascii.Error):
        raise EvaluationError("from_base64() needs base64 of a text in UTF-8") from None


def url_encode(frame: Frame, value: Json) -> str:
    text = written(frame, value)
    frame.allow_text(len(text))
    frame.spend(len(text) * 2)
    return quote(_utf8(text, "url_encode()'s argument"), safe="")


def digest(frame: Frame, value: Json, algorithm: Json = "sha256") -> str:
    """Of a text its own; of other values that of their JSON with sorted keys, so that what is equal has one digest."""
    if algorithm not in _ALGORITHMS:
        raise EvaluationError(f"hash() takes one of {', '.join(_ALGORITHMS)}")
    if isinstance(value, str):
        frame.spend(len(value) // SEARCHED_CHARS_PER_STEP)
        return _hexdigest(algorithm, _utf8(value, "hash()'s argument"))
    frame.spend(weigh(frame, value, TEXT_CHARS_MAX * NODE_WEIGHT) // NODE_WEIGHT)
    try:
        option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_SORT_KEYS
        return _hexdigest(algorithm, orjson.dumps(_with_whole_numbers(value), default=_time_text, option=option))
    except (TypeError, RecursionError):
        raise EvaluationError("hash() takes JSON values; this one is nested too deep, or none") from None


def _hexdigest(algorithm: str, source: bytes) -> str:
    return hashlib.new(algorithm, source, usedforsecurity=False).hexdigest()


def _with_whole_numbers(value: Json) -> Json:
    """Return `value` with 1 for 1.0, which are equal."""
    if isinstance(value, float):
        whole = whole_of(value)
        return value if whole is None or not INTEGER_MIN <= whole <= INTEGER_MAX else whole
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    return value


def _utf8(value: Json, what: str) -> bytes:
    try:
        return text_of(value, what).encode()
    except UnicodeEncodeError:
        raise EvaluationError(f"{what} is not a valid text") from None


def new_uuid(frame: Frame) -> str:
    """The next identifier of this evaluation, in the form of a random UUID; the same on replay."""
    frame.identifiers += 1
    digest = hashlib.sha256(f"{frame.seed} {frame.number} {frame.identifiers}".encode(errors="surrogatepass")).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
