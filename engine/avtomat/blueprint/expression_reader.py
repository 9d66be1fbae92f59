"""Compile Python's syntax tree of an expression to closures; each kind of node is either on the list here or refused.

The tree is that of the masked source (see `lexer`), so texts and unusual names are looked up by their offset.
"""

import ast
from collections.abc import Callable

from avtomat.blueprint import evaluation, operators
from avtomat.blueprint.evaluation import Code
from avtomat.blueprint.functions import FORMS, canonical
from avtomat.blueprint.lexer import Scan
from avtomat.blueprint.limits import NODES_MAX, EvaluationError
from avtomat.blueprint.loops import Loop, comprehension
from avtomat.blueprint.scope import NOTHING, Scope

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.In: "in",
    ast.NotIn: "not in",
}  # fmt: skip
_REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Tuple: ("values side by side", "write a list: [a, b]"),
    ast.Set: ("a set", "write a list, [a, b], or a map, {'a': 1}"),
    ast.SetComp: ("a set", "write a list: [x for x in list]"),
    ast.Starred: ("`*`", "write a + b to join lists"),
}


_PRICES: dict[type[ast.expr], int] = {
    ast.BinOp: 8, ast.UnaryOp: 4, ast.IfExp: 3, ast.BoolOp: 1, ast.Subscript: 6, ast.List: 8, ast.Dict: 6,
    ast.ListComp: 30, ast.GeneratorExp: 30, ast.DictComp: 30,
}  # fmt: skip
"""Steps of the kinds of nodes that cost more than one; functions have theirs in the table."""
INNER_LOOP_STEPS = 6


