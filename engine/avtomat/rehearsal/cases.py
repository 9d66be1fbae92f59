"""Hold the cases of a file of tests: what a job gets, what workers answer, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from avtomat.blueprint.spec import Name
from avtomat.blueprint.yaml.nodes import Mapping as MappingNode
from avtomat.blueprint.yaml.nodes import Span
from avtomat.core.formula import Json
from avtomat.core.value import value
from avtomat.rehearsal.conditions import Condition

NOW = datetime(2026, 1, 1, microsecond=387_000, tzinfo=UTC)
"""When jobs are submitted, where a file does not say: within a second, as on every real clock."""


@value
class Answer:
    """What a worker makes of an attempt: the body of its result, after so much time at work.

    `silent`: it takes the attempt and is never heard of again. `untaken`: no worker takes it. `server` is what a server
    answers to a call, in place of `body`: with `status`, `headers` and `body`; or `broken`, when the connection breaks.
    """

    span: Span
    body: Mapping[str, Json]
    when: Condition | None = None
    server: Mapping[str, Json] | None = None
    takes_ms: int = 0
    silent: bool = False
    untaken: bool = False


@value
class Answers:
    """The answers under one key: one for every attempt, or a list with one for each."""

    span: Span
    each: tuple[Answer, ...]
    is_list: bool = False


@value
class SentSignal:
    """A signal that comes to the job so long after it was submitted."""

    span: Span
    name: str
    payload: Json = None
    key: str = ""
    after_ms: int = 0


@value
class Decided:
    """What somebody decides, so long after a state asked. `silent`: nobody does."""

    span: Span
    choice: str = ""
    by: str = ""
    comment: str = ""
    form: Json = None
    after_ms: int = 0
    silent: bool = False


@value
class Decisions:
    """The decisions under one key: one for every question, or a list with one for each."""

    span: Span
    each: tuple[Decided, ...]
    is_list: bool = False


@value
class SentRequest:
    """A request of the hook `name`, which starts the job: what it brings. Names of headers are in small letters."""

    name: Name
    body: Json = None
    headers: Mapping[str, str]


@value
class Case:
    """One job, submitted with `input`, started by the request `hook`, or by a run of `schedule`. `layers` are answers
    by kind or path, those of the case itself first, then those of `defaults`; `approvals` are decisions by path in the
    same order.

    `expect` keeps its places, so that what is not as expected can be shown where it was written.
    """

    name: Name
    schedule: Name | None = None
    input: Json
    input_span: Span
    hook: SentRequest | None = None
    config: Mapping[str, Json]
    secrets: Mapping[str, str]
    layers: tuple[Mapping[str, Answers], ...]
    expect: MappingNode | None
    now: datetime = NOW
    signals: tuple[SentSignal, ...] = ()
    approvals: tuple[Mapping[str, Decisions], ...] = ({}, {})


@value
class CaseFile:
    """A file of tests, with the name of the blueprint's file."""

    blueprint: Name
    cases: tuple[Case, ...]
