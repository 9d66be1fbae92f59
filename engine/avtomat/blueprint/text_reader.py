"""Compile Jinja's syntax tree of a text to closures; each kind of node is either on the list here or refused.

Values mean what they mean in expressions: the same paths, functions and operators, built from the same parts. A node's
`lineno` is the offset of its token in the text (see `texts`).
"""

from collections.abc import Callable, Sequence

from jinja2 import nodes

from avtomat.blueprint import evaluation, operators
from avtomat.blueprint.evaluation import Code
from avtomat.blueprint.faults import Read
from avtomat.blueprint.functions import FORMS
from avtomat.blueprint.functions_text import written
from avtomat.blueprint.limits import (
    CHARS_PER_STEP,
    OUTPUT_CHARS_MAX,
    TEMPLATE_NODES_MAX,
    EvaluationError,
    Frame,
    LimitError,
)
from avtomat.blueprint.loops import Loop, bind, rounds
from avtomat.blueprint.scope import NOTHING, SECRETS, Scope

_BINARY: dict[type[nodes.BinExpr], str] = {
    nodes.Add: "+", nodes.Sub: "-", nodes.Mul: "*", nodes.Div: "/", nodes.FloorDiv: "//", nodes.Mod: "%",
    nodes.Pow: "**",
}  # fmt: skip
_COMPARISONS = {
    "eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">=", "in": "in", "notin": "not in",
}  # fmt: skip
_REFUSED = {
    "Assign": "set", "AssignBlock": "set", "Macro": "macro", "CallBlock": "call", "FilterBlock": "filter",
    "Block": "block", "Extends": "extends", "Include": "include", "Import": "import", "FromImport": "from … import",
    "With": "with", "ScopedEvalContextModifier": "autoescape",
}  # fmt: skip


_PRICES: dict[type[nodes.Node], int] = {
    **dict.fromkeys(_BINARY, 8), nodes.Neg: 4, nodes.Not: 4, nodes.CondExpr: 3, nodes.And: 4, nodes.Or: 4,
    nodes.Compare: 4, nodes.Getitem: 6, nodes.List: 8, nodes.Dict: 6, nodes.Concat: 12, nodes.Test: 6,
    nodes.Output: 4, nodes.If: 4, nodes.For: 40,
}  # fmt: skip
"""Steps of the kinds of nodes that cost more than one; functions have theirs in the table."""
_LOOP_STATE_STEPS = 12
_WRITE_STEPS = 4


