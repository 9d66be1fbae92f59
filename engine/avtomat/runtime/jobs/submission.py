"""Turn what a client asks into a job that can be created: checked, started, encoded."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Final

from avtomat.core.defaults import Defaults, DefaultsTooLargeError
from avtomat.core.duration import DURATION_MAX
from avtomat.core.formula import Json
from avtomat.core.machine import start, start_too_large
from avtomat.core.messages import Change
from avtomat.core.model import Error, Head, Ref
from avtomat.core.program import Program
from avtomat.core.timestamp import format_time, to_ms
from avtomat.core.value import value
from avtomat.core.waiting import OnStart
from avtomat.core.webhooks import Webhook
from avtomat.errors import RequestRefused
from avtomat.runtime.chance import random_hex
from avtomat.runtime.jobs.bounds import TooLargeError
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.jobs.writing import NOTHING_BEGUN, VALUE_BYTES_INLINE, Begun, Written, encode, pages
from avtomat.runtime.webhooks.telling import with_news
from avtomat.runtime.weight import weight_of
from avtomat.storage.port.codec import dumps, head_as_json
from avtomat.storage.port.rules import partition_of_key
from avtomat.storage.port.writes import NewJob

JOB_RANDOM_BYTES = 12
ERRORS_SHOWN_MAX = 12


@value
class Family:
    """Where a job stands among those that begin jobs: see `Head`; `answers` is the attempt that it is the work of."""

    parent_id: str | None = None
    answers: str | None = None
    depth: int = 0
    runs: Mapping[str, str] = field(default_factory=dict)


ALONE: Final = Family()
"""A job that a client sent, and that runs no other blueprint."""


@value
class Submission:
    """One job as a client asks for it. `body_hash` is that of the request, kept beside the idempotency key `key`.

    `rerun_of` names the ended job that this one repeats, as `by` asked, for a reason. `schedule` is the one whose run
    it is, by hand where there is a `by`. `webhook_url` is told of those `webhook_events`; `webhooks` are all that are
    told of the job.
    """

    blueprint: str
    input: Json
    client: str
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int | None = None
    timeout: timedelta | None = None
    start_at: datetime | None = None
    key: str | None = None
    body_hash: str = ""
    trace: str | None = None
    rerun_of: str | None = None
    schedule: str = ""
    by: str = ""
    reason: str = ""
    family: Family = ALONE
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    webhooks: tuple[Webhook, ...] = ()


JobsOf = Callable[[Head, Change], Awaitable[Begun | Mapping[int, Error]]]
"""Makes the jobs that a beginning begins, or says by visit why one of them cannot be."""


@value
class Beginning:
    """A job that was started but not yet written: what to write, and what is true once that is done."""

    new: NewJob
    change: Change
    kept: Kept


def input_of(program: Program, asked: Submission) -> Json:
    """The input with its defaults. Raises RequestRefused for one that the schema refuses, or to which they would add
    too much.
    """
    filled = asked.input if program.defaults is None else _filled(program.defaults, asked.input)
    problems = program.input.problems(filled) if program.input else ()
    if not problems:
        return filled
    raise RequestRefused(
        "; ".join(f"{problem.pointer or 'input'}: {problem.message}" for problem in problems[:ERRORS_SHOWN_MAX]),
        status=422,
        code="input.invalid",
        pointer="/input" + problems[0].pointer,
        errors=[{"pointer": "/input" + problem.pointer, "message": problem.message} for problem in problems],
    )


def _filled(defaults: Defaults, given: Json) -> Json:
    try:
        return defaults.fill(given)
    except DefaultsTooLargeError as large:
        raise RequestRefused(
            f"input: {large}",
            status=422,
            code="input.invalid",
            pointer="/input",
            hint="send fewer items, or give the values of which there are so many",
            errors=[{"pointer": "/input", "message": str(large)}],
        ) from None


def new_job_id(asked: Submission, partitions: int) -> str:
    """A job's id: its partition, then 96 random bits. Jobs of one idempotency key share their partition."""
    if asked.key is not None:
        partition = partition_of_key(asked.client, asked.key, partitions)
    else:
        partition = secrets.randbelow(partitions) if partitions > 1 else 0
    return f"{partition:02x}{random_hex(JOB_RANDOM_BYTES)}"


