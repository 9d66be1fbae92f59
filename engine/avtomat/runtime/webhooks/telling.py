"""Say what the endpoints of a job are told of a commit, as mail that is written in the same step.

The mail goes to the jobs that send: a signal each, with the body of the message. So there is an event exactly where
there is a commit, and endpoints hear of them in the order of the job's history. A job without endpoints costs one look
at its head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from avtomat.core.awaited_decision import OnApproval
from avtomat.core.formula import Json
from avtomat.core.messages import Change, ScopeEnded
from avtomat.core.model import Error, Head, Ref, Status
from avtomat.core.program import RESULT
from avtomat.core.scope import ROOT, Scope
from avtomat.core.timestamp import format_time, to_ms
from avtomat.core.value import value
from avtomat.core.waiting import Waiting
from avtomat.runtime.jobs.writing import Written
from avtomat.storage.port.codec import dumps
from avtomat.storage.port.writes import Mail, Post

SIGNAL: Final = "webhook"
"""The signal by which a companion gets its events."""

TRIED_FOR: Final = timedelta(hours=23)
"""So long an event is tried; the store keeps signals for an hour more."""

VALUE_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 192 * 1024
"""Values that do not fit are left out of a message."""

_PARKED: Final = frozenset({Status.PAUSED, Status.QUARANTINED})


def with_news(written: Written, head: Head, before: Waiting, change: Change, now: datetime) -> Written:
    """The write-set with the mail for those who are told of it; `before` is what the scope waited for."""
    if not head.webhooks:
        return written
    is_last = change.ended is not None and written.scope.path == ROOT
    posts = tuple(
        post
        for number, event in enumerate(_events(head, before, written.scope, change))
        for post in _posts(event, f"-{number}" if number else "", written.scope, head, change, now, is_last=is_last)
    )
    if not posts:
        return written
    return replace(written, writes=replace(written.writes, posts=(*written.writes.posts, *posts)))


def news_of_parking(head: Head, scope: Scope, reason: Error, now: datetime) -> Iterator[Post]:
    """The mail for those who are told of a job that was quarantined without a decision. `scope` is its root."""
    change = Change(scope=scope, status=Status.QUARANTINED, reason=reason)
    event = f"job.{Status.QUARANTINED}"
    yield from _posts(event, f"-{to_ms(now)}", scope, head, change, now, is_last=False)


def outcome_of(before: Scope, after: Scope, ended: ScopeEnded | None) -> str | None:
    """What a commit of a companion says of an event: `sent`, `dead` or `gone`; None when it says nothing of one."""
    if ended is not None and ended.error is not None and ended.error.code == "WEBHOOK_GONE":
        return "gone"
    words = {"sent": "sent", "dead_count": "dead"}
    return next((word for name, word in words.items() if after.data.get(name) != before.data.get(name)), None)


@value
class Message:
    """One message to an endpoint. `body` None: nothing is sent. `is_last`: no other one follows."""

    id: str
    until: datetime
    body: Json = None
    is_last: bool = False

    def payload(self) -> dict[str, Json]:
        """The message as its companion gets it."""
        return {"id": self.id, "until": format_time(self.until), "last": self.is_last, "body": self.body}


def post_of(message: Message, to: str) -> Post:
    """The message as mail to the companion `to`. The last one is counted apart, so that there is always room for it."""
    signal = {"name": SIGNAL, "payload": message.payload(), "id": message.id, "by": SIGNAL}
    mail = Mail(
        id=f"webhook:{to}:{message.id}",
        kind="signal",
        body=dumps(signal),
        to=("signal", SIGNAL, ""),
        sender="end" if message.is_last else "events",
    )
    return Post(job=to, mail=mail)


def _events(head: Head, before: Waiting, scope: Scope, change: Change) -> Iterator[str]:
    waiting = scope.waiting
    if isinstance(waiting, OnApproval) and change.ended is None:
        same = isinstance(before, OnApproval) and before.visit == waiting.visit
        if not same:
            yield "approval.requested"
        elif isinstance(before, OnApproval) and waiting.reminders > before.reminders:
            yield "approval.reminded"
    if change.status in _PARKED:
        yield f"job.{change.status}"
    elif change.status is not None and head.status in _PARKED:
        yield "job.resumed"
    if change.ended is not None and scope.path == ROOT:
        yield f"job.{change.ended.status}"


def _posts(
    event: str, number: str, scope: Scope, head: Head, change: Change, now: datetime, *, is_last: bool
) -> Iterator[Post]:
    wanted = [webhook for webhook in head.webhooks if event in webhook.events]
    place = scope.path.replace("/", "_").replace(".", "-")
    identity = f"{head.job}{place}{scope.version + 1}{number}"
    body: Json = None
    if wanted:
        body = {"type": event, "timestamp": format_time(now), "data": _job(head, scope, change, now)}
    for webhook in head.webhooks:
        if webhook in wanted or is_last:
            sent = body if webhook in wanted else None
            yield post_of(Message(id=identity, until=now + TRIED_FOR, body=sent, is_last=is_last), webhook.job)


def _job(head: Head, scope: Scope, change: Change, now: datetime) -> dict[str, Json]:
    """The job as the API shows it, as far as it fits; of a body's scope only what holds for the whole job."""
    at = format_time(now)
    ended = change.ended if scope.path == ROOT else None
    job: dict[str, Json] = {
        "id": head.job,
        "blueprint": head.blueprint,
        "version": head.digest,
        "status": _word(head, scope, change, ended),
        "created_at": format_time(head.created_at),
        "updated_at": at,
        "finished_at": None if ended is None else at,
        "labels": head.labels,
        "priority": head.priority,
    }
    if isinstance(scope.waiting, OnApproval) and ended is None:
        asked = scope.waiting
        deadline = None if asked.deadline is None else format_time(asked.deadline)
        job["approval"] = {
            "scope": asked.path,
            "visit": asked.visit,
            "text": asked.text,
            "assignees": asked.assignees,
            "deadline": deadline,
            "reminders": asked.reminders,
        }
    return {**job, **_values(head, scope, change, ended)}


