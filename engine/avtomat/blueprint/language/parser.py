"""Read the tokens of an expression as a tree: the only grammar of the language, with Python's precedence.

Faults are noted in the scope of the source; a fault after which nothing can be understood ends the reading. How deep
the functions here call each other is bounded by the nesting of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from avtomat.blueprint.language import syntax
from avtomat.blueprint.language.lexer import Token, unescape
from avtomat.blueprint.language.limits import DEPTH_MAX
from avtomat.blueprint.language.scope import Scope, TooComplexError

_OR, _AND, _NOT, _COMPARE, _BAR, _SUM, _PRODUCT, _UNARY, _POWER = range(1, 10)
_LEVELS = {
    "or": _OR, "and": _AND, "==": _COMPARE, "!=": _COMPARE, "<": _COMPARE, "<=": _COMPARE, ">": _COMPARE,
    ">=": _COMPARE, "in": _COMPARE, "|": _BAR, "+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT,
    "%": _PRODUCT, "**": _POWER,
}  # fmt: skip
"""How tightly a sign between two operands binds."""
_BINDS_TIGHTER = frozenset({"+", "-", "*", "/", "//", "%", "**", ".", "[", "("})
"""What would take the function after a bar for its own operand."""
_SIMPLE = frozenset({"name", "path", "text", "number"})
_TRAILERS = frozenset({".", "[", "("})
_NESTING_MAX = 2 * DEPTH_MAX
"""Brackets and operators are each bounded by DEPTH_MAX elsewhere; both together keep the stack of calls short."""


class UnreadableError(Exception):
    """Nothing after this can be understood; the fault is noted."""


class Parser:
    """Reads one expression after the other from a list of tokens, the last of which is the end."""

    def __init__(self, tokens: Sequence[Token], scope: Scope) -> None:
        self.tokens = tokens
        self.scope = scope
        self.index = 0
        self.kind, self.text, self.at = tokens[0]
        self.nesting = 0
        self.in_parentheses: syntax.Node | None = None

    def advance(self) -> None:
        """Go on to the next token."""
        self.index += 1
        self.kind, self.text, self.at = self.tokens[self.index]

    def whole(self) -> syntax.Node:
        """Read the expression that all tokens make."""
        if self.kind == "end":
            hint = "write a condition such as input.total > 100"
            self._stop("there is no expression here", self.at, 1, hint)
        tree = self.expression()
        if self.text == ",":
            self._refuse_tuple(tree.at)
        if self.kind != "end":
            self.unexpected()
        return tree

    def expression(self) -> syntax.Node:
        """Read a value, `this if condition else that` too."""
        self._enter()
        this = self.infix(_OR)
        if self.text == "if":
            this = self._choice(this)
        self.nesting -= 1
        return this

    def _enter(self) -> None:
        self.nesting += 1
        if self.nesting > _NESTING_MAX:
            raise TooComplexError(f"it is nested more than {DEPTH_MAX} deep")

    def _choice(self, this: syntax.Node) -> syntax.Node:
        self.advance()
        condition = self.infix(_OR)
        if self.text != "else":
            self._stop("`if` without `else`", this.at, 1, "write: this if condition else that")
        self.advance()
        return syntax.Choice(condition, this, self.expression(), this.at)

    def infix(self, least: int = _OR) -> syntax.Node:
        """Read operands, and the signs between them that bind at least as tightly as `least`."""
        left = self._primary() if self.kind in _SIMPLE else self._prefix(least)
        while True:
            sign = self.text
            level = _LEVELS.get(sign, 0)
            if sign == "not" and self.tokens[self.index + 1][1] == "in":
                level = _COMPARE
            if level < least:
                return left
            if level <= _AND:
                left = self._logical(left, sign, level)
            elif level == _COMPARE:
                left = self._comparison(left)
            elif level == _BAR:
                left = self._pipe(left)
            else:
                self.advance()
                right = self.infix(_UNARY if level == _POWER else level + 1)
                left = syntax.Binary(sign, left, right, left.at)

    def _prefix(self, least: int) -> syntax.Node:
        at = self.at
        if self.text == "not" and least <= _NOT:
            self._enter()
            self.advance()
            operand: syntax.Node = syntax.Not(self.infix(_NOT), at)
            self.nesting -= 1
            return operand
        if self.text == "-":
            self._enter()
            self.advance()
            operand = syntax.Negative(self.infix(_UNARY), at)
            self.nesting -= 1
            return operand
        if self.text == "+":
            self.scope.fault("forbidden", "`+` before a value means nothing", at, 1, "leave it out")
            self.advance()
        return self._primary()

    def _logical(self, first: syntax.Node, word: str, level: int) -> syntax.Node:
        operands = [first]
        while self.text == word:
            self.advance()
            operands.append(self.infix(level + 1))
        return syntax.Logical(word, tuple(operands), first.at)

    def _comparison(self, first: syntax.Node) -> syntax.Node:
        rest: list[tuple[str, syntax.Node]] = []
        while True:
            sign = self.text
            if sign == "not" and self.tokens[self.index + 1][1] == "in":
                self.advance()
                sign = "not in"
            elif _LEVELS.get(sign) != _COMPARE:
                return syntax.Comparison(first, tuple(rest), first.at)
            self.advance()
            rest.append((sign, self.infix(_COMPARE + 1)))

    def _pipe(self, left: syntax.Node) -> syntax.Node:
        """`x | f(a)` is `f(x, a)`."""
        if isinstance(left, syntax.Binary | syntax.Negative) and left is not self.in_parentheses:
            self.scope.fault_of_expression("what does `|` take here?", left.at, "write (a + b) | f, or a + (b | f)")
        self.advance()
        name, at = self.text, self.at
        arguments: tuple[syntax.Node, ...] = (left,)
        if self.kind != "name":
            hint = "after the bar stands a function: x | upper, x | round(2)"
            self.scope.fault_of_expression("`|` calls a function", self._at_or_end(), hint)
            raise UnreadableError
        self.advance()
        if self.text == "(":
            self.advance()
            arguments += self._arguments()
        if self.text in _BINDS_TIGHTER:
            hint = f"after the bar stands a function alone: write (x | {name}) {self.text} …"
            hint = hint if self.text not in {".", "[", "("} else f"write (x | {name}){self.text}…"
            self.scope.fault_of_expression("`|` calls a function", at, hint)
            raise UnreadableError
        return syntax.Call(syntax.Name(name, at), arguments, left.at)

    def _primary(self) -> syntax.Node:
        node = self._atom()
        while True:
            if self.text not in _TRAILERS and self.kind != "number":
                return node
            if self.text == ".":
                self.advance()
                if self.kind != "name":
                    self.unexpected()
                node = syntax.Member(node, self.text, self.at, node.at)
                self.advance()
            elif self.text == "[":
                self.advance()
                node = self._subscript(node)
            elif self.text == "(":
                self.advance()
                node = syntax.Call(node, self._arguments(), node.at)
            elif self.kind == "number" and self.text[0] == ".":
                hint = f"write [{self.text[1:]}]"
                self._stop("a position stands in brackets", self.at, len(self.text), hint)
            else:
                return node

    def _atom(self) -> syntax.Node:
        kind, text, at = self.kind, self.text, self.at
        if kind == "name":
            self.advance()
            return syntax.Name(text, at)
        if kind == "path":
            self.advance()
            return _path(text, at)
        if kind == "text":
            self.advance()
            return syntax.Constant(unescape(text), at, len(text))
        if kind == "number":
            self.advance()
            return syntax.Constant(int(text) if text.isdigit() else float(text), at, len(text))
        read = _BRACKETS.get(text)
        if read is None:
            self.unexpected()
        self.advance()
        return read(self, at)

    def _parentheses(self, at: int) -> syntax.Node:
        if self.text == ")":
            self._refuse_tuple(at)
        self._refuse_star()
        inner = self.expression()
        if self.text == "for":
            inner = syntax.Comprehension(self.loops(), inner, None, at)
        if self.text == ",":
            self._refuse_tuple(at)
        self.expect(")")
        self.in_parentheses = inner
        return inner

    def _list(self, at: int) -> syntax.Node:
        items: list[syntax.Node] = []
        while self.text != "]":
            self._refuse_star()
            items.append(self.expression())
            if self.text == "for" and len(items) == 1:
                loops = self.loops()
                self.expect("]")
                return syntax.Comprehension(loops, items[0], None, at)
            self._comma_or("]")
        self.advance()
        return syntax.ListOf(tuple(items), at)

    def _map(self, at: int) -> syntax.Node:
        pairs: list[tuple[syntax.Node, syntax.Node]] = []
        while self.text != "}":
            if self.text == "**":
                self.advance()
                self._stop("`**` cannot stand in a map", self._at_or_end(), 1, "write merge(a, b)", "forbidden")
            key = self.expression()
            if self.text in {",", "}", "for"} and not pairs:
                self._refuse_set(at)
            self.expect(":")
            pairs.append((key, self.expression()))
            if self.text == "for" and len(pairs) == 1:
                loops = self.loops()
                self.expect("}")
                return syntax.Comprehension(loops, pairs[0][1], key, at)
            self._comma_or("}")
        self.advance()
        return syntax.MapOf(tuple(pairs), at)

    def _subscript(self, base: syntax.Node) -> syntax.Node:
        if self.text == "]":
            self.unexpected()
        start = None if self.text == ":" else self.expression()
        if self.text == ",":
            self._refuse_tuple(self.at if start is None else start.at)
        if self.text != ":":
            self.expect("]")
            assert start is not None
            return syntax.Item(base, start, base.at)
        self.advance()
        stop = None if self.text in {":", "]"} else self.expression()
        if self.text == ":":
            self.advance()
            self._stop("a part has no step", self.at, 1, "write list[from:to]", "forbidden")
        self.expect("]")
        return syntax.Part(base, start, stop, base.at)

    def _arguments(self) -> tuple[syntax.Node, ...]:
        arguments: list[syntax.Node] = []
        while self.text != ")":
            self._refuse_star()
            argument = self.expression()
            if self.text == "for":
                argument = syntax.Comprehension(self.loops(), argument, None, argument.at)
                if arguments or self.text != ")":
                    hint = "write a list: [x for x in list]"
                    self._stop("`for` stands alone in a call", argument.at, 1, hint)
            arguments.append(argument)
            self._comma_or(")")
        self.advance()
        return tuple(arguments)

    def loops(self) -> tuple[syntax.For, ...]:
        """Read each `for … in … if …` that follows."""
        loops: list[syntax.For] = []
        while self.text == "for":
            self.advance()
            names = self.names()
            self.expect("in")
            source = self.infix()
            conditions: list[syntax.Node] = []
            while self.text == "if":
                self.advance()
                conditions.append(self.infix())
            loops.append(syntax.For(names, source, tuple(conditions)))
        return tuple(loops)

    def names(self) -> tuple[syntax.Name, ...]:
        """Read the names of a loop's variables."""
        closing = self.text == "("
        if closing:
            self.advance()
        names = [self._variable()]
        while self.text == ",":
            self.advance()
            names.append(self._variable())
        if closing:
            self.expect(")")
        return tuple(names)

    def _variable(self) -> syntax.Name:
        kind, text, at = self.kind, self.text, self.at
        if kind == "end":
            self.unexpected()
        self.advance()
        if kind != "name" or self.text in {".", "[", "("}:
            self._stop("`for` takes names", at, len(text), "write: for x in list")
        return syntax.Name(text, at)

    def expect(self, text: str) -> None:
        """Go over a word or sign that must stand here."""
        if self.text != text:
            self.unexpected()
        self.advance()

    def _comma_or(self, closing: str) -> None:
        if self.text == ",":
            self.advance()
            if self.text == ",":
                self.unexpected()
        elif self.text != closing:
            self.unexpected()

    def unexpected(self) -> NoReturn:
        """Stop at a token that has no place where it stands."""
        if self.kind == "end":
            self._stop("the expression ends too early", self._at_or_end(), 1, "something is missing after this")
        self._stop(f"`{self.text}` is not expected here", self.at, len(self.text), None)

    def _at_or_end(self) -> int:
        """Where the token stands; the end of the expression is its last character."""
        if self.kind != "end" or self.index == 0:
            return self.at
        before = self.tokens[self.index - 1]
        return before.at + len(before.text) - 1

    def _refuse_set(self, at: int) -> NoReturn:
        """Braces around a value without a key: a set in Python, or a template with three braces."""
        if self.text == "}" and self.index == len(self.tokens) - 2 and self.tokens[0].at == at:
            message, hint = "a template has two braces, not three", "write {{ input.name }}"
        else:
            message = "a set cannot stand in an expression"
            listed = "write a list: [x for x in list]" if self.text == "for" else None
            hint = listed or "write a list, [a, b], or a map, {'a': 1}"
        self._stop(message, at, 1, hint, "forbidden")

    def _refuse_star(self) -> None:
        if self.text == "*":
            self._stop("`*` cannot stand in an expression", self.at, 1, "write a + b to join lists", "forbidden")
        if self.text == "**":
            self._stop("`**` cannot stand here", self.at, 2, "give the arguments in their order", "forbidden")

    def _refuse_tuple(self, at: int) -> NoReturn:
        self._stop("values side by side cannot stand in an expression", at, 1, "write a list: [a, b]", "forbidden")

    def _stop(self, message: str, at: int, length: int, hint: str | None, what: str = "syntax") -> NoReturn:
        self.scope.fault(what, message, at, length, hint)
        raise UnreadableError


def _path(text: str, at: int) -> syntax.Node:
    """Return the tree of names with dots between them."""
    first, *keys = text.split(".")
    node: syntax.Node = syntax.Name(first, at)
    key_at = at + len(first) + 1
    for key in keys:
        node = syntax.Member(node, key, key_at, at)
        key_at += len(key) + 1
    return node


_BRACKETS: dict[str, Callable[[Parser, int], syntax.Node]] = {
    "(": Parser._parentheses,
    "[": Parser._list,
    "{": Parser._map,
}
