"""Compile any value whose texts may be templates: params, data, set, succeed and the like.

A text that is exactly one `{{ … }}` is an expression and keeps its type; another text with `{{`, `{%` or `{#` has
templates in it and becomes a text; all else is literal. Maps and lists are followed; their keys are literal. All
templates of one value share one budget.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from avtomat.blueprint.language.expression import Expression, Fault, Read, parse_expression
from avtomat.blueprint.language.lexer import scan
from avtomat.blueprint.language.limits import RESULT_WEIGHT_MAX, EvaluationError, Frame, LimitError, weigh
from avtomat.blueprint.language.operators import OMIT
from avtomat.blueprint.language.scope import SECRETS
from avtomat.blueprint.language.text_lexer import not_closed
from avtomat.blueprint.language.texts import Text, read_text
from avtomat.core.formula import Environment, Failure, Json, Rendered, SecretRef

__all__ = ["CompiledTemplate", "Fault", "Read", "compile_value", "parse_text"]

_CACHED_MAX = 16_384
_UNWEIGHED_MAX = 16
_LEAF_STEPS = 30
_MARKS = ("{{", "{%", "{#")
_INSIDE = r"""(?:[^{}'"\\]++|'[^'\\\n]*+'|"[^"\\\n]*+")*+"""
_LONE = re.compile(rf"\s*+\{{\{{(?!-)({_INSIDE})(?<!-)\}}\}}\s*+")
"""A text that is one expression without maps and escapes in it, so that its end can be seen without reading it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Constant:
    value: Json


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Map:
    items: tuple[tuple[str, str, "_Piece"], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _List:
    items: tuple["_Piece", ...]


_Leaf = _Constant | Expression | Text
_Piece = _Leaf | _Map | _List


_COMPOSITES = (str, list, dict)


class _RenderError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompiledTemplate:
    """A checked value, ready to be rendered. `uses` are its reads, secrets too, each with the pointer of its text.

    `failing` are calls that fail each time, each with the pointer of its text. `optional` is a value that `omit` leaves
    out as a whole: it is null then.
    """

    piece: _Piece
    uses: tuple[Read, ...]
    fixed: Rendered | None
    failing: tuple[tuple[str, Fault], ...] = ()
    optional: bool = False

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """The paths that it may read, secrets left out."""
        return frozenset(use.path for use in self.uses if use.path[0] != SECRETS)

    @property
    def needs(self) -> frozenset[tuple[str, ...]]:
        """Those of them that must be there: not inside `has` or `default`."""
        return frozenset(use.path for use in self.uses if use.path[0] != SECRETS and not use.guarded)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that may be missing in it."""
        return frozenset(use.path[1] for use in self.uses if use.path[0] == SECRETS)

    def render(self, env: Environment) -> Rendered | Failure:
        """Return the value with every template in it evaluated."""
        if self.fixed is not None:
            return self.fixed
        render = _Render(env)
        try:
            found = render.produce(self.piece, "")
        except _RenderError as stopped:
            return stopped.failure
        finally:
            env.meter.steps += render.frame.steps
        if found is OMIT and self.optional:
            return Rendered(value=None)
        if found is OMIT:
            message = "`omit` leaves out a key or an item; there is nothing here that could be left out"
            return Failure(code="EXPRESSION_ERROR", message=message)
        return Rendered(value=found, secrets=tuple(render.secrets))


def parse_text(source: str, *, allow_secrets: bool = False) -> CompiledTemplate | list[Fault]:
    """Compile one text, or return all that is wrong with it."""
    leaf = _leaf(source, allow_secrets)
    return list(leaf) if isinstance(leaf, tuple) else _template(leaf, _uses(leaf, ""), _failing(leaf, ""))


def compile_value(value: Json, *, allow_secrets: bool = False) -> CompiledTemplate | list[tuple[str, Fault]]:
    """Compile a JSON value, or return all that is wrong with it, each with the JSON pointer of its text or key."""
    compiler = _Compiler(allow_secrets=allow_secrets)
    piece = compiler.compile(value, "")
    return compiler.faults or _template(piece, tuple(compiler.uses), tuple(compiler.failing))


def _template(piece: _Piece, uses: tuple[Read, ...], failing: tuple[tuple[str, Fault], ...]) -> CompiledTemplate:
    fixed = Rendered(value=piece.value) if isinstance(piece, _Constant) else None
    return CompiledTemplate(piece=piece, uses=uses, fixed=fixed, failing=failing)


def _uses(leaf: _Leaf, pointer: str) -> tuple[Read, ...]:
    if isinstance(leaf, _Constant):
        return ()
    return tuple(use.inside(pointer) for use in leaf.uses) if pointer else leaf.uses


def _failing(leaf: _Leaf, pointer: str) -> tuple[tuple[str, Fault], ...]:
    return () if isinstance(leaf, _Constant) else tuple((pointer, fault) for fault in leaf.failing)


@lru_cache(maxsize=_CACHED_MAX)
def _leaf(source: str, allow_secrets: bool) -> _Leaf | tuple[Fault, ...]:
    if not any(mark in source for mark in _MARKS):
        return _Constant(value=source)
    lone = _LONE.fullmatch(source)
    if lone is not None:
        return _lone_leaf(source, lone.start(1), lone.end(1), allow_secrets=allow_secrets)
    if source.lstrip().startswith("{{"):
        start, close, faults = _first_expression(source)
        if close is None:
            return faults
        if not source[close:].removeprefix("-")[2:].strip():
            return _lone_leaf(source, start, close, allow_secrets=allow_secrets)
    return read_text(source, allow_secrets=allow_secrets)


def _first_expression(source: str) -> tuple[int, int | None, tuple[Fault, ...]]:
    """Return where the expression after the first `{{` begins and where its `}}` stands, or why there is none."""
    start = source.index("{{") + 2
    start += source.startswith("-", start)
    scanned = scan(source, start, "}}")
    if scanned.close is not None or scanned.faults:
        return start, scanned.close, tuple(scanned.faults)
    return start, None, (not_closed(source.index("{{"), "{{", "}}"),)


def _lone_leaf(source: str, start: int, close: int, *, allow_secrets: bool) -> Expression | tuple[Fault, ...]:
    inside = source[start:close].lstrip()
    start = close - len(inside)
    parsed = parse_expression(inside, allow_secrets=allow_secrets)
    if isinstance(parsed, list):
        return tuple(replace(fault, offset=fault.offset + start) for fault in parsed)
    return parsed.moved(start)


class _Compiler:
    """Follows a value to its texts."""

    def __init__(self, *, allow_secrets: bool) -> None:
        self.allow_secrets = allow_secrets
        self.faults: list[tuple[str, Fault]] = []
        self.uses: list[Read] = []
        self.failing: list[tuple[str, Fault]] = []

    def compile(self, value: Json, pointer: str) -> _Piece:
        if isinstance(value, str):
            return self._text(value, pointer)
        if isinstance(value, dict):
            return self._map(value, pointer)
        if isinstance(value, list):
            return self._list(value, pointer)
        return _Constant(value=value)

    def _text(self, source: str, pointer: str) -> _Leaf:
        leaf = _leaf(source, self.allow_secrets)
        if isinstance(leaf, tuple):
            self.faults += [(pointer, fault) for fault in leaf]
            return _Constant(value=source)
        self.uses += _uses(leaf, pointer)
        self.failing += _failing(leaf, pointer)
        return leaf

    def _map(self, value: dict[str, Json], pointer: str) -> _Piece:
        items: list[tuple[str, str, _Piece]] = []
        for key, each in value.items():
            step = f"/{key.replace('~', '~0').replace('/', '~1')}"
            if any(mark in key for mark in _MARKS[:2]):
                hint = "build the map in an expression: {{ {input.name: 1} }}"
                fault = Fault(
                    code="template.key", message="a key is not a template", offset=0, length=len(key), hint=hint
                )
                self.faults.append((pointer + step, fault))
            items.append((key, step, self.compile(each, pointer + step)))
        if all(isinstance(piece, _Constant) for _key, _step, piece in items):
            return _Constant(value=value)
        return _Map(items=tuple(items))

    def _list(self, value: list[Json], pointer: str) -> _Piece:
        pieces = tuple(self.compile(each, f"{pointer}/{index}") for index, each in enumerate(value))
        return _Constant(value=value) if all(isinstance(piece, _Constant) for piece in pieces) else _List(items=pieces)


class _Render:
    """One render under way: its budget, and the secrets that it met."""

    def __init__(self, env: Environment) -> None:
        self.frame = Frame(env)
        self.secrets: list[SecretRef] = []
        self._composites = 0
        self._weight = 0

    def produce(self, piece: _Piece, pointer: str) -> Json:
        match piece:
            case _Constant(value=value):
                return value
            case Expression():
                return self._expression(piece, pointer)
            case Text():
                return self._text(piece, pointer)
            case _Map(items=items):
                made: dict[str, Json] = {}
                for key, step, each in items:
                    if (found := self.produce(each, pointer + step)) is not OMIT:
                        made[key] = found
                return made
            case _List(items=pieces):
                return list(self._items(pieces, pointer))

    def _items(self, pieces: tuple[_Piece, ...], pointer: str) -> Iterator[Json]:
        index = 0
        for piece in pieces:
            value = self.produce(piece, f"{pointer}/{index}")
            if value is not OMIT:
                index += 1
                yield value

    def _expression(self, expression: Expression, pointer: str) -> Json:
        if expression.secret is not None:
            self.secrets.append(SecretRef(pointer=pointer, offset=0, name=expression.secret))
            return ""
        self._pay()
        found = expression.attempt(self.frame, omittable=True)
        if isinstance(found, Failure):
            raise _RenderError(found)
        if isinstance(found, _COMPOSITES):
            self._weigh(found)
        return found

    def _pay(self) -> None:
        """Count a template, however little it does."""
        try:
            self.frame.spend(_LEAF_STEPS)
        except LimitError as problem:
            raise _RenderError(Failure(code="LIMIT_EXCEEDED", message=str(problem))) from None

    def _weigh(self, value: Json) -> None:
        """A few values are as large as the job's data at most; many may repeat it until it is huge."""
        self._composites += 1
        if self._composites <= _UNWEIGHED_MAX:
            return
        try:
            self._weight += weigh(self.frame, value, RESULT_WEIGHT_MAX - self._weight)
        except LimitError as problem:
            raise _RenderError(Failure(code="LIMIT_EXCEEDED", message=str(problem))) from None

    def _text(self, text: Text, pointer: str) -> str:
        try:
            written, secrets = text.write(self.frame)
        except LimitError as problem:
            raise _RenderError(_failure("LIMIT_EXCEEDED", text, problem)) from None
        except EvaluationError as problem:
            raise _RenderError(_failure("TEMPLATE_ERROR", text, problem)) from None
        except RecursionError:
            raise _RenderError(_failure("LIMIT_EXCEEDED", text, "the value is nested too deep")) from None
        self.secrets += [SecretRef(pointer=pointer, offset=offset, name=name) for offset, name in secrets]
        return written


def _failure(code: str, text: Text, problem: object) -> Failure:
    first_line = text.source.strip().partition("\n")[0]
    shown = first_line if len(first_line) <= 60 else f"{first_line[:59]}…"
    return Failure(code=code, message=f"in the text `{shown}`: {problem}")
