"""The parts that checked expressions and texts are made of: small closures over JSON values.

An expression is compiled once to a tree of these and run many times. There is no Python object within reach of an
author: a dot is a key of a map, a call is an entry of the table, and each loop pays from the frame's budget. Conditions
and texts are built of the same parts, so both mean the same.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from avtomat.blueprint.language.functions.collections import without_omitted
from avtomat.blueprint.language.functions.table import Function
from avtomat.blueprint.language.functions.text import written
from avtomat.blueprint.language.limits import (
    CHARS_PER_STEP,
    MISSING_STEPS,
    RESULT_WEIGHT_MAX,
    TEXT_CHARS_MAX,
    EvaluationError,
    Frame,
    LimitError,
    MissingError,
    weigh,
)
from avtomat.blueprint.language.operators import BINARY, COMPARISONS, OMIT, is_number, kind_of, negate, truth, whole_of
from avtomat.core.formula import Json
from avtomat.suggest import did_you_mean

Code = Callable[[Frame], Json]
UNKNOWN: Json = object()
"""What is worked out only when the job is there."""

_PLAIN_STEPS = 6
_PART_STEPS = 12
_KEYS_SHOWN_MAX = 12
_KEYS_COMPARED_MAX = 200
_KEY_CHARS_SHOWN_MAX = 40


def constant(value: Json) -> Code:
    """Give the same value each time."""
    return known(lambda _frame: value, value)


def known(code: Code, value: Json) -> Code:
    """Note that `code` gives this value each time, so that a checker can tell what it will do."""
    code.value = value  # type: ignore[attr-defined]
    return code


def value_of(code: Code) -> Json:
    """Return what a code gives each time, or UNKNOWN."""
    return getattr(code, "value", UNKNOWN)


def path(keys: tuple[str, ...]) -> Code:
    """Give what stands at a path of keys, the first of which is a name."""

    def run(frame: Frame) -> Json:
        value: Json = frame.names
        try:
            for key in keys:
                value = value[key]
        except (KeyError, TypeError):
            raise MissingError(partial(_missing_path, frame.names, keys)) from None
        return value

    return run


def _missing_path(names: Json, keys: tuple[str, ...]) -> str:
    value = names
    for depth, key in enumerate(keys):
        try:
            value = value[key]
        except (KeyError, TypeError):
            return _missing_key(value, key, ".".join(keys[:depth]))
    raise AssertionError("the path is there")


def _missing_key(value: Json, key: str, label: str) -> str:
    if not label:
        return f"there is no {key} here; there are {', '.join(sorted(value))}"
    if not isinstance(value, dict):
        length = f"; its length is len({label})" if key in {"length", "size"} and isinstance(value, list | str) else ""
        return f"{label} is {kind_of(value)}, so it has no key '{_shown(key)}'{length}"
    comparable = [each for each in list(value)[:_KEYS_COMPARED_MAX] if len(each) <= _KEY_CHARS_SHOWN_MAX]
    close = did_you_mean(key[:_KEY_CHARS_SHOWN_MAX], comparable)
    meant = f"; did you mean '{_shown(close)}'?" if close else "."
    return f"{label} has no key '{_shown(key)}'{meant} {_inventory(value)}"


def _inventory(value: dict[str, Json]) -> str:
    if not value:
        return "It is empty."
    names = ", ".join(_shown(key) for key in list(value)[:_KEYS_SHOWN_MAX])
    more = f" and {len(value) - _KEYS_SHOWN_MAX} more" if len(value) > _KEYS_SHOWN_MAX else ""
    return f"It has {names}{more}."


def _shown(key: str) -> str:
    return key if len(key) <= _KEY_CHARS_SHOWN_MAX else f"{key[: _KEY_CHARS_SHOWN_MAX - 1]}…"


def variable(slot: int) -> Code:
    """Give the value of a loop's variable."""
    return lambda frame: frame.slots[slot]


