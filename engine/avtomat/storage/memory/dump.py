"""Show the reference store's state in the shape of `dump.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from avtomat.storage.memory.registers import Registration
from avtomat.storage.memory.state import Attempt, Job, Join, Partition, Phase, Scope
from avtomat.storage.port.rules import fork_path, packed_left
from avtomat.storage.proof.dump import (
    AttemptDump,
    DueDump,
    Dump,
    EndedAttemptDump,
    JobDump,
    JoinDump,
    MailDump,
    ScopeDump,
    due_order,
    shown,
    shown_or_none,
)


def dump(partitions: Sequence[Partition], workers: Mapping[str, Registration], now_ms: int) -> Dump:
    """The whole state."""
    return Dump(
        jobs={name: _job(job, now_ms) for part in partitions for name, job in sorted(part.jobs.items())},
        open=sorted(name for part in partitions for name in part.open),
        keys=sorted([*key, job] for part in partitions for key, job in part.keys.items()),
        queues={name: ids for part in partitions for name, ids in _queues(part).items()},
        due=sorted((member for part in partitions for member in _due(part)), key=due_order),
        post={str(part.number): [[post.job, post.mail.id] for post in part.post.values()] for part in partitions},
        programs=sorted({digest for part in partitions for digest in part.programs}),
        counters=sorted(
            [*name, str(counter.taken)]
            for part in partitions
            for name, counter in part.counters.items()
            if counter.until_ms > now_ms
        ),
        workers={name: [shown(one.record), shown_or_none(one.usage)] for name, one in sorted(workers.items())},
    )


def _queues(part: Partition) -> dict[str, list[str]]:
    ordered = {queue: [one for _, one in part.waiting(queue)] for queue in sorted(part.queues)}
    return {f"{part.number} {queue}": [one.task_id for one in queued] for queue, queued in ordered.items() if queued}


def _due(part: Partition) -> list[DueDump]:
    return [
        DueDump(
            kind=member.kind,
            job=name,
            path=member.path,
            number=member.number,
            at_ms=member.at_ms,
            returned=0 if member.kind == "mail" else member.returned,
        )
        for name, job in part.open.items()
        for member in job.due.values()
    ]


def _job(job: Job, now_ms: int) -> JobDump:
    new = job.new
    remembered = {task_id: one for task_id, one in sorted(job.attempts.items()) if one.is_remembered(now_ms)}
    signals = [letter for letter in job.signals if (letter.kept_until_ms or 0) > now_ms]
    return JobDump(
        client=new.client,
        blueprint=new.blueprint,
        digest=new.digest,
        head=shown(new.head),
        status=job.status,
        state=job.state,
        key=new.key,
        body_hash=new.body_hash,
        parent=new.parent,
        answers=None if job.is_ended else new.answers,
        created_ms=job.created_ms,
        updated_ms=job.updated_ms,
        finished_ms=job.finished_ms,
        leaves_ms=None if job.finished_ms is None else job.finished_ms + new.retention_ms,
        deadline_ms=job.deadline_ms,
        seq=job.seq,
        search=dict(sorted(job.search.items())),
        labels=shown_or_none(job.labels),
        reason=shown_or_none(job.reason),
        result=shown_or_none(job.result),
        error=shown_or_none(job.error),
        live_leases=job.live_leases(),
        scopes={path: _scope(scope) for path, scope in sorted(job.scopes.items())},
        closed=sorted(job.fences),
        joins={fork_path(*key): _join(join) for key, join in sorted(job.joins.items()) if not join.closed},
        attempts={task_id: _attempt(one) for task_id, one in remembered.items() if one.is_open},
        ended_attempts={task_id: _ended(one) for task_id, one in remembered.items() if not one.is_open},
        kept_signals=[[*letter.mail.to, letter.mail.id] for letter in signals],
        mail_ids=sorted(job.mail_ids),
        mail_counts={word: count for word, count in sorted(job.mail_counts.items()) if count},
        values={name: shown(value) for name, value in sorted(job.values.items())},
        undos={str(seq): shown(undo) for seq, undo in sorted(job.undos.items())},
        history=[[one.seq, one.at_ms, one.path, one.cause, shown(one.record)] for one in job.history] or None,
    )


def _scope(scope: Scope) -> ScopeDump:
    return ScopeDump(
        version=scope.version,
        visit=scope.visit,
        record=shown(scope.record or b""),
        task=None if scope.task is None else scope.task.task_id,
        signal=None if scope.wait is None else [scope.wait.name, scope.wait.key],
        mail=[
            MailDump(id=one.mail.id, kind=one.mail.kind, body=shown(one.mail.body), returned=one.returned)
            for one in scope.mail
        ],
    )


def _join(join: Join) -> JoinDump:
    return JoinDump(
        total=join.fork.total,
        need=join.fork.need,
        tolerated=join.fork.tolerated,
        window=join.fork.window,
        begun=join.begun,
        live=join.live,
        ok=join.ok,
        failed=join.failed,
        verdict=join.verdict,
        environment=shown(join.fork.environment),
        outputs={str(index): shown(output) for index, output in sorted(join.outputs.items())},
    )


def _attempt(attempt: Attempt) -> AttemptDump:
    return AttemptDump(
        path=attempt.path,
        visit=attempt.visit,
        attempt=attempt.dispatch.attempt,
        queue=attempt.queue,
        priority=attempt.priority,
        body=shown(attempt.body),
        phase=attempt.phase.value,
        worker=attempt.worker,
        lease_until_ms=attempt.lease_until_ms if attempt.phase is Phase.LEASED else None,
        progress=shown_or_none(attempt.progress),
        undoable=attempt.dispatch.undoable,
    )


def _ended(attempt: Attempt) -> EndedAttemptDump:
    return EndedAttemptDump(
        path=attempt.path,
        worker=attempt.worker or "",
        why=attempt.why,
        hash=attempt.hash,
        holds=attempt.holds,
        left=None if attempt.left is None else shown(packed_left(attempt.left)),
    )
