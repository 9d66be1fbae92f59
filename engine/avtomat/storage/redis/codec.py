"""Turn what the store is asked into arguments of its scripts: words, numbers and bytes, in the order of their headers.

'' stands for none. Names that scripts pack into records hold no line feed; `named` refuses one that does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import orjson

from avtomat.storage.port.rules import ROOT, partition_of
from avtomat.storage.port.writes import (
    Cause,
    Dispatch,
    DueCause,
    HeadChange,
    Mail,
    MailCause,
    NewJob,
    Post,
    ResultCause,
    ScopeEnd,
    TaskRequest,
    Writes,
)
from avtomat.storage.redis.wire.socket import Argument

PROBE_BYTES: Final = 64

_NEVER: Final = (None,) * 5
_NO_TIMES: Final = ("",) * 5


def named(name: str) -> str:
    """The name, if it can be part of a packed record."""
    if "\n" in name:
        raise ValueError(f"a name may not hold a line feed: {name!r}")
    return name


def packed(names: tuple[str, ...]) -> str:
    """Names as one argument, each with a line feed behind it, if none has one itself."""
    text = "\n".join((*names, ""))
    if text.count("\n") != len(names):
        raise ValueError(f"a name may not hold a line feed: {names!r}")
    return text


def client_key(client: str, key: str) -> str:
    """The field by which an idempotency key is found."""
    return f"{named(client)}\n{named(key)}"


def create_arguments(new: NewJob) -> list[Argument]:
    """What create.lua takes: a job as parts/beginning.lua begins it."""
    names = (
        new.client,
        new.blueprint,
        new.digest,
        new.body_hash,
        str(new.retention_ms),
        new.key or "",
        new.parent or "",
        new.answers or "",
        " ".join(new.needs),
    )
    arguments: list[Argument] = [
        new.job,
        packed(names),
        new.head,
        "" if new.key is None else client_key(new.client, new.key),
        new.deadline_ms or "",
        "" if new.start_ms is None else new.start_ms,
        _search(new.search) if new.search else "",
        new.writes.shared,
    ]
    _add_writes(arguments, new.writes, partition_of(new.job), is_root=True)
    return arguments


def commit_arguments(
    job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None
) -> list[Argument]:
    """What commit.lua takes, or with a request for tasks commit_and_take.lua."""
    arguments: list[Argument] = [job, path, version, *cause_arguments(cause, writes.shared)]
    if wanted is not None:
        queues = dict.fromkeys(wanted.queues)
        arguments += task_request_arguments(
            wanted.worker,
            wanted.nonce,
            wanted.max_tasks,
            wanted.lease_ms,
            wanted.strides,
            reserved=wanted.reserved,
        )
        arguments += (len(queues), *queues)
    _add_writes(arguments, writes, partition_of(job), is_root=path == ROOT)
    return arguments


def cause_arguments(cause: Cause | None, shared: bytes = b"") -> tuple[Argument, ...]:
    """A cause in six arguments, and then the shared part of the write-set; see causes.lua."""
    match cause:
        case ResultCause(task_id=task_id, worker=worker, hash=result_hash, event=event):
            head, tail = _split(event, shared) if shared else (event, "")
            return "success" if cause.success else "result", task_id, worker, named(result_hash), head, tail, shared
        case MailCause(id=mail_id):
            return "mail", mail_id, "", "", "", "", shared
        case DueCause(kind=kind, number=number):
            return "due", kind, number, "", "", "", shared
        case None:
            return "", "", "", "", "", "", shared


def task_request_arguments(
    worker: str, nonce: str, max_tasks: int, lease_ms: int, strides: Mapping[str, int], *, reserved: bool
) -> tuple[Argument, ...]:
    """Who takes attempts, and how, in six arguments; see taking.lua."""
    packed = "".join([f"{client}\n{stride}\n" for client, stride in strides.items()]) if strides else ""
    return named(worker), named(nonce), max_tasks, lease_ms, packed, "1" if reserved else ""


def _split(text: bytes, shared: bytes) -> tuple[bytes, str]:
    """A text without the part that is sent once, and the places at which it stood; '' when it did not."""
    pieces, places, begun, length = list[bytes](), list[str](), 0, 0
    at = _find(text, shared, 0)
    while at >= 0:
        pieces.append(text[begun:at])
        length += at - begun
        places.append(str(length))
        begun = at + len(shared)
        at = _find(text, shared, begun)
    return (b"".join((*pieces, text[begun:])), ",".join(places)) if places else (text, "")


def _find(text: bytes, shared: bytes, start: int) -> int:
    """Where the shared part stands next, or -1. Looked for by its beginning: to search for long ones costs much."""
    if len(text) - start < len(shared):
        return -1
    at = text.find(shared[:PROBE_BYTES], start)
    while at >= 0 and not text.startswith(shared, at):
        at = text.find(shared[:PROBE_BYTES], at + 1)
    return at


def mail_arguments(mail: Mail) -> tuple[Argument, ...]:
    """A piece of mail in seven arguments; see deliver.lua."""
    path, name, key = (mail.to, "", "") if isinstance(mail.to, str) else ("", *mail.to[1:])
    return path, named(name), named(key), mail.id, named(mail.kind), named(mail.sender), mail.body


def _add_writes(to: list[Argument], writes: Writes, partition: int, *, is_root: bool) -> None:
    """Add a write-set as operations; see writes.lua."""
    to += ("scope", writes.visit, named(writes.state), writes.at_ms or "")
    shared = writes.shared
    to += (
        (*_split(writes.scope, shared), *_split(writes.record, shared))
        if shared
        else (writes.scope, "", writes.record, "")
    )
    if writes.keeps_task:
        to.append("keeps_task")
    if writes.settled:
        to.append("settled")
    if writes.dead_because != "cancelled":
        to += ("dead_because", named(writes.dead_because))
    if writes.dispatch is not None:
        _add_dispatch(to, writes.dispatch)
    if writes.timer_ms is not None:
        to += ("timer", writes.timer_ms)
    if writes.signal is not None:
        to += ("signal", f"{named(writes.signal.name)}\n{named(writes.signal.key)}")
    if writes.fork is not None:
        fork = writes.fork
        to += ("fork", fork.number, fork.total, fork.need, fork.tolerated, fork.window, fork.environment)
    for path in writes.close:
        to += ("close", path)
    if writes.end is not None:
        _add_end(to, writes.end)
        _add_output(to, writes, is_root=is_root)
    _add_rest(to, writes)
    for post in writes.posts:
        _add_post(to, post, partition)
    for new in writes.jobs:
        _add_begun(to, "job", new)


def _add_begun(to: list[Argument], word: str, new: NewJob) -> None:
    arguments = create_arguments(new)
    to += (word, len(arguments), *arguments)


def _add_rest(to: list[Argument], writes: Writes) -> None:
    if writes.undo is not None:
        to += ("undo", writes.undo)
    if writes.undone_seq is not None:
        to += ("undone", writes.undone_seq)
    if writes.head is not None:
        _add_head(to, writes.head)
    for name, value, at in _pages(writes) if writes.values else ():
        to += ("value", name, value) if at is None else ("part", name, at + 1, at + len(value))


def _add_dispatch(to: list[Argument], task: Dispatch) -> None:
    to += ("dispatch", task.task_id, task.attempt, named(task.queue), task.priority)
    times = (task.not_before_ms, task.queue_ms, task.attempt_ms, task.lease_ms, task.total_at_ms)
    to += _NO_TIMES if times == _NEVER else ["" if time is None else time for time in times]
    to.append(named(task.sticky) if task.sticky else "")
    if task.undoable:
        to.append("undoable")
    if task.body is not None:
        to += ("body", task.body)
    if task.requirements is not None:
        to += ("requirements", task.requirements)
    if task.child is not None:
        _add_begun(to, "child", task.child)


def _add_end(to: list[Argument], end: ScopeEnd) -> None:
    to += ("finish", int(end.ok), end.status)
    if end.error is not None:
        to += ("error", end.error)


def _add_output(to: list[Argument], writes: Writes, *, is_root: bool) -> None:
    """What the scope leaves. Of the root's, what its record or values beside it hold is not kept again."""
    if writes.end is None or writes.end.output is None:
        return
    shared = writes.shared
    if not shared:
        to += ("output", writes.end.output, "")
        return
    rest, places = _split(writes.end.output, shared)
    if is_root and places:
        at = _find(writes.scope, shared, 0)
        pages = [(name, value) for name, value, place in _pages(writes) if place is not None]
        if at >= 0:
            to += ("output_at", rest, places, f"s{at + 1}\n{at + len(shared)}")
            return
        if sum(len(value) for _, value in pages) == len(shared):
            to += ("output_at", rest, places, "v" + "\n".join(named(name) for name, _ in pages))
            return
    to += ("output", rest, places)


