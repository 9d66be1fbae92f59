"""Compile the tree of an expression to closures, and note in the scope what it reads and what is wrong with it."""

from collections.abc import Callable

from avtomat.blueprint.language import evaluation, operators
from avtomat.blueprint.language.evaluation import Code
from avtomat.blueprint.language.functions.table import FORMS, canonical
from avtomat.blueprint.language.limits import EvaluationError
from avtomat.blueprint.language.loops import Loop, comprehension
from avtomat.blueprint.language.scope import NOTHING, Scope
from avtomat.blueprint.language.syntax import (
    Binary,
    Call,
    Choice,
    Comparison,
    Comprehension,
    Constant,
    For,
    Item,
    ListOf,
    Logical,
    MapOf,
    Member,
    Name,
    Negative,
    Node,
    Not,
    Part,
)

_PRICES: dict[type[Node], int] = {
    Binary: 8, Negative: 4, Not: 4, Choice: 3, Item: 6, Part: 6, ListOf: 8, MapOf: 6, Comprehension: 30,
}  # fmt: skip
"""Steps of the kinds of nodes that cost more than one; functions have theirs in the table."""
_INNER_LOOP_STEPS = 6
_LOOP_STATE = ("index", "index0", "first", "last", "length", "revindex", "revindex0")


class ExpressionReader:
    """Reads trees into one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def read(self, node: Node, depth: int) -> Code:
        """Compile one node, and count it."""
        kind = type(node)
        self.scope.visit(depth, _PRICES.get(kind, 1))
        return _HANDLERS[kind](self, node, depth + 1)

    def _constant(self, node: Constant, _depth: int) -> Code:
        if not isinstance(node.value, str):
            try:
                operators.checked_number(node.value)
            except EvaluationError as problem:
                return self.scope.fault("limit", str(problem), node.at, node.length)
        return evaluation.constant(node.value)

    def _name(self, node: Name, _depth: int) -> Code:
        return self.scope.path(node.name, (), node.at)

    def _member(self, node: Member | Item, depth: int) -> Code:
        keys, base = self._chain(node)
        if isinstance(base, Name):
            self.scope.visit(depth)
            return self.scope.path(base.name, keys, base.at)
        return self.scope.members(self.read(base, depth), keys, _label(base))

    def _chain(self, node: Node) -> tuple[list[str], Node]:
        """Return the keys that are known beforehand, and what they start from."""
        keys: list[str] = []
        while True:
            if isinstance(node, Member):
                key = node.key
                self._check_key(node)
            elif isinstance(node, Item) and isinstance(node.index, Constant) and isinstance(node.index.value, str):
                key = node.index.value
            else:
                return keys[::-1], node
            keys.append(key)
            self.scope.visit(len(keys), 0)
            node = node.base

    def _check_key(self, node: Member) -> None:
        if not (isinstance(node.base, Name) and self.scope.is_loop_state(node.base.name)):
            self.scope.check_key(node.key, node.key_at)
        elif node.key not in _LOOP_STATE:
            hint = f"it has {', '.join(_LOOP_STATE)}"
            self.scope.fault("syntax", f"`loop` has no {node.key}", node.key_at, len(node.key), hint)

    def _item(self, node: Item, depth: int) -> Code:
        if isinstance(node.index, Constant) and isinstance(node.index.value, str):
            return self._member(node, depth)
        return evaluation.item(self.read(node.base, depth), self.read(node.index, depth), _label(node.base))

    def _part(self, node: Part, depth: int) -> Code:
        base = self.read(node.base, depth)
        start = None if node.start is None else self.read(node.start, depth)
        stop = None if node.stop is None else self.read(node.stop, depth)
        return evaluation.part(base, start, stop, _label(node.base))

    def _call(self, node: Call, depth: int) -> Code:
        if isinstance(node.function, Member):
            return self.scope.check_method(node.function.key, node.function.key_at)
        if not isinstance(node.function, Name):
            return self.scope.fault("forbidden", "this is not a function", node.at, 1, "functions have names: len(x)")
        name, arguments = node.function, node.arguments
        if name.name in FORMS:
            return self._form(name, arguments, depth)
        if canonical(name.name) == "matches" and len(arguments) == 2 and isinstance(arguments[1], Constant):
            self.scope.check_pattern("matches", arguments[1].value, arguments[1].at)
        return self.scope.call(name.name, [self.read(each, depth) for each in arguments], name.at)

    def _form(self, name: Name, arguments: tuple[Node, ...], depth: int) -> Code:
        if not self.scope.form(name.name, len(arguments), name.at):
            return NOTHING
        if name.name == "has" and not isinstance(arguments[0], Name | Member | Item | Part):
            return self.scope.fault("syntax", "has() takes a path", arguments[0].at, 1, "write has(a.b.c)")
        with self.scope.guarded():
            target = self.read(arguments[0], depth)
        if name.name == "has":
            return evaluation.has(target)
        return evaluation.default(target, self.read(arguments[1], depth))

    def _binary(self, node: Binary, depth: int) -> Code:
        return evaluation.binary(node.sign, self.read(node.left, depth), self.read(node.right, depth))

    def _negative(self, node: Negative, depth: int) -> Code:
        return evaluation.unary(operators.negate, self.read(node.operand, depth))

    def _not(self, node: Not, depth: int) -> Code:
        return evaluation.negation(self.read(node.operand, depth))

    def _logical(self, node: Logical, depth: int) -> Code:
        self.scope.price += len(node.operands)
        codes = [self.read(each, depth) for each in node.operands]
        return evaluation.both(codes) if node.word == "and" else evaluation.either(codes)

    def _comparison(self, node: Comparison, depth: int) -> Code:
        self.scope.price += 3 * len(node.rest)
        first = self.read(node.first, depth)
        return evaluation.comparison(first, [(sign, self.read(each, depth)) for sign, each in node.rest])

    def _choice(self, node: Choice, depth: int) -> Code:
        return evaluation.choice(*(self.read(each, depth) for each in (node.condition, node.this, node.that)))

    def _list(self, node: ListOf, depth: int) -> Code:
        self.scope.price += len(node.items)
        return evaluation.list_of([self.read(each, depth) for each in node.items])

    def _map(self, node: MapOf, depth: int) -> Code:
        self.scope.price += 4 * len(node.pairs)
        self._check_repeated_keys(node)
        return evaluation.map_of([(self._map_key(key, depth), self.read(each, depth)) for key, each in node.pairs])

    def _check_repeated_keys(self, node: MapOf) -> None:
        seen: set[str] = set()
        for key, _value in node.pairs:
            if isinstance(key, Constant) and isinstance(key.value, str):
                if key.value in seen:
                    message = "this key is repeated in the map, and the first value is lost"
                    self.scope.fault("syntax", message, key.at, key.length, "leave one of them out, or rename it")
                seen.add(key.value)

    def _map_key(self, key: Node, depth: int) -> Code:
        if isinstance(key, Name) and self.scope.slot(key.name) is None:
            message, hint = "the keys of a map are texts", f"write '{key.name}'"
            return self.scope.fault("syntax", message, key.at, len(key.name), hint)
        return self.read(key, depth)

    def _comprehension(self, node: Comprehension, depth: int) -> Code:
        with self.scope.variables():
            outermost = self.read(node.loops[0].source, depth)
            before = self.scope.price  # what the outermost loop goes through is worked out once, the rest in each round
            loops = [self._loop(node.loops[0], outermost, depth)]
            loops += [self._loop(each, self._inner_source(each, depth), depth) for each in node.loops[1:]]
            key = None if node.key is None else self._map_key(node.key, depth)
            element = self.read(node.element, depth)
        return comprehension(loops, element, key, self.scope.price - before)

    def _inner_source(self, node: For, depth: int) -> Code:
        self.scope.price += _INNER_LOOP_STEPS
        return self.read(node.source, depth)

    def _loop(self, node: For, source: Code, depth: int) -> Loop:
        slots = tuple(self.scope.bind(each.name, each.at) for each in node.names)
        return Loop(slots=slots, source=source, conditions=tuple(self.read(each, depth) for each in node.conditions))


def _label(node: Node) -> str:
    """Return how messages call what stands before a bracket; computed parts are left open."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Member):
        return f"{_label(node.base)}.{node.key}"
    if isinstance(node, Item | Part):
        return f"{_label(node.base)}[…]"
    return "the value"


_HANDLERS: dict[type[Node], Callable[..., Code]] = {
    Constant: ExpressionReader._constant,
    Name: ExpressionReader._name,
    Member: ExpressionReader._member,
    Item: ExpressionReader._item,
    Part: ExpressionReader._part,
    Call: ExpressionReader._call,
    Binary: ExpressionReader._binary,
    Negative: ExpressionReader._negative,
    Not: ExpressionReader._not,
    Logical: ExpressionReader._logical,
    Comparison: ExpressionReader._comparison,
    Choice: ExpressionReader._choice,
    ListOf: ExpressionReader._list,
    MapOf: ExpressionReader._map,
    Comprehension: ExpressionReader._comprehension,
}
