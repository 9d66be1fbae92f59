"""Do what operators ask of jobs: cancel them, hold them, let them go on, try again, skip, run them anew.

Every request is mail to the job, so that one whose carrying out breaks off is carried out when it is due; what makes no
sense by then changes nothing. What makes none for the job as it is stored is refused without mail: a job takes only so
much of it. Each is an entry of the job's history that says by whom it was, and why. A request with an
idempotency key is the same mail each time it is asked for, so that it is carried out once.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.messages import CancelRequested, OperatorEvent, ReleaseRequested, RerunRequested
from avtomat.core.model import ENDED, Status
from avtomat.core.operate import FINISHING, in_vain
from avtomat.core.scope import ROOT
from avtomat.core.waiting import OnFinally, OnUndo, OnUnwind
from avtomat.errors import RequestRefused
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.jobs.clients import Accepted, ClientOperations
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.jobview import scope_of_row
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.people.operator_mail import operator_as_json
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.answers import Delivered, HistoryEntry, JobRow
from avtomat.storage.port.codec import dumps
from avtomat.storage.port.rules import cause_word
from avtomat.storage.port.store import OPERATOR_IDS_MAX, Store
from avtomat.storage.port.writes import Mail, MailCause

ENTRIES_LOOKED_AT_MAX: Final = 100
ENTRIES_LOOKED_BACK_MAX: Final = 1_000
"""So far back in a job's history a request with an idempotency key is looked for."""

MAIL_DIGITS: Final = 32
_POSSIBLE: Final = {
    "open": "it can be paused, cancelled, rerun from a state, or its state skipped",
    "paused": "it can be resumed, cancelled, rerun from a state, or its state skipped",
    "quarantined": "it can be retried, released, skipped, rerun from a state, or cancelled",
    "compensating": "it can be paused, or cancelled without compensation",
    "finishing": "it can be paused, or skipped, which ends it",
}
_ENDED: Final = "an ended job can be rerun, as a new one"