def _pages(writes: Writes) -> Iterator[tuple[str, bytes, int | None]]:
    """Large values, each with where it begins in the shared part, if it is a page of that."""
    at = 0
    for name, value in writes.values.items():
        if value and writes.shared.startswith(value, at):
            yield name, value, at
            at += len(value)
        else:
            yield name, value, None


def _add_head(to: list[Argument], head: HeadChange) -> None:
    to.append("head")
    if head.status is not None:
        to += ("status", head.status)
    if head.reason is not None:
        to += ("reason", head.reason)
    if head.deadline_ms is not None:
        to += ("deadline", head.deadline_ms)
    if head.search is not None:
        to += ("search", _search(head.search))
    if head.labels is not None:
        to += ("labels", head.labels)


def _search(search: Mapping[str, str]) -> bytes:
    return orjson.dumps(dict(search)) if search else b""


def _add_post(to: list[Argument], post: Post, partition: int) -> None:
    if partition_of(post.job) == partition:
        to += ("post", post.job, *mail_arguments(post.mail))
    else:
        to += ("carry", post.mail.id, packed_post(post))


def packed_post(post: Post) -> bytes:
    """Post as it waits for its way to another partition."""
    path, name, key, mail_id, kind, sender, body = mail_arguments(post.mail)
    head = "".join(f"{named(str(field))}\n" for field in (post.job, path, name, key, mail_id, kind, sender))
    return head.encode() + (body if isinstance(body, bytes) else b"")


def unpacked_post(packed: bytes) -> Post:
    """What `packed_post` packed."""
    *head, body = packed.split(b"\n", 7)
    job, path, name, key, mail_id, kind, sender = (field.decode() for field in head)
    to = path or ("signal", name, key)
    return Post(job=job, mail=Mail(id=mail_id, kind=kind, body=body, to=to, sender=sender))
