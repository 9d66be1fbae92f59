"""Count how a fork's scopes end, begin the next ones, and close what is below a fork or a job.

A join is three integers beside what the fork asked for: `live`, `ok`, `failed`. Its verdict is written once and mailed
to the scope that forked. What is closed by a fence counts nowhere.
"""

from __future__ import annotations

from avtomat.storage.answers import Revoked
from avtomat.storage.memory_attempts import kill
from avtomat.storage.memory_mail import put
from avtomat.storage.memory_state import Job, Join, Letter, Partition
from avtomat.storage.rules import ROOT, Verdict, child_path, covers, fork_path, join_mail, join_word, parent_of
from avtomat.storage.writes import Fork, ScopeEnd


def start_fork(part: Partition, job: Job, path: str, fork: Fork, now_ms: int) -> list[str]:
    """Begin a window of scopes below `path`; their paths. A fork that needs none is met at once."""
    if (path, fork.number) in job.joins:
        raise ValueError(f"{path} has forked with the number {fork.number} before")
    join = job.joins[path, fork.number] = Join(fork=fork)
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
    verdict = Verdict(word=word, ok=join.ok, failed=join.failed)
    if word == "broken":
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


def close(part: Partition, job: Job, fence: str, why: str, now_ms: int) -> list[Revoked]:
    """Close a fork, an ended scope or (`/`) the job with all below it: what is open there is gone in this step.

    Stores that must not do much in one step may leave the rest to `sweep`; the fence counts at once.
    """
    if job.is_closed(fence):
        return []
    job.fences = {known: reason for known, reason in job.fences.items() if not covers(fence, known)} | {fence: why}
    revoked = []
    for attempt in [one for one in job.attempts.values() if one.is_open and covers(fence, one.path)]:
        revoked += kill(part, job, attempt, why, now_ms)
    for slot, member in list(job.due.items()):
        if covers(fence, member.path) and (member.kind != "dead" or fence == ROOT):
            del job.due[slot]
    job.scopes = {path: scope for path, scope in job.scopes.items() if path == ROOT or not covers(fence, path)}
    _close_joins(job, fence)
    return revoked


def _close_joins(job: Job, fence: str) -> None:
    """Outputs outlive their fork's end while the scope that forked may still read them."""
    for (path, number), join in list(job.joins.items()):
        if path != ROOT and covers(fence, path):
            del job.joins[path, number]
        elif covers(fence, fork_path(path, number)):
            join.closed = True
