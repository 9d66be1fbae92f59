"""Compare what two stores answered and what they hold, apart from the milliseconds between two calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from avtomat.storage.port.answers import Handout

NEAR_MS = 1_000
FIRST_TIME_MS = 10**12
"""An integer from here on is a time."""


def none_of(findings: Iterable[str]) -> None:
    """Fail with all findings, if there are any."""
    found = list(findings)
    if found:
        raise AssertionError("\n".join(found))


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """Each place at which two plain values differ."""
    if expected == found:
        return
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted({*expected, *found}, key=str):
            if key not in expected or key not in found:
                yield f"{where}/{key}: " + ("unexpected" if key in found else "missing")
            else:
                yield from differences(expected[key], found[key], f"{where}/{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{where}/{index}")
    elif not _is_same(expected, found):
        yield f"{where}: expected {expected!r}, found {found!r}"


def _is_same(expected: Any, found: Any) -> bool:
    if type(expected) is int and type(found) is int and min(expected, found) >= FIRST_TIME_MS:
        return abs(expected - found) <= NEAR_MS
    return bool(expected == found)


def plain(value: Any) -> Any:
    """An answer as mappings, lists and scalars; where the contract leaves the order open, it is sorted."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = {each.name: getattr(value, each.name) for each in fields(value)}
        return plain(shown | {"view": value.loaded} if isinstance(value, Handout) else shown)
    if isinstance(value, Mapping):
        shown = {key: plain(one) for key, one in value.items()}
        if "revoked" in shown:
            shown["revoked"].sort(key=lambda one: one["task_id"])
        return shown
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(one) for one in value]
    return value


def plain_due(value: Any) -> Any:
    """The answer of `due`: members of one time come in any order."""
    return sorted(plain(value), key=_member)


def plain_dump(value: Mapping[str, object]) -> Any:
    """A dump whose due members are ordered by what they are, since their times differ by milliseconds."""
    due: Any = value["due"]
    return {**value, "due": sorted(due, key=_member)}


def _member(one: Mapping[str, Any]) -> tuple[Any, ...]:
    return one["job"], one["path"], one["kind"], one["number"]
