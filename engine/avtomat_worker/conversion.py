"""Turn JSON into the types that a function's annotations name, or say where it does not fit.

A converter is compiled once, when the function is decorated; what cannot be converted is a TypeError there and then.
Understood: `Any`, `object`, `None`, `bool`, `int` (1.0 is one too), `float`, `str`, `datetime` (RFC 3339), `list`,
`tuple[T, ...]`, `dict[str, T]` (and the abstract names of these), unions, `Literal`, enums, TypedDicts (more keys are
allowed) and dataclasses (more keys are refused: a misspelt one would be lost in silence).
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from avtomat_worker.errors import TaskError

Json = Any
Converter = Callable[[Json, str], Any]

KEY_COMPARED_MAX = 80
"""A longer key is no slip for a parameter: comparing it would only cost."""

_LISTS = (list, Sequence, Iterable, Collection)


def converter_for(annotation: Any) -> Converter:
    """Compile `annotation` into a function (value, path) -> converted; it raises INVALID_INPUT_ERROR with the path.

    Raises TypeError for an annotation that JSON cannot be converted to.
    """
    return _compile(annotation, {})


def invalid(path: str, problem: str) -> TaskError:
    """Return the error for params that do not fit: where, and what is wrong there."""
    return TaskError("INVALID_INPUT_ERROR", f"{path}: {problem}", {"path": path})


def describe(value: Json) -> str:
    """Name a JSON value in the words of JSON: short, and bounded whatever the value is."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a map"


def refuse_unknown_keys(value: Mapping[str, Json], known: Collection[str], path: str) -> None:
    """Raise INVALID_INPUT_ERROR for the first key that nobody asked for, with the one that was probably meant."""
    for key in value:
        if key not in known:
            close = get_close_matches(key, known, 1) if len(key) <= KEY_COMPARED_MAX else []
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise invalid(path, f"unknown key {key[:80]!r}{hint}")


def _compile(annotation: Any, classes: dict[Any, Converter]) -> Converter:
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        return _union(annotation, [_compile(each, classes) for each in arguments])
    if origin is typing.Literal:
        return _literal(arguments)
    if annotation in _LISTS or origin in _LISTS:
        return _list(_compile(arguments[0] if arguments else Any, classes), list)
    if annotation is tuple or (origin is tuple and arguments[1:] == (...,)):
        return _list(_compile(arguments[0] if arguments else Any, classes), tuple)
    if annotation in {dict, Mapping} or origin in {dict, Mapping}:
        return _map(_compile(arguments[1] if arguments else Any, classes))
    if isinstance(annotation, type):
        return _class(annotation, classes)
    raise TypeError(f"JSON cannot be converted to {annotation!r}; use builtin types, dataclasses or TypedDicts")


def _class(annotation: type, classes: dict[Any, Converter]) -> Converter:
    """Compile a class; `classes` lets one that contains itself find its own converter."""
    if annotation in classes:
        return classes[annotation]

    def later(value: Json, path: str) -> Any:
        return classes[annotation](value, path)

    classes[annotation] = later
    if issubclass(annotation, enum.Enum):
        converter = _enum(annotation)
    elif typing.is_typeddict(annotation):
        converter = _typed_dict(annotation, classes)
    elif dataclasses.is_dataclass(annotation):
        converter = _dataclass(annotation, classes)
    else:
        raise TypeError(f"JSON cannot be converted to {annotation!r}; use builtin types, dataclasses or TypedDicts")
    classes[annotation] = converter
    return converter


def _any(value: Json, _path: str) -> Any:
    return value


def _null(value: Json, path: str) -> None:
    if value is not None:
        raise invalid(path, f"expected null, found {describe(value)}")


