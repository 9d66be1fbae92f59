"""Do what comes with time: give out due members, move delayed tasks, forget what has lapsed and what was kept enough.

A member that is given out is armed again until a commit answers it, so that nothing is lost with the replica that took
it. Members of parked jobs are passed over until the job goes on.
"""

from __future__ import annotations

from collections.abc import Iterator

from avtomat.storage.memory.attempts import lease_seen_over, put_in_queue
from avtomat.storage.memory.counters import forget_ended
from avtomat.storage.memory.mail import forget_lapsed, operators
from avtomat.storage.memory.reads import loaded_if_small
from avtomat.storage.memory.state import Job, Member, Partition, Phase
from avtomat.storage.port.answers import Due, DueKind
from avtomat.storage.port.rules import PROGRAM_KEPT_MS, rearm_after_ms, unwatched_ms


def due(part: Partition, limit: int, rearm_ms: int, now_ms: int) -> list[Due]:
    """Give out members whose time has come, earliest first; what the store can do alone it does."""
    ready = [found for found in _members(part) if found[2].at_ms <= now_ms]
    ready.sort(key=lambda found: found[2].at_ms)
    given = []
    for job, place, member in ready[:limit]:
        if member.kind in {"delayed", "dead"}:
            _do_alone(part, job, place, member, now_ms)
        elif member.kind == "lease" and _was_unwatched(part, job, place, member, now_ms):
            _extend_once(job, place, now_ms)
        else:
            given.append(_give_out(job, place, member, rearm_ms, now_ms))
    if len(ready) < limit:
        part.watched_ms = now_ms
    return given


def next_due_ms(part: Partition) -> int | None:
    """When `due` has something to do next."""
    return min((member.at_ms for _, _, member in _members(part)), default=None)


def _members(part: Partition) -> Iterator[tuple[Job, str, Member]]:
    """The members that are not set aside, each with its place."""
    for job in part.open.values():
        for (_, place), member in job.due.items():
            if not job.is_parked or _passes_parked(job, member):
                yield job, place, member


def _passes_parked(job: Job, member: Member) -> bool:
    if member.kind == "mail":
        return any(operators(letter.mail) for letter in job.scopes[member.path].mail)
    return member.kind == "deadline"


def _do_alone(part: Partition, job: Job, task_id: str, member: Member, now_ms: int) -> None:
    attempt = job.attempts[task_id]
    if member.kind == "delayed":
        put_in_queue(part, job, attempt, now_ms)
    else:
        lease_seen_over(part, job, attempt, now_ms)


def _was_unwatched(part: Partition, job: Job, task_id: str, member: Member, now_ms: int) -> bool:
    """Whether the worker may have found nobody to renew this lease with, because no replica was there."""
    if member.returned:
        return False
    if part.watched_ms is None:
        return True
    gap_ms = now_ms - part.watched_ms
    return member.time_ms > part.watched_ms and gap_ms > unwatched_ms(job.attempts[task_id].lease_ms)


def _extend_once(job: Job, task_id: str, now_ms: int) -> None:
    attempt = job.attempts[task_id]
    attempt.lease_until_ms = now_ms + attempt.lease_ms
    job.arm_attempt(attempt)


def _give_out(job: Job, place: str, member: Member, rearm_ms: int, now_ms: int) -> Due:
    letter = job.letter_to_give(job.scopes[member.path]) if member.kind == "mail" else None
    if letter is not None:
        letter.returned += 1
        member.returned = letter.returned
    else:
        member.returned += 1
    member.at_ms = now_ms + rearm_after_ms(rearm_ms, member.returned)
    attempt = job.attempts.get(place)
    is_held = attempt is not None and attempt.phase is Phase.LEASED
    return Due(
        kind=DueKind(member.kind),
        job=job.new.job,
        path=member.path,
        number=member.number,
        returned=member.returned,
        mail=None if letter is None else letter.mail,
        loaded=loaded_if_small(job, member.path),
        task_id=attempt.task_id if attempt is not None and is_held else "",
        worker=(attempt.worker or "") if attempt is not None and is_held else "",
    )


# --- what leaves ------------------------------------------------------------------------------------------------------


def sweep(part: Partition, limit: int, now_ms: int) -> int:
    """Forget records of ended attempts and kept signals that have lapsed; closings leave nothing behind here."""
    done = 0
    for job in part.jobs.values():
        if done >= limit:
            break
        lapsed = [task_id for task_id, attempt in job.attempts.items() if not attempt.is_remembered(now_ms)]
        for task_id in lapsed:
            del job.attempts[task_id]
        done += len(lapsed) + forget_lapsed(job, now_ms)
    return done


def trim(part: Partition, limit: int, now_ms: int) -> int:
    """Remove ended jobs past their retention, longest past first, programs that nothing needs, and ended counters."""
    forget_ended(part, now_ms)
    past = [(_leaves_ms(job), name) for name, job in part.jobs.items() if job.is_ended and _leaves_ms(job) <= now_ms]
    leaving = sorted(past)[:limit]
    for _, name in leaving:
        job = part.jobs.pop(name)
        if job.new.key is not None:
            del part.keys[job.new.client, job.new.key]
    needed = {job.new.digest for job in part.jobs.values()}
    for digest, program in list(part.programs.items()):
        if digest not in needed and program.asked_ms + PROGRAM_KEPT_MS <= now_ms:
            del part.programs[digest]
    return len(leaving)


def _leaves_ms(job: Job) -> int:
    return (job.finished_ms or 0) + job.new.retention_ms
