"""Read one expression: what stands in a `when`, or in a lone `{{ … }}`.

Reading never raises and never runs anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from avtomat.blueprint.language import evaluation
from avtomat.blueprint.language.evaluation import Code
from avtomat.blueprint.language.expression_reader import ExpressionReader
from avtomat.blueprint.language.faults import Fault, Read
from avtomat.blueprint.language.lexer import Token, plain_path, scan, usual_tokens
from avtomat.blueprint.language.limits import NODES_MAX, EvaluationError, Frame, LimitError
from avtomat.blueprint.language.operators import OMIT
from avtomat.blueprint.language.parser import Parser, UnreadableError
from avtomat.blueprint.language.scope import NOTHING, SECRETS, Scope, TooComplexError
from avtomat.blueprint.language.syntax import Member, Name, Node
from avtomat.core.formula import Environment, Failure, Json

__all__ = ["Expression", "Fault", "Read", "parse_expression"]

_CACHED_MAX = 16_384
_SOURCE_CHARS_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expression:
    """A checked expression. `secret` is the name where it is nothing but `secrets.name`.

    `failing` are calls in it that fail each time: a checker tells of them, and a stored program goes on as it was.
    """

    source: str
    uses: tuple[Read, ...]
    code: Code
    builds: bool
    secret: str | None = None
    failing: tuple[Fault, ...] = ()

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """The paths that it may read, secrets left out."""
        return frozenset(use.path for use in self.uses if use.path[0] != SECRETS)

    @property
    def needs(self) -> frozenset[tuple[str, ...]]:
        """Those of them that must be there: not inside `has` or `default`."""
        return frozenset(use.path for use in self.uses if use.path[0] != SECRETS and not use.guarded)

    def moved(self, by: int) -> Expression:
        """The same expression in a text in which its source begins at the offset `by`."""
        uses = tuple(use.moved(by) for use in self.uses)
        failing = tuple(fault.moved(by) for fault in self.failing)
        return replace(self, uses=uses, failing=failing)

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
    tokens = usual_tokens(source)
    if tokens is not None:
        compiled = _compiled(source, tokens, allow_secrets=allow_secrets)
        if isinstance(compiled, Expression):
            return compiled
    scanned = scan(source)
    return tuple(scanned.faults) or _compiled(source, scanned.tokens, allow_secrets=allow_secrets)


def _path_expression(source: str, keys: tuple[str, ...]) -> Expression:
    """Return the expression that is nothing but a path."""
    read = Read(keys, source.index(keys[0]), guarded=False)
    return Expression(source=source, uses=(read,), code=evaluation.path(keys), builds=False)


def _compiled(source: str, tokens: list[Token], *, allow_secrets: bool) -> Expression | tuple[Fault, ...]:
    scope = Scope("expression", NODES_MAX)
    try:
        tree = Parser(tokens, scope).whole()
        if allow_secrets and (secret := secret_name(tree)):
            return _secret_expression(source, secret, tree.at)
        code = ExpressionReader(scope).read(tree, 0)
    except UnreadableError:
        return scope.sorted_faults()
    except TooComplexError as problem:
        return (_too_complex(str(problem)),)
    except RecursionError:
        return (_too_complex("it is nested too deep"),)
    if scope.faults:
        return scope.sorted_faults()
    uses = tuple(scope.reads)
    builds = not (len(uses) == 1 and isinstance(tree, Name | Member))
    return Expression(source=source, uses=uses, code=code, builds=builds, failing=tuple(scope.failing))


def _too_complex(problem: str) -> Fault:
    message = f"the expression is too complex: {problem}"
    hint = "compute parts of it in `set` of a state before"
    return Fault(code="expression.too_complex", message=message, offset=0, hint=hint)


def secret_name(tree: Node) -> str | None:
    """Return the name of a secret that is written out and not computed with: `secrets.name`."""
    if isinstance(tree, Member) and isinstance(tree.base, Name) and tree.base.name == SECRETS:
        return tree.key
    return None


def _secret_expression(source: str, name: str, offset: int) -> Expression:
    read = Read(path=(SECRETS, name), offset=offset, guarded=False)
    return Expression(source=source, uses=(read,), code=NOTHING, builds=False, secret=name)
