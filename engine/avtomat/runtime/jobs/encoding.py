"""Encode a decision on a kept scope, with what others are told of it, and say what is kept once it is committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from avtomat.core.messages import Change, Event, TaskSucceeded
from avtomat.runtime.jobs.events import describe
from avtomat.runtime.jobs.kept import Kept
from avtomat.runtime.jobs.writing import NOTHING_BEGUN, Begun, Given, Written, encode, given_of
from avtomat.runtime.webhooks.telling import with_news
from avtomat.runtime.weight import weight_of
from avtomat.storage.port.writes import Cause, ResultCause


def given_by(event: Event, cause: Cause) -> Given | None:
    """What a worker gave, with its JSON."""
    if isinstance(event, TaskSucceeded) and isinstance(cause, ResultCause):
        return given_of(event.output, cause.output)
    return None


def encoded(
    kept: Kept,
    change: Change,
    event: Event,
    now: datetime,
    beside: Mapping[str, bytes],
    given: Given | None = None,
    begun: Begun = NOTHING_BEGUN,
) -> Written:
    """The write-set of `change`, with mail for those who are told of it. Raises TooLargeError as `encode` does."""
    written = encode(
        change,
        kept.record,
        job=kept.head.job,
        event=describe(event),
        limits=kept.program.limits,
        trace=kept.trace,
        now=now,
        around=kept.around,
        beside=beside,
        given=given,
        begun=begun,
    )
    return with_news(written, kept.head, kept.scope.waiting, change, now)


def after(kept: Kept, change: Change, written: Written) -> Kept:
    """The scope as it is once `change` is committed. One that has ended is not kept, and takes nothing."""
    head = kept.head if change.status is None else replace(kept.head, status=change.status)
    return Kept(
        program=kept.program,
        head=head,
        scope=written.scope,
        record=written.record,
        client=kept.client,
        trace=kept.trace,
        updated_ms=written.writes.at_ms,
        size=0 if change.ended is not None else weight_of(written.writes.scope),
        head_size=kept.head_size,
        around=kept.around,
        environment=kept.environment,
        undos=kept.undos,
        undo_seq=kept.undo_seq,
    )