async def begin(
    job: str,
    program: Program,
    asked: Submission,
    given: Json,
    now: datetime,
    *,
    config: Mapping[str, Json],
    retention: timedelta,
    jobs_of: JobsOf,
) -> Beginning:
    """Start the job with the input `given`: decide its first steps and encode them, with the jobs that they begin.
    Raises RequestRefused when it is over the limits.
    """
    if asked.start_at is not None and asked.start_at > now + DURATION_MAX:
        text = "start_at is more than a hundred years ahead"
        raise RequestRefused(text, status=422, code="request.invalid", pointer="/start_at")
    family = asked.family
    head = Head(
        job=job,
        blueprint=program.name,
        digest=program.digest,
        input=given,
        created_at=now,
        config=config,
        labels=asked.labels,
        priority=program.priority if asked.priority is None else asked.priority,
        timeout=asked.timeout,
        parent_id=family.parent_id,
        depth=family.depth,
        runs=family.runs if program.runs else {},
        webhooks=asked.webhooks,
    )
    head, change, begun = await _started(program, head, now, asked.start_at, jobs_of)
    event = _created(asked)
    try:
        written = _encode(change, head, event, program, asked.trace, begun)
    except TooLargeError as large:
        change = start_too_large(program, head, now, str(large))
        written = _encode(change, head, event, program, asked.trace)
    written = with_news(written, head, None, change, now)
    retention = retention if program.retention is None else program.retention
    has_defaults = program.defaults is not None
    new, head_size = _new_job(head, change, written, asked, retention, has_defaults=has_defaults)
    kept = Kept(
        program=program,
        head=head,
        scope=written.scope,
        record=written.record,
        client=asked.client,
        trace=asked.trace,
        updated_ms=written.writes.at_ms,
        size=0 if change.ended is not None else weight_of(written.writes.scope),
        head_size=head_size,
    )
    return Beginning(new=new, change=change, kept=kept)


def _created(asked: Submission) -> dict[str, Json]:
    """What history says of how the job began."""
    event: dict[str, Json] = {"type": "JobCreated", "client": asked.client}
    if asked.family.parent_id is not None:
        event["parent_id"] = asked.family.parent_id
    if asked.start_at is not None:
        event["start_at"] = format_time(asked.start_at)
    if asked.schedule:
        event.update({"schedule": asked.schedule, **({"by": asked.by} if asked.by else {})})
    if asked.rerun_of is not None:
        event.update({"rerun_of": asked.rerun_of, "by": asked.by, "reason": asked.reason})
    return event


async def _started(
    program: Program, head: Head, now: datetime, start_at: datetime | None, jobs_of: JobsOf
) -> tuple[Head, Change, Begun]:
    """The first decision, and the jobs that it begins; it is made again without those that cannot begin."""
    started, change = start(program, head, now, start_at)
    refused: Mapping[int, Error] = {}
    while change.jobs:
        begun = await jobs_of(started, change)
        if isinstance(begun, Begun):
            return started, change, begun
        refused = {**refused, **begun}
        started, change = start(program, head, now, start_at, refused)
    return started, change, NOTHING_BEGUN


def _encode(
    change: Change,
    head: Head,
    event: Mapping[str, Json],
    program: Program,
    trace: str | None,
    begun: Begun = NOTHING_BEGUN,
) -> Written:
    now = head.created_at
    return encode(change, {}, job=head.job, event=event, limits=program.limits, trace=trace, now=now, begun=begun)


def _new_job(
    head: Head, change: Change, written: Written, asked: Submission, retention: timedelta, *, has_defaults: bool
) -> tuple[NewJob, int]:
    """The job as it is written, and what its head takes in memory where that counts: the job goes on and is kept, or
    there was room claimed for defaults.
    """
    writes = written.writes
    stored = dumps(head_as_json(head, asked.trace))
    head_size = weight_of(stored) if change.ended is None or has_defaults else 0
    if len(stored) > VALUE_BYTES_INLINE and len(body := dumps(head.input)) > VALUE_BYTES_INLINE:
        stored = dumps(head_as_json(replace(head, input=Ref("input", len(body))), asked.trace))
        writes = replace(writes, values={**writes.values, **pages("input", body)})
    waiting = change.scope.waiting
    new = NewJob(
        job=head.job,
        client=asked.client,
        blueprint=head.blueprint,
        digest=head.digest,
        head=stored,
        writes=writes,
        retention_ms=round(retention.total_seconds() * 1000),
        key=asked.key,
        body_hash=asked.body_hash,
        deadline_ms=None if head.deadline is None or change.ended is not None else to_ms(head.deadline),
        start_ms=to_ms(waiting.until) if isinstance(waiting, OnStart) else None,
        parent=asked.family.parent_id,
        answers=asked.family.answers,
        needs=tuple(head.runs.values()),
    )
    return new, head_size
