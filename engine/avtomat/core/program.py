"""Hold a compiled blueprint: machines of states, with compiled expressions in their places.

The states themselves, one class for each kind, are in `core/kinds/`; here stands what several kinds have in common, and
what each of them says of itself. What they do stands there alone.

A Program is what the compiler made of one blueprint, and all that `decide` knows of it. It is immutable and may be
shared by any number of jobs. Machines are kept flat by their address: "" is the root, `tell.mail` the body of the
branch `mail` of the state `tell`, `pack` the body of the foreach `pack`, and so on inwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Final

from avtomat.core.defaults import Defaults
from avtomat.core.formula import Check, Formula, Json, Template
from avtomat.core.hooks import Hook
from avtomat.core.value import value

FINALLY = "(finally)"
"""The address of the machine that runs at every end of the job."""

RESULT = "(result)"
"""The name under which a job that is finishing keeps its result, among the root's outputs."""

END = "end"
"""The target that ends a machine with the output of the state that was left."""

ANY = "ANY"
"""In `errors`: every code that can be retried or caught."""

Part = Formula | Template
"""Something that is evaluated."""

Amount = timedelta | Template
"""A duration: written out, or rendered to a text in the language's form (`30s`)."""

Count = int | Template
"""A number: written out, or rendered."""


class Jitter(StrEnum):
    """How a retry's delay is spread: the whole of it at random, half of it, or none."""

    FULL = "full"
    EQUAL = "equal"
    NONE = "none"


class Unhandled(StrEnum):
    """What becomes of a job whose error nothing caught."""

    FAIL = "fail"
    QUARANTINE = "quarantine"


@value
class RetryPolicy:
    """When and how often a state is tried again. `errors` None means the codes that are retried by default.

    `attempts` counts the first one too. The delay before attempt n+1 is `delay * factor ** (n - 1)`, at most
    `delay_max`.
    """

    errors: frozenset[str] | None = None
    attempts: int = 3
    delay: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    delay_max: timedelta = timedelta(minutes=1)
    jitter: Jitter = Jitter.FULL


@value
class Timeouts:
    """The times of one task: until a worker takes it, for one attempt, between signs of life, for the whole visit."""

    queue: Amount | None = None
    attempt: Amount | None = None
    heartbeat: Amount | None = None
    total: Amount | None = None


NO_TIMEOUTS: Final = Timeouts()
"""Those of most tasks."""


Sets = tuple[tuple[str, Template], ...]
"""Names of job variables and their new values, in file order."""


@value
class Transition:
    """An edge: taken when its guard holds (None always does); `target` is a state of the same machine, or END."""

    target: str
    when: Formula | None = None
    sets: Sets = ()


@value
class CatchArm:
    """Takes an error whose code is in `errors` (None: any) and whose guard holds.

    Either `target` is entered, or `output` becomes the state's output and the state goes on as if it had succeeded.
    """

    errors: frozenset[str] | None = None
    when: Formula | None = None
    sets: Sets = ()
    target: str | None = None
    output: Template | None = None


@value
class Requirements:
    """What a task asks of the worker that takes it (`worker` in the blueprint).

    `strategy` chooses among several that fit, None being the default one; the rest is matched by the rules of the
    worker protocol: `type` and `extra` by equality, numbers of `resources` at least, `software` and `artifacts` by
    version, `skill` (version, type) against what the worker registered of the kind, `cost_max` against its cost for it.
    """

    strategy: str | None = None
    type: str | None = None
    resources: Mapping[str, Json] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    skill: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    cost_max: float | None = None


@value
class Compensation:
    """The task or call that undoes what a state did, if `when` holds for its output.

    It is noted when the state has completed, or with `attempted` as soon as it is attempted: for effects that a lost
    answer may hide. `acts_once`: it is a request that is repeated by default only where it surely had no effect.
    """

    kind: str
    params: Template
    acts_once: bool = False
    when: Formula | None = None
    attempted: bool = False
    requirements: Requirements | None = None
    sticky: Template | None = None
    timeouts: Timeouts = NO_TIMEOUTS
    retry: tuple[RetryPolicy, ...] = ()