def _bool(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(path, f"expected true or false, found {describe(value)}")
    return value


def _int(value: Json, path: str) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not whole or isinstance(value, bool):
        raise invalid(path, f"expected a whole number, found {describe(value)}")
    return int(value)


def _float(value: Json, path: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(path, f"expected a number, found {describe(value)}")
    return float(value)


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(path, f"expected a text, found {describe(value)}")
    return value


def _time(value: Json, path: str) -> datetime:
    try:
        time = datetime.fromisoformat(_text(value, path))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise invalid(path, f"expected a time like 2026-01-31T23:00:00Z, found {describe(value)}")
    return time


_SIMPLE: dict[Any, Converter] = {
    Any: _any,
    object: _any,
    None: _null,
    types.NoneType: _null,
    bool: _bool,
    int: _int,
    float: _float,
    str: _text,
    datetime: _time,
}


def _union(annotation: Any, members: list[Converter]) -> Converter:
    """Try the members in order; when one of two (`T | None`) is null, the other one's complaint is the exact one."""
    exact = [member for member in members if member is not _null]

    def convert(value: Json, path: str) -> Any:
        if value is None and _null in members:
            return None
        if len(exact) == 1:
            return exact[0](value, path)
        for member in exact:
            try:
                return member(value, path)
            except TaskError:
                continue
        raise invalid(path, f"expected {annotation}, found {describe(value)}")

    return convert


def _literal(choices: tuple[Any, ...]) -> Converter:
    def convert(value: Json, path: str) -> Any:
        for choice in choices:
            if choice == value and type(choice) is type(value):
                return choice
        raise invalid(path, f"expected one of {', '.join(map(describe, choices))}, found {describe(value)}")

    return convert


def _enum(annotation: type[enum.Enum]) -> Converter:
    def convert(value: Json, path: str) -> Any:
        for member in annotation:
            if member.value == value and isinstance(value, bool) == isinstance(member.value, bool):
                return member
        expected = ", ".join(describe(member.value) for member in annotation)
        raise invalid(path, f"expected one of {expected}, found {describe(value)}")

    return convert


def _list(item: Converter, build: Callable[[list[Any]], Any]) -> Converter:
    def convert(value: Json, path: str) -> Any:
        if not isinstance(value, list):
            raise invalid(path, f"expected a list, found {describe(value)}")
        return build([item(each, f"{path}[{index}]") for index, each in enumerate(value)])

    return convert


def _map(item: Converter) -> Converter:
    def convert(value: Json, path: str) -> dict[str, Any]:
        found = _as_map(value, path)
        return {key: item(each, f"{path}.{key}") for key, each in found.items()}

    return convert


def _as_map(value: Json, path: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise invalid(path, f"expected a map, found {describe(value)}")
    return value


def _typed_dict(annotation: Any, classes: dict[Any, Converter]) -> Converter:
    """Check the keys that are declared; others pass as they are, which is what a TypedDict promises."""
    hints = typing.get_type_hints(annotation, include_extras=True)
    required, converters = set(annotation.__required_keys__), {}
    for key, hint in hints.items():
        mark = typing.get_origin(hint)
        if mark in {typing.Required, typing.NotRequired}:
            # with postponed annotations the class itself does not know which keys are required
            (required.add if mark is typing.Required else required.discard)(key)
        converters[key] = _compile(typing.get_args(hint)[0] if mark in _MARKS else hint, classes)

    def convert(value: Json, path: str) -> dict[str, Any]:
        found = _as_map(value, path)
        _require(found, required, path)
        return {
            key: converters[key](each, f"{path}.{key}") if key in converters else each for key, each in found.items()
        }

    return convert


_MARKS = (typing.Required, typing.NotRequired, typing.Annotated)


def _dataclass(annotation: Any, classes: dict[Any, Converter]) -> Converter:
    hints = typing.get_type_hints(annotation)
    fields = [field for field in dataclasses.fields(annotation) if field.init]
    converters = {field.name: _compile(hints[field.name], classes) for field in fields}
    required = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def convert(value: Json, path: str) -> Any:
        found = _as_map(value, path)
        refuse_unknown_keys(found, converters, path)
        _require(found, required, path)
        converted = {key: converters[key](each, f"{path}.{key}") for key, each in found.items()}
        try:
            return annotation(**converted)
        except ValueError as error:  # a __post_init__ that checks its values
            raise invalid(path, str(error)) from error

    return convert


def _require(value: Mapping[str, Json], required: Collection[str], path: str) -> None:
    missing = sorted(key for key in required if key not in value)
    if missing:
        raise invalid(path, f"missing {', '.join(map(repr, missing))}")
