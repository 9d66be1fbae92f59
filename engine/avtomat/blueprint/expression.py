"""Read one expression: what stands in a `when`, or in a lone `{{ … }}`.

Python's own parser reads the masked source (see `lexer`), and `expression_reader` compiles what is on its list. Reading
never raises and never runs anything.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache

from avtomat.blueprint import evaluation
from avtomat.blueprint.evaluation import Code
from avtomat.blueprint.expression_reader import ExpressionReader
from avtomat.blueprint.faults import Fault, Read
from avtomat.blueprint.lexer import Scan, plain_path, scan, token_length, usual_scan
from avtomat.blueprint.limits import EvaluationError, Frame, LimitError
from avtomat.blueprint.operators import OMIT
from avtomat.blueprint.scope import NOTHING, SECRETS, TooComplexError
from avtomat.core.formula import Environment, Failure, Json

__all__ = ["Expression", "Fault", "Read", "parse_expression"]

_CACHED_MAX = 16_384
_SOURCE_CHARS_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expression:
    """A checked expression. `secret` is the name where it is nothing but `secrets.name`."""

    source: str
    uses: tuple[Read, ...]
    code: Code
    builds: bool
    secret: str | None = None

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """The paths that it may read, secrets left out."""
        return frozenset(use.path for use in self.uses if use.path[0] != SECRETS)

    def moved(self, by: int) -> Expression:
        """The same expression in a text in which its source begins at the offset `by`."""
        uses = tuple(use.moved(by) for use in self.uses)
        return Expression(source=self.source, uses=uses, code=self.code, builds=self.builds, secret=self.secret)

    def evaluate(self, env: Environment) -> Json | Failure:
        """Return the value as plain JSON, or why there is none."""
        frame = Frame(env)
        found = self.attempt(frame, omittable=False)
        env.meter.steps += frame.steps
        return found

    def attempt(self, frame: Frame, *, omittable: bool) -> Json | Failure:
        """Evaluate within a larger evaluation; only there can the value be `omit`."""
        try:
            value = self.code(frame)
            if self.builds:
                value = evaluation.settle(frame, value)
        except LimitError as problem:
            return Failure(code="LIMIT_EXCEEDED", message=self._explained(problem))
        except EvaluationError as problem:
            return Failure(code="EXPRESSION_ERROR", message=self._explained(problem))
        except RecursionError:
            return Failure(code="LIMIT_EXCEEDED", message=self._explained("the value is nested too deep"))
        if value is OMIT and not omittable:
            message = "`omit` may only be the value of a key or an item"
            return Failure(code="EXPRESSION_ERROR", message=self._explained(message))
        return value

    def _explained(self, problem: object) -> str:
        source = self.source.strip()
        shown = source if len(source) <= _SOURCE_CHARS_SHOWN_MAX else f"{source[: _SOURCE_CHARS_SHOWN_MAX - 1]}…"
        return f"`{shown}`: {problem}"


def parse_expression(source: str, *, allow_secrets: bool = False) -> Expression | list[Fault]:
    """Return the checked expression, or all that is wrong with it."""
    parsed = _parsed(source, allow_secrets)
    return parsed if isinstance(parsed, Expression) else list(parsed)


@lru_cache(maxsize=_CACHED_MAX)
def _parsed(source: str, allow_secrets: bool) -> Expression | tuple[Fault, ...]:
    keys = plain_path(source)
    if keys is not None:
        return _path_expression(source, keys)
    scanned = usual_scan(source)
    tree = None if scanned is None else _tree(source, scanned)
    if scanned is None or not isinstance(tree, ast.expr):
        scanned = scan(source)
        if scanned.faults:
            return tuple(scanned.faults)
        tree = _checked_tree(source, scanned)
        if isinstance(tree, Fault):
            return (tree,)
    if allow_secrets and (secret := _secret(tree)):
        return _secret_expression(source, secret, tree.col_offset)
    return _compiled(source, scanned, tree)


def _path_expression(source: str, keys: tuple[str, ...]) -> Expression:
    """Return the expression that is nothing but a path."""
    read = Read(keys, source.index(keys[0]), guarded=False)
    return Expression(source=source, uses=(read,), code=evaluation.path(keys), builds=False)


def _checked_tree(source: str, scanned: Scan) -> ast.expr | Fault:
    if scanned.masked.strip():
        return _tree(source, scanned)
    hint = "write a condition such as input.total > 100"
    return Fault(code="expression.syntax", message="there is no expression here", offset=0, hint=hint)


def _tree(source: str, scanned: Scan) -> ast.expr | Fault:
    masked = scanned.masked
    indent = len(masked) - len(masked.lstrip())
    try:
        tree = ast.parse(masked[indent:], mode="eval").body
    except SyntaxError as problem:
        return _syntax_fault(source, masked, problem, indent)
    except (RecursionError, MemoryError, ValueError):
        return Fault(code="expression.too_complex", message="the expression is nested too deep", offset=0)
    if indent:
        for node in ast.walk(tree):
            if isinstance(node, ast.expr):
                node.col_offset += indent
                node.end_col_offset = (node.end_col_offset or 0) + indent
    return tree


def _syntax_fault(source: str, masked: str, problem: SyntaxError, indent: int) -> Fault:
    """Say what Python's parser found in the author's words; an offset of 0 is the end of the source."""
    end = len(masked.rstrip())
    offset = indent + problem.offset - 1 if problem.offset else end
    if "expected 'else'" in problem.msg:
        hint = "write: this if condition else that"
        return Fault(code="expression.syntax", message="`if` without `else`", offset=offset, hint=hint)
    if offset >= end:
        hint = "something is missing after this"
        return Fault(code="expression.syntax", message="the expression ends too early", offset=end - 1, hint=hint)
    length = token_length(source, offset)
    message = f"`{source[offset : offset + length]}` is not expected here"
    return Fault(code="expression.syntax", message=message, offset=offset, length=length)


def _secret(tree: ast.expr) -> str | None:
    if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name) and tree.value.id == SECRETS:
        return tree.attr
    return None


def _secret_expression(source: str, name: str, offset: int) -> Expression:
    read = Read(path=(SECRETS, name), offset=offset, guarded=False)
    return Expression(source=source, uses=(read,), code=NOTHING, builds=False, secret=name)


def _compiled(source: str, scanned: Scan, tree: ast.expr) -> Expression | tuple[Fault, ...]:
    reader = ExpressionReader(scanned)
    try:
        code = reader.read(tree, 0)
    except TooComplexError as problem:
        hint = "compute parts of it in `set` of a state before"
        return (
            Fault(
                code="expression.too_complex", message=f"the expression is too complex: {problem}", offset=0, hint=hint
            ),
        )
    if reader.scope.faults:
        return tuple(sorted(reader.scope.faults, key=lambda fault: fault.offset))
    uses = tuple(reader.scope.reads)
    builds = not (len(uses) == 1 and isinstance(tree, ast.Name | ast.Attribute))
    return Expression(source=source, uses=uses, code=code, builds=builds)