class Operators:
    """What may be done to jobs that are there. `client` None reads as an admin; `by` is who asks, for history.

    Each operation returns the job as it is afterwards, None when there is none that this client may see. The same
    request of the same person with the same `key` is carried out once, and answered as the first time.
    """

    def __init__(
        self, store: Store, executor: Executor, clients: ClientOperations, programs: Programs, histories: Histories
    ) -> None:
        self._store = store
        self._executor = executor
        self._clients = clients
        self._programs = programs
        self._histories = histories

    async def cancel(
        self,
        job_id: str,
        client: str | None,
        by: str,
        reason: str = "",
        *,
        compensate: bool = True,
        key: str | None = None,
    ) -> Mapping[str, Json] | None:
        """End the job as cancelled, after undoing what it did unless told otherwise; an ended one stays as it is.
        However many requests were sent to the job before, this one is taken.
        """
        row = await self._clients.row(job_id, client)
        if row is not None and row.status not in ENDED and _is_finishing(row):
            raise _refusal(row, FINISHING)
        if row is not None and row.status not in ENDED and not (compensate and _is_undoing(row)):
            event = CancelRequested(by=by, reason=reason, compensate=compensate)
            await self._act(row, _mail_of("cancel", asdict(event), key), event, keyed=key is not None)
        return await self._clients.job(job_id, client)

    async def operate(
        self, job_id: str, client: str | None, event: OperatorEvent, key: str | None = None
    ) -> Mapping[str, Json] | None:
        """Carry out an operator's request to an open job. Raises RequestRefused: 409 job.state when it makes no
        sense now, 429 job.mailbox_full when the job takes no more of them.
        """
        row = await self._clients.row(job_id, client)
        if row is None:
            return None
        mail = _mail_of("operate", operator_as_json(event), key)
        refused = await self._refused(row, event)
        if refused:
            if key is not None and await self._was_done_before(row, mail):
                return await self._clients.job(job_id, client)
            raise _refusal(row, refused)
        if isinstance(event, RerunRequested | ReleaseRequested):
            await self._check_size(row, event.data)
        in_vain = await self._act(row, mail, event, keyed=key is not None)
        if in_vain:
            raise _refusal(await self._clients.row(job_id, client) or row, in_vain)
        return await self._clients.job(job_id, client)

    async def rerun(
        self, job_id: str, client: str | None, event: RerunRequested, key: str | None = None
    ) -> Accepted | Mapping[str, Json] | None:
        """Enter a state of an open job anew; of an ended job, run its input again, as a new job of the blueprint's
        current version. Raises RequestRefused 409 idempotency.mismatch when the key named a job of another request.
        """
        row = await self._clients.row(job_id, client)
        if row is None or row.status not in ENDED:
            return await self.operate(job_id, client, event, key)
        mail = _mail_of("operate", operator_as_json(event), key)
        if key is not None and await self._was_done_before(row, mail):  # the job was open then
            return await self._clients.job(job_id, client)
        if event.state is not None or event.data is not None:
            raise RequestRefused(
                f"the job is {row.status}: it is rerun as a new job, from its input and its first state",
                status=409,
                code="job.state",
                hint="leave out state and data, or submit a job with another input",
            )
        head = await self._clients.head_of(row)
        return await self._clients.submit(
            Submission(
                blueprint=row.blueprint,
                input=head.input,
                client=row.client,
                labels=head.labels,
                priority=head.priority,
                timeout=head.timeout,
                key=None if key is None else _key_of_rerun(row, event, key),
                body_hash="" if key is None else _digest(job_id.encode(), mail.body),
                rerun_of=job_id,
                by=event.by,
                reason=event.reason,
            )
        )

    async def _act(self, row: JobRow, mail: Mail, event: CancelRequested | OperatorEvent, *, keyed: bool) -> str:
        """Put the request into the job's mailbox and carry it out; return why it changed nothing, empty when it did."""
        delivered = await repeat(lambda: self._store.deliver(row.job, mail))
        if delivered is Delivered.FULL:
            raise _full()
        handled = await self._executor.handle(row.job, ROOT, MailCause(id=mail.id), event)
        if handled.change is not None or await self._was_done_elsewhere(row, mail):
            return ""
        if keyed and delivered is Delivered.DUPLICATE and await self._was_done_before(row, mail):
            return ""
        return handled.ignored or "it changed at the same moment"

    async def _was_done_elsewhere(self, row: JobRow, mail: Mail) -> bool:
        """Whether a replica that found the mail due was quicker."""
        fresh = await self._clients.row(row.job, None)
        newest = None if fresh is None else fresh.seq
        return _stands_in(await self._histories.entries(row.job, row.seq, ENTRIES_LOOKED_AT_MAX, newest), mail)

    async def _was_done_before(self, row: JobRow, mail: Mail) -> bool:
        """Whether this request was carried out when its key was sent the first time."""
        after = max(0, row.seq - ENTRIES_LOOKED_BACK_MAX)
        return _stands_in(await self._histories.entries(row.job, after, ENTRIES_LOOKED_BACK_MAX, row.seq), mail)

    async def _refused(self, row: JobRow, event: OperatorEvent) -> str:
        """Why the request makes no sense for the job as it is stored; the machine has the last word for what does."""
        if row.status in ENDED:
            return f"the job is {row.status}"
        program = await self._programs.by_digest(row.digest)
        return in_vain(event, Status(row.status), scope_of_row(row), program.machines[""].states)

    async def _check_size(self, row: JobRow, data: Json) -> None:
        """Refuse variables for which the job would fail."""
        size, program = len(dumps(data)), await self._programs.by_digest(row.digest)
        if size > program.limits.data_bytes:
            raise RequestRefused(
                f"the variables take {size} bytes, the blueprint's limit data_bytes is {program.limits.data_bytes}",
                status=422,
                code="request.invalid",
                pointer="/data",
            )


def _is_undoing(row: JobRow) -> bool:
    return isinstance(scope_of_row(row).waiting, OnUnwind | OnUndo)


def _is_finishing(row: JobRow) -> bool:
    return isinstance(scope_of_row(row).waiting, OnFinally)


def _mail_of(kind: str, body: Mapping[str, Json], key: str | None) -> Mail:
    """The request as mail; under a key, the same request of the same person is the same mail."""
    packed = dumps(body)
    name = secrets.token_hex(8) if key is None else _digest(key.encode(), packed)[:MAIL_DIGITS]
    return Mail(id=f"{kind}:{name}", kind=kind, body=packed)


def _key_of_rerun(row: JobRow, event: RerunRequested, key: str) -> str:
    """The key of the new job. One that somebody else sends for a client is none of the client's own keys, which are
    printable.
    """
    return key if event.by == row.client else f"{event.by}\t{key}"


def _digest(name: bytes, body: bytes) -> str:
    return sha256(name + b"\0" + body).hexdigest()


def _stands_in(entries: Iterable[HistoryEntry], mail: Mail) -> bool:
    cause = cause_word(MailCause(id=mail.id), 0)
    return any(entry.cause == cause for entry in entries)


def _full() -> RequestRefused:
    return RequestRefused(
        f"nothing was changed: {OPERATOR_IDS_MAX} requests of operators changed this job already, it takes no more",
        status=429,
        code="job.mailbox_full",
        hint="it can still be cancelled; an ended job can be rerun, as a new one",
    )


def _refusal(row: JobRow, why: str) -> RequestRefused:
    text = why if why.endswith(row.status) else f"{why} (it is {row.status})"
    hint = _ENDED if row.status in ENDED else _POSSIBLE[row.status]
    return RequestRefused(f"nothing was changed: {text}", status=409, code="job.state", hint=hint)
