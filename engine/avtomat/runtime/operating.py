"""Do what operators ask of jobs: cancel them, hold them, let them go on, try again, skip, run them anew.

Every wish is mail to the job, so that one whose carrying out breaks off is carried out when it is due; what makes no
sense by then changes nothing. Each is an entry of the job's history that says by whom it was, and why.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from avtomat.core.formula import Json
from avtomat.core.messages import CancelRequested, OperatorEvent, ReleaseRequested, RerunRequested
from avtomat.core.model import ENDED, ROOT
from avtomat.errors import RequestRefused
from avtomat.runtime.clients import Accepted, ClientDoor
from avtomat.runtime.executor import Executor
from avtomat.runtime.histories import Histories
from avtomat.runtime.operators import operator_as_json
from avtomat.runtime.programs import Programs
from avtomat.runtime.repeating import repeat
from avtomat.runtime.submission import Submission
from avtomat.storage.answers import Delivered, JobRow
from avtomat.storage.codec import dumps
from avtomat.storage.ports import Store
from avtomat.storage.rules import cause_word
from avtomat.storage.writes import Mail, MailCause

ENTRIES_LOOKED_AT_MAX: Final = 100
_POSSIBLE: Final = {
    "open": "it can be paused, cancelled, rerun from a state, or its state skipped",
    "paused": "it can be resumed, cancelled, rerun from a state, or its state skipped",
    "quarantined": "it can be retried, released, skipped, rerun from a state, or cancelled",
    "compensating": "it can be paused, or cancelled without compensation",
}
_FULL: Final = "its mailbox is full: too many wishes and signals were sent to it"
_ENDED: Final = "an ended job can be rerun, as a new one"


class Operators:
    """What may be done to jobs that are there. `client` None reads as an admin; `by` is who asks, for history.

    Each operation returns the job as it is afterwards, None when there is none that this client may see.
    """

    def __init__(
        self, store: Store, executor: Executor, clients: ClientDoor, programs: Programs, histories: Histories
    ) -> None:
        self._store = store
        self._executor = executor
        self._clients = clients
        self._programs = programs
        self._histories = histories

    async def cancel(
        self, job_id: str, client: str | None, by: str, reason: str = "", *, compensate: bool = True
    ) -> Mapping[str, Json] | None:
        """End the job as cancelled, after undoing what it did unless told otherwise; an ended one stays as it is.
        Raises RequestRefused 409 job.state when the wish cannot be delivered.
        """
        row = await self._clients.row(job_id, client)
        if row is not None and row.status not in ENDED:
            in_vain = await self._act(row, "cancel", CancelRequested(by=by, reason=reason, compensate=compensate))
            if in_vain == _FULL:
                raise _refusal(row, in_vain)
        return await self._clients.job(job_id, client)

    async def operate(self, job_id: str, client: str | None, event: OperatorEvent) -> Mapping[str, Json] | None:
        """Do an operator's wish to an open job. Raises RequestRefused 409 job.state when it makes no sense now."""
        row = await self._clients.row(job_id, client)
        if row is None:
            return None
        if row.status in ENDED:
            raise _refusal(row, f"the job is {row.status}")
        if isinstance(event, RerunRequested | ReleaseRequested):
            await self._check_size(row, event.data)
        in_vain = await self._act(row, "operate", event)
        if in_vain:
            raise _refusal(await self._clients.row(job_id, client) or row, in_vain)
        return await self._clients.job(job_id, client)

    async def rerun(
        self, job_id: str, client: str | None, event: RerunRequested
    ) -> Accepted | Mapping[str, Json] | None:
        """Enter a state of an open job anew; of an ended job, run its input again, as a new job of the blueprint's
        current version.
        """
        row = await self._clients.row(job_id, client)
        if row is None or row.status not in ENDED:
            return await self.operate(job_id, client, event)
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
                rerun_of=job_id,
                by=event.by,
                reason=event.reason,
            )
        )

    async def _act(self, row: JobRow, kind: str, event: CancelRequested | OperatorEvent) -> str:
        """Put the wish into the job's mailbox and carry it out; return why it changed nothing, empty when it did."""
        body = asdict(event) if isinstance(event, CancelRequested) else operator_as_json(event)
        mail = Mail(id=f"{kind}:{secrets.token_hex(8)}", kind=kind, body=dumps(body))
        if await repeat(lambda: self._store.deliver(row.job, mail)) is Delivered.FULL:
            return _FULL
        handled = await self._executor.handle(row.job, ROOT, MailCause(id=mail.id), event)
        if handled.change is not None or await self._was_done_elsewhere(row, mail):
            return ""
        return handled.ignored or "it changed at the same moment"

    async def _was_done_elsewhere(self, row: JobRow, mail: Mail) -> bool:
        """Whether a replica that found the mail due was quicker."""
        fresh = await self._clients.row(row.job, None)
        newest = None if fresh is None else fresh.seq
        entries = await self._histories.entries(row.job, row.seq, ENTRIES_LOOKED_AT_MAX, newest)
        return any(entry.cause == cause_word(MailCause(id=mail.id), 0) for entry in entries)

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


def _refusal(row: JobRow, why: str) -> RequestRefused:
    text = why if why.endswith(row.status) else f"{why} (it is {row.status})"
    hint = _ENDED if row.status in ENDED else _POSSIBLE[row.status]
    return RequestRefused(f"nothing was changed: {text}", status=409, code="job.state", hint=hint)
