"""Loops: comprehensions of lists and maps, and what a `for` of a text goes through.

Each round is paid for before it begins, at the price of all that stands inside the loop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from avtomat.blueprint.language.evaluation import Code, put
from avtomat.blueprint.language.functions.collections import without_omitted
from avtomat.blueprint.language.limits import ROUND_STEPS, EvaluationError, Frame
from avtomat.blueprint.language.operators import kind_of, truth
from avtomat.core.formula import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One `for` of a comprehension or a text: the slots of its variables, what it goes through, and its `if`s."""

    slots: tuple[int, ...]
    source: Code
    conditions: tuple[Code, ...]


def comprehension(loops: Sequence[Loop], element: Code, key: Code | None, cost: int) -> Code:
    """Make a list, or with `key` a map, by going through lists; each round costs `cost` steps."""

    def run(frame: Frame) -> Json:
        if key is None:
            return _within(frame, without_omitted([element(frame) for _ in _nested(frame, loops, cost)]))
        made: dict[str, Json] = {}
        for _ in _nested(frame, loops, cost):
            put(made, key(frame), element(frame))
        return made

    return run


def _nested(frame: Frame, loops: Sequence[Loop], cost: int) -> Iterator[Json]:
    """Go through loops within loops; what comes out says only that there is one more round."""
    if len(loops) == 1:
        return rounds(frame, loops[0], cost)
    return (inner for _ in rounds(frame, loops[0], cost) for inner in _nested(frame, loops[1:], cost))


def _within(frame: Frame, made: list[Json]) -> list[Json]:
    frame.check_items(len(made))
    return made


def rounds(frame: Frame, loop: Loop, cost: int) -> Iterator[Json]:
    """Go through the items that the loop's conditions let pass, with its variables set for each."""
    source = loop.source(frame)
    if not isinstance(source, list):
        hint = ": go through entries(…), keys(…) or values(…)" if isinstance(source, dict) else ""
        raise EvaluationError(f"`for` goes through lists, not {kind_of(source)}{hint}")
    slots, conditions = loop.slots, loop.conditions
    price = cost + ROUND_STEPS * len(slots)
    for element in source:
        frame.spend(price)
        bind(frame, slots, element)
        for condition in conditions:
            if not truth(condition(frame)):
                break
        else:
            yield element


def bind(frame: Frame, slots: tuple[int, ...], element: Json) -> None:
    """Set a loop's variables: one to the item itself, several to the parts of an item that is a list."""
    if len(slots) == 1:
        frame.slots[slots[0]] = element
        return
    if not isinstance(element, list) or len(element) != len(slots):
        hint = "; of entries(…) take one name and read e.key and e.value" if isinstance(element, dict) else ""
        raise EvaluationError(f"`for` with {len(slots)} names needs items that are lists of {len(slots)}{hint}")
    for slot, value in zip(slots, element, strict=True):
        frame.slots[slot] = value