def member_of_variable(slot: int, keys: Sequence[str], label: str) -> Code:
    """Give what stands at a path of keys in a loop's variable; most loops read nothing else."""
    path_of_keys = tuple(keys)

    def run(frame: Frame) -> Json:
        value = frame.slots[slot]
        try:
            for key in path_of_keys:
                value = value[key]
        except (KeyError, TypeError, IndexError):
            raise MissingError(partial(_missing_path, {label: frame.slots[slot]}, (label, *path_of_keys))) from None
        return value

    return run


def member(base: Code, key: str, label: str) -> Code:
    """Give the value of a key that is known beforehand."""

    def run(frame: Frame) -> Json:
        value = base(frame)
        if isinstance(value, dict) and key in value:
            return value[key]
        raise MissingError(partial(_missing_key, value, key, label))

    return run


def item(base: Code, index: Code, label: str) -> Code:
    """Give the value of a computed key or position."""

    def run(frame: Frame) -> Json:
        value, wanted = base(frame), index(frame)
        if isinstance(wanted, str):
            if isinstance(value, dict) and wanted in value:
                return value[wanted]
            raise MissingError(partial(_missing_computed_key, value, label))
        return _at_position(value, wanted, label)

    return run


def _missing_computed_key(value: Json, label: str) -> str:
    if isinstance(value, dict):
        return f"{label}[…] has no such key. {_inventory(value)}"
    return f"{label} is {kind_of(value)}, so it has no keys"


def _at_position(value: Json, wanted: Json, label: str) -> Json:
    position = whole_of(wanted)
    if position is None:
        raise EvaluationError(f"{label}[…] takes a key or a position, not {kind_of(wanted)}")
    if not isinstance(value, list | str):
        raise MissingError(lambda: f"{label} is {kind_of(value)}, so it has no positions")
    if not -len(value) <= position < len(value):
        raise MissingError(
            lambda: f"{label} has {len(value)} items, so there is none at the position that is asked for"
        )
    return value[position]