@value
class State:
    """One state of a machine. `name` is its name there.

    What is particular to a kind stands in its class and nowhere else. The checker of reads and the tests of blueprints
    ask through the methods below, so that none of them knows which kinds there are; the machine asks those of
    `kinds.state`.
    """

    KEY: ClassVar[str] = ""
    """The key of the language that makes a state one of this kind; empty for a state that only sets data."""

    CROSSED: ClassVar[bool] = False
    """Whether a decision may enter it and go on at once, though nothing failed."""

    HAS_OUTPUT: ClassVar[bool] = True
    """Whether it leaves an output of its own in `outputs`."""

    name: str
    transitions: tuple[Transition, ...] = ()
    sets: Sets = ()
    catch: tuple[CatchArm, ...] = ()

    def parts(self) -> Iterator[Part]:
        """What is evaluated for this kind alone: not its arms and `set`."""
        return iter(())

    def bodies(self, address: str) -> Sequence[tuple[str, str]]:
        """The machines inside it, by the name of the branch ("" where there is one alone); `address` is its own."""
        del address
        return ()

    @property
    def policies(self) -> tuple[RetryPolicy, ...]:
        """When it is tried again; none for kinds that are tried once."""
        return ()

    @property
    def undo(self) -> Compensation | None:
        """What undoes it, if anything does."""
        return None

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secrets that its task may be given."""
        return frozenset()


@value
class Machine:
    """One state machine: where it starts and the states it has, in file order.

    A body that was written as a lone state is a machine of that state, and `lone`. `collect` makes an item's output of
    the body's (`output` in its names). `tells_failures`: the block around it reads `failures`.
    """

    start: str
    states: Mapping[str, State]
    lone: bool = False
    collect: Template | None = None
    tells_failures: bool = False


@value
class Limits:
    """What one job may grow to, by the names of the language's `limits`."""

    transitions: int = 100_000
    transitions_at_once: int = 1_000
    items: int = 100_000
    scopes_live: int = 1_000
    data_bytes: int = 256 * 1024
    output_bytes: int = 8 * 1024 * 1024
    depth: int = 10


class Overlap(StrEnum):
    """What becomes of a run of a schedule while a job of it is open."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"


class CatchUp(StrEnum):
    """Which runs are made up for that were missed because no engine was there."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@value
class Schedule:
    """When jobs start by themselves, with which input. `jitter` bounds the delay of each run."""

    name: str
    cron: str
    timezone: str = "UTC"
    input: Json = field(default_factory=dict)
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.NONE
    jitter: timedelta = timedelta()


@value
class Program:
    """A compiled blueprint. `digest` is the identity of its version: SHA-256, hex, over the canonical form.

    `canonical` is that form (JSON text, key order kept): what the store keeps, and what the program can be built from
    again. `input_schema` is the author's JSON Schema, for documents; `defaults` are those that it names, `input` and
    `result` check by it and by its fellow.
    """

    name: str
    digest: str
    canonical: str
    machines: Mapping[str, Machine]
    version: str | None = None
    title: str | None = None
    description: str | None = None
    owner: str | None = None
    labels: Mapping[str, Template] = field(default_factory=dict)
    input_schema: Json = None
    defaults: Defaults | None = None
    input: Check | None = None
    result: Check | None = None
    data: Sets = ()
    catch: tuple[CatchArm, ...] = ()
    timeout: Amount | None = None
    limits: Limits = field(default_factory=Limits)
    unhandled: Unhandled = Unhandled.FAIL
    finally_time: Amount | None = None
    priority: int = 5
    search: Mapping[str, Template] = field(default_factory=dict)
    retention: timedelta | None = None
    schedules: tuple[Schedule, ...] = ()
    hooks: Mapping[str, Hook] = field(default_factory=dict)

    @property
    def states(self) -> Iterator[State]:
        """All states, of inner machines too."""
        for machine in self.machines.values():
            yield from machine.states.values()

    @property
    def compensates(self) -> bool:
        """Whether any state has something to undo, so that a job that fails must look."""
        return any(state.undo is not None for state in self.states)
