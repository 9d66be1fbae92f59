"""Say why a value does not conform to a JSON Schema of an author, within a budget.

The library decides with yes or no; this is asked only after a no. Of alternatives only the one that fits best is
followed: those that their types, constants and required keys speak against are looked at only when there is no other.
Of alternatives in one another only the innermost are named, so that there is room for the place itself. Each pair of a
schema and a value is looked at once, so that a recursive schema of alternatives costs no more than their product, and
never more than STEPS_MAX. Messages hold what was expected and never a value of a job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from avtomat.core.formula import Json, Problem

PROBLEMS_MAX: Final = 12
STEPS_MAX: Final = 5_000
DEPTH_MAX: Final = 100
"""So many levels of a value are looked at."""
NESTED_MAX: Final = 200
"""So many schemas are looked at within one another: it bounds what the stack holds."""
REFERENCES_MAX: Final = 100
"""So many references may lead to one another."""
DECISION_STEPS: Final = 50
"""What it takes from the budget to ask the library about a part of the schema."""
TEXT_SHOWN_MAX: Final = 60
OPTIONS_SHOWN_MAX: Final = 12

_LEAVES: Final = frozenset(
    ("exclusiveMaximum", "exclusiveMinimum", "format", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
     "minLength", "minProperties", "minimum", "multipleOf", "pattern", "uniqueItems")
)  # fmt: skip
"""Keywords that look at the value alone: the library is asked about each of them by itself."""
_NO_ALTERNATIVE: Final = "no alternative"
_ANNOTATIONS: Final = frozenset(("$comment", "$defs", "default", "definitions", "description", "examples", "title"))
_SHARED: Final = ("$defs", "definitions")
_REFERENCE: Final = re.compile(rb'"\$(?:ref|dynamicRef)":"([^"]*)"')
_SHARED_PLACE: Final = re.compile(rb"#/(?:\$defs|definitions)/")
_KINDS: Final = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}

IsValid = Callable[[Json, Json], bool]


class _Told(NamedTuple):
    """A problem, placed relative to the value that was looked at."""

    path: tuple[str | int, ...]
    message: str
    keyword: str = ""
    """The `type`, `const` or `enum` by which alternatives are told apart; _NO_ALTERNATIVE when none fits."""


def explain(schema: Json, value: Json, is_valid: IsValid) -> list[Problem]:
    """Return why `value`, which does not conform, does not: at least one problem. `is_valid` checks one keyword."""
    told = _Walk(schema, is_valid).look(schema, value, 0)
    problems = [Problem(pointer=_pointer(each.path), message=each.message) for each in told]
    return problems or [Problem(pointer="", message="does not conform to its JSON Schema")]


class _Walk:
    """One explanation: what was looked at already, and how much may still be looked at."""

    def __init__(self, root: Json, is_valid: IsValid) -> None:
        self._root = root
        self._is_valid = is_valid
        self._steps_left = STEPS_MAX
        self._nested = 0
        self._known: dict[tuple[int, int], list[_Told]] = {}

    def look(self, schema: Json, value: Json, depth: int) -> list[_Told]:
        """Return the first problems of `value`; none also when the budget is used up."""
        schema = self._behind_references(schema)
        if schema is False:
            return [_Told((), "is not allowed here")]
        if not isinstance(schema, dict) or self._steps_left <= 0 or depth > DEPTH_MAX or self._nested >= NESTED_MAX:
            return []
        place = (id(schema), id(value))
        if place in self._known:
            return self._known[place]
        self._steps_left -= 1
        self._known[place] = []
        self._nested += 1
        told = _kept(dict.fromkeys(islice(self._problems(schema, value, depth), 2 * PROBLEMS_MAX)))
        self._nested -= 1
        self._known[place] = told
        return told

    def _behind_references(self, schema: Json) -> Json:
        """What a schema that is nothing but a `$ref` stands for."""
        for _ in range(REFERENCES_MAX):
            if not isinstance(schema, dict) or "$ref" not in schema or schema.keys() - _ANNOTATIONS != {"$ref"}:
                return schema
            schema = _resolve(self._root, schema["$ref"])
        return True

    def _problems(self, schema: Mapping[str, Json], value: Json, depth: int) -> Iterator[_Told]:
        yield from _of_choice(schema, value)
        for keyword, wanted in schema.items():
            if keyword in _LEAVES:
                if not self._is_valid({keyword: wanted}, value):
                    yield _Told((), _leaf_message(keyword, wanted))
            elif keyword == "$ref":
                yield from self.look(_resolve(self._root, wanted), value, depth)
            elif keyword == "allOf":
                for part in wanted:
                    yield from self.look(part, value, depth)
            elif keyword in {"anyOf", "oneOf"}:
                yield from self._alternatives(keyword, wanted, value, depth)
            elif keyword == "not" and self._conforms(wanted, value):
                yield _Told((), "fits what `not` excludes")
            elif keyword == "if" and (is_so := self._conforms(wanted, value)) is not None:
                yield from self.look(schema.get("then" if is_so else "else", True), value, depth)
        if isinstance(value, dict):
            yield from self._of_map(schema, value, depth)
        elif isinstance(value, list):
            yield from self._of_list(schema, value, depth)

    def _conforms(self, part: Json, value: Json) -> bool | None:
        """What the library says about a part of the schema; None when the part cannot be asked by itself."""
        if isinstance(part, bool):
            return part
        self._steps_left -= DECISION_STEPS
        shared = {key: self._root[key] for key in _SHARED if isinstance(self._root, dict) and key in self._root}
        whole = {**shared, **part}
        if self._steps_left <= 0 or not all(map(_SHARED_PLACE.match, _REFERENCE.findall(orjson.dumps(whole)))):
            return None
        return self._is_valid(whole, value)

    def _alternatives(self, keyword: str, parts: list[Json], value: Json, depth: int) -> Iterator[_Told]:
        """Follow the alternative that fits best: by type, const or enum, then by the fewest problems."""
        likely = [number for number, part in enumerate(parts) if self._may_fit(part, value)]
        looked = {number: self.look(parts[number], value, depth) for number in likely or range(len(parts))}
        if fitting := [number for number, told in looked.items() if not told]:
            if len(fitting) > 1 and keyword == "oneOf" and self._count(fitting, parts, value) > 1:
                yield _Told((), "fits more than one alternative of `oneOf`")
            return
        if not looked:
            return
        at = min(looked, key=lambda number: _fit_of(looked[number]))
        best = looked[at]
        if not any(each.keyword == _NO_ALTERNATIVE for each in best):
            message = f"fits none of the {len(parts)} alternatives of `{keyword}`; nearest is {_name_of(parts[at], at)}"
            yield _Told((), message, _NO_ALTERNATIVE)
        yield from best

    def _count(self, numbers: list[int], parts: list[Json], value: Json) -> int:
        """How many of these alternatives the library says yes to."""
        return [self._conforms(parts[number], value) for number in numbers].count(True)

    def _may_fit(self, part: Json, value: Json) -> bool:
        """Whether neither type, const, enum nor required keys speak against an alternative; where they do, it does not
        fit.
        """
        self._steps_left -= 1
        schema = self._behind_references(part)
        if not isinstance(schema, dict):
            return schema is not False
        if next(_of_choice(schema, value), None) is not None:
            return False
        if not isinstance(value, dict):
            return True
        properties = schema.get("properties", {})
        return all(name in value for name in schema.get("required", ())) and not any(
            _is_told_apart(properties[name], value[name]) for name in properties.keys() & value.keys()
        )

    def _of_map(self, schema: Mapping[str, Json], value: dict[str, Json], depth: int) -> Iterator[_Told]:
        missing = [name for name in schema.get("required", ()) if name not in value]
        yield from (_Told((), f"`{_short(name)}` is missing") for name in missing)
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        others = schema.get("additionalProperties", True)
        unexpected = []
        for name, inner in value.items():
            if patterns and self._steps_left <= 0:
                break
            self._steps_left -= len(patterns)
            parts = [part for pattern, part in patterns.items() if self._is_valid({"pattern": pattern}, name)]
            if name in properties:
                parts.append(properties[name])
            if not parts and others is False:
                unexpected.append(name)
            for part in parts or [others]:
                yield from _below(name, self.look(part, inner, depth + 1))
            if "propertyNames" in schema and (told := self.look(schema["propertyNames"], name, depth + 1)):
                yield _Told((), f"the key `{_short(name)}`: {told[0].message}")
        if unexpected:
            yield _Told((), f"not allowed: {_listed(unexpected)}")
        yield from self._of_dependents(schema, value, depth)

    def _of_dependents(self, schema: Mapping[str, Json], value: dict[str, Json], depth: int) -> Iterator[_Told]:
        for name, needed in schema.get("dependentRequired", {}).items():
            for each in needed if name in value else ():
                if each not in value:
                    yield _Told((), f"`{_short(each)}` is missing beside `{_short(name)}`")
        for name, part in schema.get("dependentSchemas", {}).items():
            if name in value:
                yield from self.look(part, value, depth)

    def _of_list(self, schema: Mapping[str, Json], value: list[Json], depth: int) -> Iterator[_Told]:
        first = schema.get("prefixItems", [])
        for number, (part, inner) in enumerate(zip(first, value, strict=False)):
            yield from _below(number, self.look(part, inner, depth + 1))
        if "items" in schema:
            for number in range(len(first), len(value)):
                if self._steps_left <= 0:
                    return
                yield from _below(number, self.look(schema["items"], value[number], depth + 1))
        if "contains" in schema:
            bounds = {key: schema[key] for key in ("contains", "minContains", "maxContains") if key in schema}
            if self._conforms(bounds, value) is False:
                yield _Told((), "has too few or too many items that fit `contains`")


def _is_told_apart(schema: Json, value: Json) -> bool:
    """Whether a `const` or an `enum` refuses the value."""
    return isinstance(schema, dict) and any(each.keyword != "type" for each in _of_choice(schema, value))


def _fit_of(told: list[_Told]) -> tuple[int, int, int, int]:
    """How badly an alternative fits."""
    here = [each for each in told if not each.path]
    other = sum(each.keyword in {"const", "enum"} for each in told if len(each.path) == 1)
    return sum(each.keyword not in {"", _NO_ALTERNATIVE} for each in here), other, len(here), len(told)


def _kept(told: Iterable[_Told]) -> list[_Told]:
    """The first problems, the deepest among them."""
    every = [*told]
    if len(every) <= PROBLEMS_MAX:
        return every
    deepest = max(range(len(every)), key=lambda number: len(every[number].path))
    first = [number for number in range(len(every)) if number != deepest][: PROBLEMS_MAX - 1]
    return [every[number] for number in sorted([*first, deepest])]


def _of_choice(schema: Mapping[str, Json], value: Json) -> Iterator[_Told]:
    wanted = schema.get("type")
    if wanted is not None:
        types = wanted if isinstance(wanted, list) else [wanted]
        if not any(_is_of(each, value) for each in types):
            yield _Told((), f"expected {' or '.join(types)}, found {_KINDS.get(type(value), 'null')}", "type")
    if "const" in schema and not _equal(schema["const"], value):
        yield _Told((), f"expected {_shown(schema['const'])}", "const")
    if "enum" in schema and not any(_equal(option, value) for option in schema["enum"]):
        yield _Told((), f"expected one of {_listed(map(_shown, schema['enum']))}", "enum")


def _is_of(kind: str, value: Json) -> bool:
    if kind == "null":
        return value is None
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return _KINDS.get(type(value)) == kind


def _equal(wanted: Json, value: Json) -> bool:
    """As JSON compares: true is not 1."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if isinstance(wanted, dict) and isinstance(value, dict):
        return wanted.keys() == value.keys() and all(_equal(each, value[key]) for key, each in wanted.items())
    if isinstance(wanted, list) and isinstance(value, list):
        return len(wanted) == len(value) and all(map(_equal, wanted, value))
    return bool(wanted == value)