class ExpressionReader:
    """Reads one tree; what it finds is in `scope`."""

    def __init__(self, scanned: Scan) -> None:
        self.originals = scanned.originals
        self.scope = Scope("expression", NODES_MAX)

    def read(self, node: ast.expr, depth: int) -> Code:
        """Compile one node, and count it."""
        self.scope.visit(depth, _PRICES.get(type(node), 1))
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return self._refuse(node)
        return handler(self, node, depth + 1)

    def _refuse(self, node: ast.expr) -> Code:
        what, hint = _REFUSED.get(type(node), ("this", "expressions compute a value; a task does the rest"))
        length = (node.end_col_offset or 0) - node.col_offset
        return self.scope.fault("forbidden", f"{what} cannot stand in an expression", node.col_offset, length, hint)

    def _constant(self, node: ast.Constant, _depth: int) -> Code:
        value = self.originals[node.col_offset] if isinstance(node.value, str) else node.value
        if not isinstance(value, str | int | float):
            return self._refuse(node)
        if not isinstance(value, str):
            try:
                operators.checked_number(value)
            except EvaluationError as problem:
                return self.scope.fault(
                    "limit", str(problem), node.col_offset, (node.end_col_offset or 0) - node.col_offset
                )
        return evaluation.constant(value)

    def _name(self, node: ast.Name, _depth: int) -> Code:
        return self.scope.path(self._spelled(node), (), node.col_offset)

    def _spelled(self, node: ast.Name) -> str:
        return self.originals.get(node.col_offset, node.id)

    def _key(self, node: ast.Attribute) -> tuple[str, int]:
        offset = (node.end_col_offset or 0) - len(node.attr)
        return self.originals.get(offset, node.attr), offset

    def _attribute(self, node: ast.Attribute, depth: int) -> Code:
        keys, base = self._chain(node)
        if isinstance(base, ast.Name):
            self.scope.visit(depth)
            return self.scope.path(self._spelled(base), keys, base.col_offset)
        return self.scope.members(self.read(base, depth), keys, self._label(base))

    def _chain(self, node: ast.expr) -> tuple[list[str], ast.expr]:
        """Return the keys that are known beforehand, and what they start from."""
        keys: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                key, offset = self._key(node)
                self.scope.check_key(key, offset)
            elif isinstance(node, ast.Subscript) and self._known_subscript(node):
                key = self.originals[node.slice.col_offset]
            else:
                return keys[::-1], node
            keys.append(key)
            self.scope.visit(len(keys), 0)
            node = node.value

    def _subscript(self, node: ast.Subscript, depth: int) -> Code:
        if self._known_subscript(node):
            return self._attribute(node, depth)  # type: ignore[arg-type]
        base, label = self.read(node.value, depth), self._label(node.value)
        if isinstance(node.slice, ast.Slice):
            return self._part(node.slice, base, label, depth)
        return evaluation.item(base, self.read(node.slice, depth), label)

    @staticmethod
    def _known_subscript(node: ast.Subscript) -> bool:
        return isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)

    def _part(self, bounds: ast.Slice, base: Code, label: str, depth: int) -> Code:
        if bounds.step is not None:
            self.scope.fault("forbidden", "a part has no step", bounds.step.col_offset, 1, "write list[from:to]")
        start = None if bounds.lower is None else self.read(bounds.lower, depth)
        stop = None if bounds.upper is None else self.read(bounds.upper, depth)
        return evaluation.part(base, start, stop, label)

    def _call(self, node: ast.Call, depth: int) -> Code:
        if isinstance(node.func, ast.Attribute):
            return self.scope.check_method(*self._key(node.func))
        if not isinstance(node.func, ast.Name):
            hint = "functions have names: len(x)"
            return self.scope.fault("forbidden", "this is no function", node.col_offset, 1, hint)
        if node.keywords:
            offset = node.keywords[0].value.col_offset
            return self.scope.fault(
                "forbidden", "`**` cannot stand here", offset, 1, "give the arguments in their order"
            )
        return self._function(node.func, node.args, depth)

    def _function(self, name: ast.Name, arguments: list[ast.expr], depth: int) -> Code:
        if name.id in FORMS:
            return self._form(name, arguments, depth)
        if canonical(name.id) == "matches" and len(arguments) == 2 and isinstance(arguments[1], ast.Constant):
            offset = arguments[1].col_offset
            self.scope.check_pattern("matches", self.originals.get(offset), offset)
        return self.scope.call(self._spelled(name), [self.read(each, depth) for each in arguments], name.col_offset)

    def _form(self, name: ast.Name, arguments: list[ast.expr], depth: int) -> Code:
        if not self.scope.form(name.id, len(arguments), name.col_offset):
            return NOTHING
        if name.id == "has" and not isinstance(arguments[0], ast.Name | ast.Attribute | ast.Subscript):
            return self.scope.fault("syntax", "has() takes a path", arguments[0].col_offset, 1, "write has(a.b.c)")
        with self.scope.guarded():
            target = self.read(arguments[0], depth)
        if name.id == "has":
            return evaluation.has(target)
        return evaluation.default(target, self.read(arguments[1], depth))

    def _binary(self, node: ast.BinOp, depth: int) -> Code:
        if isinstance(node.op, ast.BitOr):
            return self._pipe(node, depth)
        sign = _BINARY.get(type(node.op))
        if sign is None:
            return self._refuse(node)
        return evaluation.binary(sign, self.read(node.left, depth), self.read(node.right, depth))

    def _pipe(self, node: ast.BinOp, depth: int) -> Code:
        """`x | f(a)` is `f(x, a)`."""
        if isinstance(node.right, ast.Call) and isinstance(node.right.func, ast.Name):
            name, more = node.right.func, node.right.args
        elif isinstance(node.right, ast.Name):
            name, more = node.right, []
        else:
            hint = "after the bar stands a function: x | upper, x | round(2)"
            return self.scope.fault("syntax", "`|` calls a function", node.right.col_offset, 1, hint)
        if isinstance(node.left, ast.BinOp | ast.UnaryOp) and not self._is_single(node):
            hint = "write (a + b) | f, or a + (b | f)"
            return self.scope.fault("syntax", "what does `|` take here?", node.left.col_offset, 1, hint)
        return self._function(name, [node.left, *more], depth)

    @staticmethod
    def _is_single(node: ast.BinOp) -> bool:
        """The left side is a pipe itself, or stands in parentheses: then it begins after the whole does."""
        is_pipe = isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.BitOr)
        return is_pipe or node.left.col_offset > node.col_offset

    def _unary(self, node: ast.UnaryOp, depth: int) -> Code:
        if isinstance(node.op, ast.Not):
            return evaluation.negation(self.read(node.operand, depth))
        if isinstance(node.op, ast.USub):
            return evaluation.unary(operators.negate, self.read(node.operand, depth))
        return self._refuse(node)

    def _logical(self, node: ast.BoolOp, depth: int) -> Code:
        self.scope.price += len(node.values)
        codes = [self.read(each, depth) for each in node.values]
        return evaluation.both(codes) if isinstance(node.op, ast.And) else evaluation.either(codes)

    def _comparison(self, node: ast.Compare, depth: int) -> Code:
        self.scope.price += 3 * len(node.ops)
        first = self.read(node.left, depth)
        signs = [_COMPARISONS[type(sign)] for sign in node.ops]
        return evaluation.comparison(
            first, [(s, self.read(c, depth)) for s, c in zip(signs, node.comparators, strict=True)]
        )

    def _choice(self, node: ast.IfExp, depth: int) -> Code:
        return evaluation.choice(*(self.read(each, depth) for each in (node.test, node.body, node.orelse)))

    def _list(self, node: ast.List, depth: int) -> Code:
        self.scope.price += len(node.elts)
        return evaluation.list_of([self.read(each, depth) for each in node.elts])

    def _map(self, node: ast.Dict, depth: int) -> Code:
        pairs: list[tuple[Code, Code]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                self.scope.fault("forbidden", "`**` cannot stand in a map", value.col_offset, 1, "write merge(a, b)")
                continue
            self.scope.price += 4
            pairs.append((self._map_key(key, depth), self.read(value, depth)))
        return evaluation.map_of(pairs)

    def _map_key(self, key: ast.expr, depth: int) -> Code:
        if isinstance(key, ast.Name) and self.scope.slot(self._spelled(key)) is None:
            name = self._spelled(key)
            return self.scope.fault(
                "syntax", "the keys of a map are texts", key.col_offset, len(name), f"write '{name}'"
            )
        return self.read(key, depth)

    def _list_comprehension(self, node: ast.ListComp | ast.GeneratorExp, depth: int) -> Code:
        return self._comprehension(node.generators, node.elt, None, depth)

    def _map_comprehension(self, node: ast.DictComp, depth: int) -> Code:
        return self._comprehension(node.generators, node.value, node.key, depth)

    def _comprehension(
        self, fors: list[ast.comprehension], element: ast.expr, key: ast.expr | None, depth: int
    ) -> Code:
        with self.scope.variables():
            outermost = self.read(fors[0].iter, depth)
            before = self.scope.price  # what the outermost loop goes through is worked out once, the rest in each round
            loops = [self._loop(fors[0], outermost, depth)]
            loops += [self._loop(each, self._inner_source(each, depth), depth) for each in fors[1:]]
            key_code = None if key is None else self._map_key(key, depth)
            element_code = self.read(element, depth)
        return comprehension(loops, element_code, key_code, self.scope.price - before)

    def _inner_source(self, node: ast.comprehension, depth: int) -> Code:
        self.scope.price += INNER_LOOP_STEPS
        return self.read(node.iter, depth)

    def _loop(self, node: ast.comprehension, source: Code, depth: int) -> Loop:
        names = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
        slots: list[int] = []
        for name in names:
            if isinstance(name, ast.Name):
                slots.append(self.scope.bind(self._spelled(name), name.col_offset))
            else:
                self.scope.fault("syntax", "`for` takes names", name.col_offset, 1, "write: for x in list")
        conditions = tuple(self.read(each, depth) for each in node.ifs)
        return Loop(slots=tuple(slots), source=source, conditions=conditions)

    def _label(self, node: ast.expr) -> str:
        """Return how messages call what stands before a bracket; computed parts are left open."""
        if isinstance(node, ast.Name):
            return self._spelled(node)
        if isinstance(node, ast.Attribute):
            return f"{self._label(node.value)}.{self._key(node)[0]}"
        if isinstance(node, ast.Subscript):
            return f"{self._label(node.value)}[…]"
        return "the value"


_HANDLERS: dict[type[ast.expr], Callable[..., Code]] = {
    ast.Constant: ExpressionReader._constant,
    ast.Name: ExpressionReader._name,
    ast.Attribute: ExpressionReader._attribute,
    ast.Subscript: ExpressionReader._subscript,
    ast.Call: ExpressionReader._call,
    ast.BinOp: ExpressionReader._binary,
    ast.UnaryOp: ExpressionReader._unary,
    ast.BoolOp: ExpressionReader._logical,
    ast.Compare: ExpressionReader._comparison,
    ast.IfExp: ExpressionReader._choice,
    ast.List: ExpressionReader._list,
    ast.Dict: ExpressionReader._map,
    ast.ListComp: ExpressionReader._list_comprehension,
    ast.GeneratorExp: ExpressionReader._list_comprehension,
    ast.DictComp: ExpressionReader._map_comprehension,
}