class Output:
    """A text in the making, and where secrets will go into it."""

    __slots__ = ("chars", "frame", "parts", "secrets")

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.parts: list[str] = []
        self.chars = 0
        self.secrets: list[tuple[int, str]] = []

    def write(self, text: str) -> None:
        """Append `text`, within the bounds of a render."""
        self.chars += len(text)
        if self.chars > OUTPUT_CHARS_MAX:
            raise LimitError(f"the text becomes longer than {OUTPUT_CHARS_MAX:,} characters")
        self.frame.spend(_WRITE_STEPS + len(text) // CHARS_PER_STEP)
        self.parts.append(text)


Part = Callable[[Frame, Output], None]


def literal(text: str) -> Part:
    """Write the same text each time."""
    return lambda _frame, output: output.write(text)


def value(code: Code) -> Part:
    """Write a value, as JSON writes it."""

    def run(frame: Frame, output: Output) -> None:
        found = code(frame)
        output.write(found if type(found) is str else written(frame, found))

    return run


def sequence(parts: Sequence[Part]) -> Part:
    """Write one after the other."""
    if len(parts) == 1:
        return parts[0]

    def run(frame: Frame, output: Output) -> None:
        for each in parts:
            each(frame, output)

    return run


def secret(name: str) -> Part:
    """Leave a place for a secret."""
    return lambda _frame, output: output.secrets.append((output.chars, name))


class TextReader:
    """Reads one tree; what it finds is in `scope`."""

    def __init__(self, *, allow_secrets: bool) -> None:
        self.allow_secrets = allow_secrets
        self.scope = Scope("template", TEMPLATE_NODES_MAX)
        self.statements: dict[type[nodes.Node], Callable[..., Part]] = {
            nodes.Output: self._output,
            nodes.If: self._if,
            nodes.For: self._for,
        }
        self.handlers: dict[type[nodes.Node], Callable[..., Code]] = {
            nodes.Const: self._constant,
            nodes.Name: self._path,
            nodes.Getattr: self._path,
            nodes.Getitem: self._getitem,
            nodes.Call: self._call,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Compare: self._comparison,
            nodes.CondExpr: self._choice,
            nodes.Concat: self._concat,
            nodes.And: self._and,
            nodes.Or: self._or,
            nodes.Not: self._not,
            nodes.Neg: self._negative,
            nodes.List: self._list,
            nodes.Dict: self._map,
            **dict.fromkeys(_BINARY, self._binary),
        }

    def body(self, statements: Sequence[nodes.Node], depth: int) -> Part:
        """Compile statements that follow each other."""
        parts: list[Part] = []
        for statement in statements:
            self.scope.visit(depth, _PRICES.get(type(statement), 1))
            handler = self.statements.get(type(statement))
            parts.append(self._refuse_statement(statement) if handler is None else handler(statement, depth + 1))
        return sequence(parts)

    def read(self, node: nodes.Node, depth: int) -> Code:
        """Compile one value, and count it."""
        self.scope.visit(depth, _PRICES.get(type(node), 1))
        handler = self.handlers.get(type(node))
        if handler is None:
            hint = "write a list, [a, b]" if isinstance(node, nodes.Tuple) else None
            return self.scope.fault("forbidden", "this cannot stand in a text", node.lineno, 1, hint)
        return handler(node, depth + 1)

    def _refuse_statement(self, node: nodes.Node) -> Part:
        word = _REFUSED.get(type(node).__name__, "this")
        hint = "texts have {% if %}, {% for %} and {% raw %}; put values into `set` of a state before"
        self.scope.fault("forbidden", f"{{% {word} %}} cannot stand in a text", node.lineno, len(word), hint)
        return literal("")

    def _output(self, node: nodes.Output, depth: int) -> Part:
        return sequence([self._written(each, depth) for each in node.nodes])

    def _written(self, node: nodes.Expr, depth: int) -> Part:
        if isinstance(node, nodes.TemplateData):
            return literal(node.data)
        if self.allow_secrets and isinstance(node, nodes.Getattr) and _is_secrets(node.node):
            self.scope.reads.append(Read(path=(SECRETS, node.attr), offset=node.node.lineno, guarded=False))
            return secret(node.attr)
        return value(self.read(node, depth))

    def _if(self, node: nodes.If, depth: int) -> Part:
        arms = [(self.read(arm.test, depth), self.body(arm.body, depth)) for arm in (node, *node.elif_)]
        otherwise = self.body(node.else_, depth)

        def run(frame: Frame, output: Output) -> None:
            for condition, part in arms:
                if operators.truth(condition(frame)):
                    return part(frame, output)
            return otherwise(frame, output)

        return run

    def _for(self, node: nodes.For, depth: int) -> Part:
        if node.recursive:
            self.scope.fault("forbidden", "`recursive` cannot stand in a text", node.lineno)
        before = self.scope.price
        source = self.read(node.iter, depth)
        with self.scope.variables():
            slots = tuple(self._bind(target) for target in _targets(node.target))
            conditions = () if node.test is None else (self.read(node.test, depth),)
            state = self.scope.bind("loop", node.lineno)
            part = self.body(node.body, depth)
        otherwise = self.body(node.else_, depth)
        loop = Loop(slots=slots, source=source, conditions=conditions)
        return _looped(loop, state, part, otherwise, self.scope.price - before)

    def _bind(self, target: nodes.Node) -> int:
        if isinstance(target, nodes.Name):
            return self.scope.bind(target.name, target.lineno)
        self.scope.fault("syntax", "`for` takes names", target.lineno, 1, "write: {% for x in list %}")
        return 0

    def _constant(self, node: nodes.Const, _depth: int) -> Code:
        if isinstance(node.value, int | float):
            try:
                operators.checked_number(node.value)
            except EvaluationError as problem:
                return self.scope.fault("limit", str(problem), node.lineno)
        return evaluation.constant(node.value)

    def _path(self, node: nodes.Expr, depth: int) -> Code:
        keys, base = self._chain(node)
        if isinstance(base, nodes.Name):
            return self.scope.path(base.name, keys, base.lineno)
        return self.scope.members(self.read(base, depth), keys, _label(base))

    def _chain(self, node: nodes.Expr) -> tuple[list[str], nodes.Expr]:
        """Return the keys that are known beforehand, and what they start from."""
        keys: list[str] = []
        while isinstance(node, nodes.Getattr | nodes.Getitem):
            if isinstance(node, nodes.Getattr):
                if not self._is_loop_state(node.node):
                    self.scope.check_key(node.attr, node.lineno + 1)
                keys.append(node.attr)
            elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
                keys.append(node.arg.value)
            else:
                break
            self.scope.visit(len(keys))
            node = node.node
        return keys[::-1], node

    def _is_loop_state(self, node: nodes.Node) -> bool:
        return isinstance(node, nodes.Name) and node.name == "loop" and self.scope.slot("loop") is not None

    def _getitem(self, node: nodes.Getitem, depth: int) -> Code:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._path(node, depth)
        base, label = self.read(node.node, depth), _label(node.node)
        if not isinstance(node.arg, nodes.Slice):
            return evaluation.item(base, self.read(node.arg, depth), label)
        if node.arg.step is not None:
            self.scope.fault("forbidden", "a part has no step", node.lineno, 1, "write list[from:to]")
        bounds = (node.arg.start, node.arg.stop)
        start, stop = (None if bound is None else self.read(bound, depth) for bound in bounds)
        return evaluation.part(base, start, stop, label)

    def _call(self, node: nodes.Call, depth: int) -> Code:
        if isinstance(node.node, nodes.Getattr):
            return self.scope.check_method(node.node.attr, node.node.lineno + 1)
        if not isinstance(node.node, nodes.Name):
            return self.scope.fault("forbidden", "this is no function", node.lineno, 1, "functions have names: len(x)")
        self._check_positional(node)
        return self._function(node.node.name, node.args, node.node.lineno, depth)

    def _filter(self, node: nodes.Filter, depth: int) -> Code:
        if node.node is None:
            return self.scope.fault("forbidden", "there is nothing before the bar", node.lineno)
        self._check_positional(node)
        return self._function(node.name, [node.node, *node.args], node.lineno, depth)

    def _check_positional(self, node: nodes.Call | nodes.Filter) -> None:
        if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            hint = "give the arguments in their order, without names and stars"
            self.scope.fault("syntax", "arguments have no names here", node.lineno, 1, hint)

    def _function(self, name: str, arguments: Sequence[nodes.Expr], offset: int, depth: int) -> Code:
        if name in FORMS:
            return self._form(name, arguments, offset, depth)
        if len(arguments) == 2 and isinstance(arguments[1], nodes.Const):
            self.scope.check_pattern(name, arguments[1].value, arguments[1].lineno)
        return self.scope.call(name, [self.read(each, depth) for each in arguments], offset)

    def _form(self, name: str, arguments: Sequence[nodes.Expr], offset: int, depth: int) -> Code:
        if not self.scope.form(name, len(arguments), offset):
            return NOTHING
        if name == "has" and not isinstance(arguments[0], nodes.Name | nodes.Getattr | nodes.Getitem):
            return self.scope.fault("syntax", "has() takes a path", offset, len(name), "write has(a.b.c)")
        with self.scope.guarded():
            target = self.read(arguments[0], depth)
        if name == "has":
            return evaluation.has(target)
        return evaluation.default(target, self.read(arguments[1], depth))

    def _test(self, node: nodes.Test, depth: int) -> Code:
        """`is defined` and `is none`, which everybody who knows Jinja writes."""
        if node.name == "none":
            return evaluation.comparison(self.read(node.node, depth), [("==", evaluation.constant(None))])
        if node.name not in {"defined", "undefined"}:
            hint = "write a comparison or a function: x == 1, is_text(x)"
            return self.scope.fault(
                "forbidden", f"there is no test `is {node.name}`", node.lineno, len(node.name), hint
            )
        found = self._form("has", [node.node], node.lineno, depth)
        return found if node.name == "defined" else evaluation.negation(found)

    def _comparison(self, node: nodes.Compare, depth: int) -> Code:
        self.scope.price += 4 * len(node.ops)
        rest = [(_COMPARISONS[operand.op], self.read(operand.expr, depth)) for operand in node.ops]
        return evaluation.comparison(self.read(node.expr, depth), rest)

    def _choice(self, node: nodes.CondExpr, depth: int) -> Code:
        if node.expr2 is None:
            return self.scope.fault(
                "syntax", "`if` without `else`", node.lineno, 1, "write: this if condition else that"
            )
        return evaluation.choice(*(self.read(each, depth) for each in (node.test, node.expr1, node.expr2)))

    def _concat(self, node: nodes.Concat, depth: int) -> Code:
        self.scope.price += 6 * len(node.nodes)
        return evaluation.concatenation([self.read(each, depth) for each in node.nodes])

    def _binary(self, node: nodes.BinExpr, depth: int) -> Code:
        return evaluation.binary(_BINARY[type(node)], self.read(node.left, depth), self.read(node.right, depth))

    def _and(self, node: nodes.And, depth: int) -> Code:
        return evaluation.both([self.read(node.left, depth), self.read(node.right, depth)])

    def _or(self, node: nodes.Or, depth: int) -> Code:
        return evaluation.either([self.read(node.left, depth), self.read(node.right, depth)])

    def _not(self, node: nodes.Not, depth: int) -> Code:
        return evaluation.negation(self.read(node.node, depth))

    def _negative(self, node: nodes.Neg, depth: int) -> Code:
        return evaluation.unary(operators.negate, self.read(node.node, depth))

    def _list(self, node: nodes.List, depth: int) -> Code:
        self.scope.price += len(node.items)
        return evaluation.list_of([self.read(each, depth) for each in node.items])

    def _map(self, node: nodes.Dict, depth: int) -> Code:
        self.scope.price += 4 * len(node.items)
        return evaluation.map_of([(self.read(pair.key, depth), self.read(pair.value, depth)) for pair in node.items])


def _is_secrets(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == SECRETS


def _targets(target: nodes.Node) -> Sequence[nodes.Node]:
    return target.items if isinstance(target, nodes.Tuple) else [target]


def _looped(loop: Loop, state: int, part: Part, otherwise: Part, cost: int) -> Part:
    def run(frame: Frame, output: Output) -> None:
        items = list(rounds(frame, loop, cost if loop.conditions else 0))
        frame.allow_items(len(items))
        for index, each in enumerate(items):
            bind(frame, loop.slots, each)
            frame.slots[state] = _loop_state(index, len(items))
            frame.spend(cost + _LOOP_STATE_STEPS)
            part(frame, output)
        if not items:
            otherwise(frame, output)

    return run


def _loop_state(index: int, count: int) -> dict[str, int | bool]:
    return {
        "index": index + 1,
        "index0": index,
        "first": index == 0,
        "last": index == count - 1,
        "length": count,
        "revindex": count - index,
        "revindex0": count - index - 1,
    }


def _label(node: nodes.Node) -> str:
    """Return how messages call what stands before a bracket; computed parts are left open."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{_label(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        return f"{_label(node.node)}[…]"
    return "the value"