def part(base: Code, start: Code | None, stop: Code | None, label: str) -> Code:
    """Give a slice of a list or a text."""

    def run(frame: Frame) -> Json:
        value = base(frame)
        if not isinstance(value, list | str):
            raise EvaluationError(f"{label} is {kind_of(value)}; only lists and texts have parts")
        bounds = [None if code is None else _bound(code(frame), label) for code in (start, stop)]
        part_length = len(range(*slice(*bounds).indices(len(value))))
        frame.spend(_PART_STEPS + (part_length if isinstance(value, list) else part_length // CHARS_PER_STEP))
        return value[bounds[0] : bounds[1]]

    return run


def _bound(value: Json, label: str) -> int | None:
    position = whole_of(value)
    if position is None and value is not None:
        raise EvaluationError(f"{label}[a:b] takes whole numbers")
    return position


def call(function: Function, arguments: Sequence[Code]) -> Code:
    """Call an entry of the table; what it reads is charged before, and what it gives is measured after."""
    apply, codes = function.call, tuple(arguments)

    def run(frame: Frame) -> Json:
        values = [code(frame) for code in codes]
        steps = function.steps
        for value in values:
            kind = type(value)
            if kind is list or kind is dict:
                steps += len(value)
            elif kind is str:
                steps += len(value) // CHARS_PER_STEP
            elif value is OMIT:
                raise EvaluationError("`omit` may only be the value of a key or an item, not an argument")
        frame.spend(steps)
        return _measured(frame, apply(frame, *values))

    return run


def _measured(frame: Frame, value: Json) -> Json:
    if isinstance(value, str) and len(value) > TEXT_CHARS_MAX:
        raise LimitError(f"a text of {len(value):,} characters is longer than {TEXT_CHARS_MAX:,}")
    if isinstance(value, list):
        frame.allow_items(len(value))
    return value


def has(target: Code) -> Code:
    """Tell whether a path leads somewhere."""

    def run(frame: Frame) -> bool:
        try:
            target(frame)
        except MissingError:
            frame.spend(MISSING_STEPS)
            return False
        return True

    return run


def default(target: Code, fallback: Code) -> Code:
    """Give what is at a path, or something else where it leads nowhere."""

    def run(frame: Frame) -> Json:
        try:
            return target(frame)
        except MissingError:
            frame.spend(MISSING_STEPS)
            return fallback(frame)

    return run


def binary(sign: str, left: Code, right: Code) -> Code:
    """Calculate."""
    operate = BINARY[sign]
    return lambda frame: operate(frame, left(frame), right(frame))


def unary(operate: Callable[[Frame, Json], Json], operand: Code) -> Code:
    """Calculate with one operand."""
    code: Code = lambda frame: operate(frame, operand(frame))  # noqa: E731 - one of the small closures
    value = value_of(operand)
    return known(code, -value) if operate is negate and is_number(value) else code


def comparison(first: Code, rest: Sequence[tuple[str, Code]]) -> Code:
    """Compare, `a < b < c` too."""
    if len(rest) == 1:
        compare, right = COMPARISONS[rest[0][0]], rest[0][1]
        return lambda frame: compare(frame, first(frame), right(frame))
    chain = tuple((COMPARISONS[sign], code) for sign, code in rest)

    def run(frame: Frame) -> bool:
        left = first(frame)
        for compare, code in chain:
            right = code(frame)
            if not compare(frame, left, right):
                return False
            left = right
        return True

    return run


def both(codes: Sequence[Code]) -> Code:
    """`and`: the first operand that does not count as true, or the last."""

    def run(frame: Frame) -> Json:
        value: Json = True
        for code in codes:
            value = code(frame)
            if not truth(value):
                return value
        return value

    return run


def either(codes: Sequence[Code]) -> Code:
    """`or`: the first operand that counts as true, or the last."""

    def run(frame: Frame) -> Json:
        value: Json = False
        for code in codes:
            value = code(frame)
            if truth(value):
                return value
        return value

    return run


def negation(operand: Code) -> Code:
    """`not`."""
    return lambda frame: not truth(operand(frame))


def choice(condition: Code, this: Code, that: Code) -> Code:
    """`this if condition else that`."""
    return lambda frame: this(frame) if truth(condition(frame)) else that(frame)


def list_of(codes: Sequence[Code]) -> Code:
    """Make a list; what is `omit` is left out."""
    values = [value_of(code) for code in codes]

    def run(frame: Frame) -> list[Json]:
        return without_omitted([code(frame) for code in codes])

    return run if UNKNOWN in values else known(run, without_omitted(values))


def map_of(pairs: Sequence[tuple[Code, Code]]) -> Code:
    """Make a map; a key whose value is `omit` is left out, and no key comes twice."""

    def run(frame: Frame) -> dict[str, Json]:
        made: dict[str, Json] = {}
        for key_code, value_code in pairs:
            key = key_code(frame)
            if isinstance(key, str) and key in made:
                raise EvaluationError("two keys of the map are the same text: one value would be lost")
            put(made, key, value_code(frame))
        return made

    return run


def put(made: dict[str, Json], key: Json, value: Json) -> None:
    """Set a key of a map in the making, if its value is not `omit`."""
    if not isinstance(key, str):
        raise EvaluationError(f"the keys of a map are texts, not {kind_of(key)}: write str(…)")
    if value is not OMIT:
        made[key] = value


def settle(frame: Frame, value: Json) -> Json:
    """Return a computed value as plain JSON: times become texts, and what would be huge as text is refused."""
    if isinstance(value, list | dict):
        weigh(frame, value, RESULT_WEIGHT_MAX)
    return _plain(frame, value) if frame.with_times else value


def _plain(frame: Frame, value: Json) -> Json:
    if isinstance(value, datetime | timedelta):
        return written(frame, value)
    if isinstance(value, list):
        frame.spend(_PLAIN_STEPS * len(value))
        return [_plain(frame, each) for each in value]
    if isinstance(value, dict):
        frame.spend(_PLAIN_STEPS * len(value))
        return {key: _plain(frame, each) for key, each in value.items()}
    return value
