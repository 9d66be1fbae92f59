"""Count how a fork's scopes end, begin the next ones, and close what is below a fork or a job.

A join is three integers beside what the fork asked for: `live`, `ok`, `failed`. Its verdict is written once and mailed
to the scope that forked. What is closed by a fence counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.storage.memory.attempts import kill
from avtomat.storage.memory.mail import give_up_result, put
from avtomat.storage.memory.reads import left_scope
from avtomat.storage.memory.state import Job, Join, Letter, Partition
from avtomat.storage.port.answers import Revoked
from avtomat.storage.port.rules import ROOT, Verdict, child_path, fork_path, join_mail, join_word, parent_of
from avtomat.storage.port.writes import Fork, ScopeEnd


def start_fork(part: Partition, job: Job, path: str, fork: Fork, now_ms: int) -> list[str]:
    """Begin a window of scopes below `path`; their paths. A fork that needs none is met at once."""
    if (path, fork.number) in job.joins:
        raise ValueError(f"{path} has forked with the number {fork.number} before")
    join = job.joins[path, fork.number] = Join(fork=fork)
    job.scopes[path].forks.append(fork.number)
    return _go_on(part, job, path, join, -1, b"", now_ms)


def scope_ended(part: Partition, job: Job, path: str, end: ScopeEnd, now_ms: int) -> list[str]:
    """Count the end of a scope at its join; the paths of scopes that may begin in its place."""
    parent, number, index = parent_of(path)
    join = job.joins[parent, number]
    join.live -= 1
    if end.ok:
        join.ok += 1
    else:
        join.failed += 1
    if end.output is not None:
        join.outputs[index] = end.output
    return _go_on(part, job, parent, join, index, end.error or b"", now_ms)


def _go_on(part: Partition, job: Job, parent: str, join: Join, index: int, error: bytes, now_ms: int) -> list[str]:
    if join.verdict is not None:
        return []
    fork = join.fork
    word = join_word(total=fork.total, need=fork.need, tolerated=fork.tolerated, ok=join.ok, failed=join.failed)
    if word is None:
        return _begin_next(job, parent, join, now_ms)
    join.verdict = word
    error = error if word == "broken" else b""
    verdict = Verdict(word=word, ok=join.ok, failed=join.failed, index=index, error=error)
    letter = Letter(mail=join_mail(parent, fork.number, verdict), order=part.next_order())
    put(job, job.scopes[parent], letter, now_ms)
    return []


def _begin_next(job: Job, parent: str, join: Join, now_ms: int) -> list[str]:
    begins = []
    while join.live < max(1, join.fork.window) and join.begun < join.fork.total:
        begins.append(child_path(parent, join.fork.number, join.begun))
        job.arm("begin", begins[-1], 0, now_ms)
        join.begun += 1
        join.live += 1
    return begins


def close(part: Partition, job: Job, fence: str, why: str, now_ms: int, *, ends: bool) -> list[Revoked]:
    """Close a fork, an ended scope or (`/`) the job with all below it: what is open there is gone in this step. If the
    job `ends`, what workers still do is of no interest.

    Stores that must not do much in one step may leave the rest to `sweep`; the fence counts at once.
    """
    if job.is_closed(fence):
        return []
    parent, _, last = fence.rpartition("/")
    if fence == ROOT or "." in last:
        behind = list(_with_all_below(job, fence))
    else:
        behind = list(_bodies(job, parent or ROOT, int(last)))
        job.joins[parent or ROOT, int(last)].closed = True
    revoked = []
    for path in sorted(behind, reverse=True):  # what lies below a scope goes before it
        revoked += _close_scope(part, job, path, why, now_ms, ends=ends)
    job.fences[fence] = why
    return revoked


def _with_all_below(job: Job, path: str) -> Iterator[str]:
    """The scope and all that it forked, those that have not begun or have ended included."""
    yield path
    for number in job.scopes[path].forks if path in job.scopes else ():
        yield from _bodies(job, path, number)


def _bodies(job: Job, path: str, number: int) -> Iterator[str]:
    join = job.joins.get((path, number))
    for index in range(0 if join is None else join.begun):
        yield from _with_all_below(job, child_path(path, number, index))


def _close_scope(part: Partition, job: Job, path: str, why: str, now_ms: int, *, ends: bool) -> list[Revoked]:
    """Take away what keeps one scope going, and the fences that another one above makes needless."""
    job.fences.pop(path, None)
    scope = job.scopes.get(path)
    revoked = []
    if scope is not None:
        left = None if ends else left_scope(job, scope)
        revoked = [] if scope.task is None else kill(part, job, scope.task, why, now_ms, left)
        give_up_result(part, job, scope, left, now_ms)
    for slot in ("timer", "mail", "begin"):
        job.due.pop((slot, path), None)
    if scope is None:
        return []
    for number in scope.forks:
        job.fences.pop(fork_path(path, number), None)
        if path == ROOT:  # outputs outlive their fork's end while the scope that forked may still read them
            job.joins[path, number].closed = True
        else:
            del job.joins[path, number]
    if path != ROOT:
        del job.scopes[path]
    return revoked
