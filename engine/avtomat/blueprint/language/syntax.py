"""The parts of an expression as they are written; `at` is the offset at which a part begins.

They are not frozen only because that takes three times as long to make, and a folder has many thousands of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Constant:
    """A number or a text in quotes; `length` counts characters of the source."""

    value: str | int | float
    at: int
    length: int


@dataclass(slots=True, eq=False)
class Name:
    """A name alone."""

    name: str
    at: int


@dataclass(slots=True, eq=False)
class Member:
    """`base.key`."""

    base: Node
    key: str
    key_at: int
    at: int


@dataclass(slots=True, eq=False)
class Item:
    """`base[index]`."""

    base: Node
    index: Node
    at: int


@dataclass(slots=True, eq=False)
class Part:
    """`base[start:stop]`."""

    base: Node
    start: Node | None
    stop: Node | None
    at: int


@dataclass(slots=True, eq=False)
class Call:
    """`function(arguments)`, and `first | function(others)`."""

    function: Node
    arguments: tuple[Node, ...]
    at: int


@dataclass(slots=True, eq=False)
class Binary:
    """Arithmetic with two operands."""

    sign: str
    left: Node
    right: Node
    at: int


@dataclass(slots=True, eq=False)
class Negative:
    """`-operand`."""

    operand: Node
    at: int


@dataclass(slots=True, eq=False)
class Not:
    """`not operand`."""

    operand: Node
    at: int


@dataclass(slots=True, eq=False)
class Logical:
    """Operands with `and`, or with `or`, between them."""

    word: str
    operands: tuple[Node, ...]
    at: int


@dataclass(slots=True, eq=False)
class Comparison:
    """`first < second <= third`."""

    first: Node
    rest: tuple[tuple[str, Node], ...]
    at: int


@dataclass(slots=True, eq=False)
class Choice:
    """`this if condition else that`."""

    condition: Node
    this: Node
    that: Node
    at: int


@dataclass(slots=True, eq=False)
class ListOf:
    """`[a, b]`."""

    items: tuple[Node, ...]
    at: int


@dataclass(slots=True, eq=False)
class MapOf:
    """`{'a': 1}`."""

    pairs: tuple[tuple[Node, Node], ...]
    at: int


@dataclass(slots=True, eq=False)
class For:
    """`for names in source if condition`."""

    names: tuple[Name, ...]
    source: Node
    conditions: tuple[Node, ...]


@dataclass(slots=True, eq=False)
class Comprehension:
    """`[element for …]`, or with a key `{key: element for …}`."""

    loops: tuple[For, ...]
    element: Node
    key: Node | None
    at: int


Node = (
    Constant
    | Name
    | Member
    | Item
    | Part
    | Call
    | Binary
    | Negative
    | Not
    | Logical
    | Comparison
    | Choice
    | ListOf
    | MapOf
    | Comprehension
)