def _word(head: Head, scope: Scope, change: Change, ended: ScopeEnded | None) -> str:
    if ended is not None:
        return ended.status
    status = head.status if change.status is None else change.status
    if status is not Status.OPEN or scope.waiting is None:
        return status
    return scope.waiting.WORD or "running"


def _values(head: Head, scope: Scope, change: Change, ended: ScopeEnded | None) -> dict[str, Json]:
    """What is of any size: the smaller part of it first, and `omitted` names the rest and where it is read."""
    error = change.reason if ended is None else ended.error
    values: dict[str, Json] = {"error": None if error is None else error.as_json()}
    if scope.path == ROOT:
        outputs = {name: output for name, output in scope.outputs.items() if name != RESULT}
        values |= {"result": None if ended is None else ended.output, "state": scope.state}
        values |= {"input": head.input, "data": scope.data, "outputs": outputs}
    left, shown = BODY_BYTES_MAX, dict[str, Json]()
    omitted: list[str] = []
    for name, given in values.items():
        size = _size(given)
        if size > min(left, VALUE_BYTES_MAX):
            omitted.append(name)
        else:
            left -= size
            shown[name] = given
    if omitted:
        shown["omitted"] = {"fields": omitted, "read": f"/api/v1/jobs/{head.job}"}
    return shown


def _size(given: Json) -> int:
    """The bytes of a value; of one that is kept elsewhere, more than is sent."""
    values: Mapping[str, Json] = given if isinstance(given, dict) else {}
    if isinstance(given, Ref) or any(isinstance(each, Ref) for each in values.values()):
        return VALUE_BYTES_MAX + 1
    return len(dumps(given))