def _resolve(root: Json, reference: str) -> Json:
    """The part of the schema that a pointer names; true, which refuses nothing, for what is no pointer."""
    part: Any = root
    if reference != "#" and not reference.startswith("#/"):
        return True
    for step in reference.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, list) and key.isdecimal() and int(key) < len(part):
            part = part[int(key)]
        elif isinstance(part, dict) and key in part:
            part = part[key]
        else:
            return True
    return part


def _below(step: str | int, told: list[_Told]) -> Iterator[_Told]:
    return (each._replace(path=(step, *each.path)) for each in told)


def _leaf_message(keyword: str, wanted: Json) -> str:
    if keyword == "format":
        return f"expected the format {_short(str(wanted))}"
    if keyword == "pattern":
        return f"expected a text that matches {_short(str(wanted))}"
    return "an item is there twice" if keyword == "uniqueItems" else f"{keyword} is {wanted}"


def _name_of(part: Json, at: int) -> str:
    """What a message calls an alternative: its title, the name behind its `$ref`, or its number."""
    if isinstance(part, dict):
        if isinstance(title := part.get("title"), str):
            return f"`{_short(title)}`"
        if isinstance(reference := part.get("$ref"), str) and "/" in reference:
            return f"`{_short(reference.rpartition('/')[2])}`"
    return f"number {at + 1}"


def _pointer(path: tuple[str | int, ...]) -> str:
    return "".join(f"/{_short(str(step)).replace('~', '~0').replace('/', '~1')}" for step in path)


def _shown(value: Json) -> str:
    return _short(value if isinstance(value, str) else orjson.dumps(value).decode())


def _listed(names: Any) -> str:
    every = [*names]
    more = f" and {len(every) - OPTIONS_SHOWN_MAX} more" if len(every) > OPTIONS_SHOWN_MAX else ""
    return ", ".join(_short(name) for name in every[:OPTIONS_SHOWN_MAX]) + more


def _short(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN_MAX else f"{text[:TEXT_SHOWN_MAX]}…"
