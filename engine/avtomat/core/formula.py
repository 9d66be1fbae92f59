"""What the machine asks of expressions and templates, and what they answer.

The language itself lives in `blueprint`; a Program carries its compiled expressions behind these two protocols, so that
the machine decides without knowing how they were written. Both are total: a wrong value is answered with a `Failure`,
nothing is raised, and the same `Environment` always gives the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Protocol

from avtomat.core.value import value

Json = Any
"""User JSON: null, boolean, number, text, list, or map with text keys."""

STEPS_A_DECISION_MAX = 5_000_000
"""What all evaluations of one decision may cost together, in steps of some 40 ns: whoever else waits, waits so long."""

ITEMS_MAX = 100_000
"""The longest list that an expression may build, unless the blueprint's `limits.items` says otherwise."""


@value
class Failure:
    """Why there is no value: EXPRESSION_ERROR, TEMPLATE_ERROR or LIMIT_EXCEEDED, with a text for the author.

    The message names paths and keys, never the values that stand there.
    """

    code: str
    message: str


class Meter:
    """Counts what the evaluations of one decision cost, in steps."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0


@value
class Environment:
    """All that an evaluation may depend on.

    `names` holds only what is in scope (input, data, outputs, output, status, error, item or its `as` name, index, job,
    config, callback). `now` is the event's time, in UTC. From `seed`, the place of this decision in the world (job,
    path, version), and the `number` of the evaluation in it, the identifiers that `uuid()` gives are derived, so that a
    replay gives the same ones. What the evaluation cost is added to `meter`.
    """

    names: Mapping[str, Json]
    now: datetime
    seed: str
    number: int = 0
    items_max: int = ITEMS_MAX
    meter: Meter = field(default_factory=Meter)


@value
class SecretRef:
    """Where the secret `name` goes in when the task is handed out.

    `pointer` is the JSON pointer of a text inside the rendered value ("" for the whole), `offset` counts characters of
    that text as it was rendered, without any secret. A value that is only the secret was rendered as "", offset 0.
    """

    pointer: str
    offset: int
    name: str


@value
class Rendered:
    """A template's value, and the secrets that are still missing in it, in the order of pointer and offset."""

    value: Json
    secrets: tuple[SecretRef, ...] = ()


@value
class Problem:
    """One way in which a value does not conform: where (a JSON pointer, "" for the whole), and what was expected."""

    pointer: str
    message: str


class Formula(Protocol):
    """One expression: a `when`, or what stands in a lone `{{ … }}`."""

    @property
    def source(self) -> str:
        """The expression as it was written."""

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """The paths of names that it may read, such as ("outputs", "pack", "bin"); cut at a computed index."""

    @property
    def needs(self) -> frozenset[tuple[str, ...]]:
        """Those of them that must be there: not inside `has` or `default`."""

    def evaluate(self, env: Environment) -> Json | Failure:
        """Return the value as plain JSON."""


class Template(Protocol):
    """Any value whose texts may be templates: what stands in params, data, set, succeed and the like."""

    @property
    def reads(self) -> frozenset[tuple[str, ...]]:
        """The paths of names that it may read, as in `Formula`."""

    @property
    def needs(self) -> frozenset[tuple[str, ...]]:
        """Those of them that must be there, as in `Formula`."""

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that may be missing in it."""

    @property
    def fixed(self) -> Rendered | None:
        """What it is rendered to each time, where nothing in it is a template."""

    def render(self, env: Environment) -> Rendered | Failure:
        """Return the value with every template in it evaluated."""


class Check(Protocol):
    """A compiled JSON Schema."""

    def problems(self, value: Json) -> Sequence[Problem]:
        """Return what is wrong with `value`, at most a dozen findings; empty when it conforms."""
