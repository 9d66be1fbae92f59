"""Do what clients ask: submit jobs, read them, wait for them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from avtomat.core.formula import Json
from avtomat.core.model import ENDED, Head, Ref, Status
from avtomat.core.program import Program
from avtomat.core.timestamp import format_time, from_ms
from avtomat.core.value import value
from avtomat.errors import RequestRefused, StoreNotExecuted
from avtomat.runtime.access.limits import Limits
from avtomat.runtime.blueprints.programs import Programs
from avtomat.runtime.byte_budget import ByteBudget, Claim
from avtomat.runtime.jobs.admission import Admission, not_now
from avtomat.runtime.jobs.executor import Executor
from avtomat.runtime.jobs.histories import Histories
from avtomat.runtime.jobs.jobview import error_code_of, job_of_row, refs_of, scope_of_row, status_word
from avtomat.runtime.jobs.scopes import Scopes
from avtomat.runtime.jobs.submission import Submission, begin, input_of, new_job_id
from avtomat.runtime.jobs.waiters import Ticket, Waiters
from avtomat.runtime.repeating import repeat
from avtomat.storage.port.answers import Created, HistoryEntry, JobRow, OpenTask, Query
from avtomat.storage.port.codec import head_from_json, loads
from avtomat.storage.port.rules import is_cursor, is_job_id
from avtomat.storage.port.store import Store

LOOK_AGAIN_S = 5.0
"""A waiting client's job is looked at this often even when no news come."""

LOOK_AGAIN_DEAF_S = 1.0
"""And this often while the store's messages do not come."""

FILLED_BYTES_MAX = 64 * 1024 * 1024
"""What one input may take with its defaults: claimed until it is known what it takes."""

FILLED_AT_ONCE_BYTES_MAX = 256 * 1024 * 1024
"""What inputs with their defaults may take that are not stored yet: a small body may lack many properties."""

FILLING_WAIT_S = 5.0

WAITING_WORDS = frozenset(
    {
        "pending",
        "running",
        "waiting_for_worker",
        "waiting_for_timer",
        "waiting_for_human",
        "waiting_for_signal",
        "waiting_for_parallel",
        "waiting_for_child",
    }
)
STATUS_WORDS = frozenset(Status) - {Status.OPEN} | WAITING_WORDS


@value
class Accepted:
    """What a client is told of its job. `fresh` False: the key named this job before. `ended` is the whole job if it
    ended.
    """

    job_id: str
    fresh: bool
    status: str
    blueprint: str
    version: str
    ended: Mapping[str, Json] | None = None


class ClientOperations:
    """The operations behind the clients' door. `client` None reads as an admin: every client's jobs."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        scopes: Scopes,
        programs: Programs,
        waiters: Waiters,
        histories: Histories,
        admission: Admission,
        limits: Limits,
        *,
        config: Mapping[str, Json],
        retention: timedelta,
    ) -> None:
        self._store = store
        self._executor = executor
        self._scopes = scopes
        self._programs = programs
        self._waiters = waiters
        self._histories = histories
        self._admission = admission
        self._limits = limits
        self._config = config
        self._retention = retention
        self._filling = ByteBudget(FILLED_AT_ONCE_BYTES_MAX, wait_s=FILLING_WAIT_S)

    # --- submitting --------------------------------------------------------------------------------------------------

    def submit(
        self, asked: Submission, wait_s: float = 0, let_go: Callable[[], None] = lambda: None
    ) -> Coroutine[Any, Any, Accepted]:
        """Create the job, or find the one that its key named before; wait up to `wait_s` for its end. While it waits,
        nothing here holds the input any more, of which `let_go` tells.

        Raises RequestRefused: 404 blueprint.not_found, 409 idempotency.mismatch, 422 input.invalid, 429 quota.exceeded,
        and 503 jobs.too_many or store.history_behind while no new jobs are taken.
        """
        program = self._programs.current.get(asked.blueprint)
        fills = program is not None and program.defaults is not None
        return self._submit_to_fill(asked, wait_s, let_go) if fills else self._submit(asked, wait_s, let_go)

    async def _submit_to_fill(self, asked: Submission, wait_s: float, let_go: Callable[[], None]) -> Accepted:
        """The same for an input to which defaults may be added: room for them is claimed first."""
        filling = await self._filling.claim(FILLED_BYTES_MAX)
        try:
            submitting = self._submit(asked, wait_s, let_go, filling)
            del asked
            return await submitting
        finally:
            filling.release()

    async def _submit(
        self, asked: Submission, wait_s: float, let_go: Callable[[], None], filling: Claim | None = None
    ) -> Accepted:
        client, key, body_hash, counted = asked.client, asked.key, asked.body_hash, None
        try:
            program, given = self._accept(asked)
            if self._limits.counts_jobs_of(client):
                counted = await self._limits.spend_job(client)
        except RequestRefused as refused:
            if wait_s > 0:
                del asked
                refused = refused.with_traceback(None)  # whose frames hold the input as well
                let_go()
            if filling is not None:
                filling.release()
            return await self._answer_key(client, key, body_hash, refused, wait_s)
        job = new_job_id(asked, self._store.partitions)
        with self._waiters.ticket(job) as ticket:
            try:
                created = await self._create(job, program, asked, given, filling)
            except (RequestRefused, StoreNotExecuted):
                self._limits.put_back(client, counted)
                raise
            if filling is not None:
                filling.release()
            if wait_s > 0:
                del asked, given
                let_go()
            if not created.fresh:
                self._limits.put_back(client, counted)
                return await self._answer_key(client, key, body_hash, None, wait_s)
            ended = ticket.ended
            if ended is None and wait_s > 0:
                ended = await self._ended(job, ticket, wait_s)
        return Accepted(
            job_id=job,
            fresh=True,
            status="pending" if ended is None else ended["status"],
            blueprint=program.name,
            version=program.digest,
            ended=ended,
        )

    def _create(
        self, job: str, program: Program, asked: Submission, given: Json, filling: Claim | None
    ) -> Awaitable[Created]:
        now = self._executor.now()
        beginning = begin(job, program, asked, given, now, config=self._config, retention=self._retention)
        if filling is not None:
            filling.shrink(beginning.kept.head_size)
        return self._executor.create(beginning)

    def _accept(self, asked: Submission) -> tuple[Program, Json]:
        """The program to run and the input with its defaults, unless that cannot become a job, or not now."""
        program = self._programs.current.get(asked.blueprint)
        if program is None:
            raise self._not_found(asked.blueprint)
        given = input_of(program, asked)
        refused = self._admission.refusal()
        if refused is not None:
            raise refused
        return program, given

    def _not_found(self, name: str) -> RequestRefused:
        if name in self._programs.missing:
            return not_now(f"this replica cannot have the current version of {name!r} now", "blueprint.unavailable")
        if name in self._programs.never_good:
            hint = "fix its file; `avtomat blueprints list` says what is wrong with it"
            return not_now(f"no version of the blueprint {name!r} was good yet", "blueprint.no_good_version", hint)
        return RequestRefused(f"there is no blueprint {name!r}", status=404, code="blueprint.not_found")

    async def _answer_key(
        self, client: str, key: str | None, body_hash: str, refused: RequestRefused | None, wait_s: float
    ) -> Accepted:
        """Answer with the job that the key named before, or with the refusal where there is none."""
        row = None if key is None else await repeat(lambda: self._store.key(client, key))
        if row is None:
            raise refused or RequestRefused("the job was removed meanwhile", status=409, code="job.gone")
        if row.body_hash != body_hash:
            raise RequestRefused(
                f"the idempotency key was used for job {row.job} with another body",
                status=409,
                code="idempotency.mismatch",
                hint="use a new key for a new request",
            )
        shown = await self.job(row.job, None, wait_s)
        if shown is None:
            raise RequestRefused("the job was removed meanwhile", status=409, code="job.gone")
        ended = shown if shown["status"] in ENDED else None
        return Accepted(
            job_id=row.job,
            fresh=False,
            status=shown["status"],
            blueprint=row.blueprint,
            version=row.digest,
            ended=ended,
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    async def job(self, job_id: str, client: str | None, wait_s: float = 0) -> Mapping[str, Json] | None:
        """The whole job; None when there is none that this client may see. Waits up to `wait_s` for its end.

        It waits for news before it looks, so that none comes unheard in between.
        """
        with self._waiters.ticket(job_id) as ticket:
            row = await self.row(job_id, client)
            if row is not None and row.status not in ENDED and wait_s > 0:
                ended = await self._ended(job_id, ticket, wait_s)
                if ended is not None:
                    return ended
                row = await self.row(job_id, client)
        return None if row is None else await self._whole(row)

    async def jobs(self, query: Query, word: str | None = None) -> tuple[list[dict[str, Json]], str | None]:
        """A page of jobs without their values, newest first. A waiting word filters the open ones of the page. Raises
        RequestRefused: 422 request.parameter for what is no cursor.
        """
        if query.cursor is not None and not is_cursor(query.cursor):
            text = f"{query.cursor[:80]!r} is not a cursor of this engine"
            raise RequestRefused(text, status=422, code="request.parameter", hint="send next_cursor of the page before")
        stored = Status.OPEN.value if word in WAITING_WORDS else word
        page = await repeat(lambda: self._store.list_jobs(replace(query, status=stored)))
        rows = [_summary(row) for row in page.rows]
        return [row for row in rows if word not in WAITING_WORDS or row["status"] == word], page.cursor

    async def history(self, job_id: str, client: str | None, after: int, limit: int) -> list[dict[str, Json]] | None:
        """Entries of the job's history after number `after`, oldest first; of a job that the store has removed, while
        the history database has it.
        """
        row = await self.row(job_id, None)
        owner = await self._histories.client(job_id) if row is None else row.client
        if owner is None or client not in (None, owner):
            return None
        entries = await self._histories.entries(job_id, after, limit, None if row is None else row.seq)
        return [_entry(entry) for entry in entries]

    async def tasks(self, job_id: str, client: str | None) -> list[dict[str, Json]] | None:
        """The job's open tasks: who works on what, since when, how far."""
        row = await self.row(job_id, client)
        return None if row is None else [_task(task) for task in row.tasks]

    def blueprints(self) -> list[dict[str, Json]]:
        """The current blueprints, by name."""
        return [_blueprint(program) for _, program in sorted(self._programs.current.items())]

    def blueprint(self, name: str) -> dict[str, Json] | None:
        """One blueprint with its states and its schema of inputs."""
        program = self._programs.current.get(name)
        if program is None:
            return None
        return {**_blueprint(program), "input": program.input_schema, "definition": loads(program.canonical)}

    # --- the job as it stands ----------------------------------------------------------------------------------------

    async def row(self, job_id: str, client: str | None) -> JobRow | None:
        """The job as the store keeps it, with the open tasks of all its scopes."""
        if not is_job_id(job_id, self._store.partitions):
            return None
        row = await repeat(lambda: self._store.show(job_id))
        return None if row is None or client not in (None, row.client) else row

    async def _whole(self, row: JobRow) -> dict[str, Json]:
        """Values take many times as much as their texts: the texts are read first, and once there are values, nothing
        is waited for, so that there are those of one job at a time, however many ask.
        """
        refs = refs_of(scope_of_row(row))
        texts = {name: await self._scopes.text(row.job, ref) for name, ref in refs.items()}
        head = await self.head_of(row)
        values = {name: loads(text) for name, text in texts.items()}
        return job_of_row(row, head, {**scope_of_row(row).outputs, **values})

    async def head_of(self, row: JobRow) -> Head:
        """What holds for the whole job, its input included."""
        head = _head_of(row)
        if isinstance(head.input, Ref):
            text = await self._scopes.text(row.job, head.input)
            return replace(head, input=loads(text))
        return head

    async def _ended(self, job: str, ticket: Ticket, wait_s: float) -> Mapping[str, Json] | None:
        """The whole job once it has ended; None when it has not in `wait_s`. News may be lost: the store has the
        word.
        """
        until = time.monotonic() + wait_s
        while ticket.ended is None and not self._waiters.closed and (left := until - time.monotonic()) > 0:
            await ticket.news(min(left, LOOK_AGAIN_DEAF_S if self._waiters.is_deaf else LOOK_AGAIN_S))
            if ticket.ended is None:
                row = await self.row(job, None)
                if row is None or row.status in ENDED:
                    return None if row is None else await self._whole(row)
        return ticket.ended


def _head_of(row: JobRow) -> Head:
    return head_from_json(
        loads(row.head),
        job=row.job,
        blueprint=row.blueprint,
        digest=row.digest,
        status=row.status,
        deadline_ms=row.deadline_ms,
    )


def _summary(row: JobRow) -> dict[str, Json]:
    scope = scope_of_row(row)
    fixed = loads(row.head)
    return {
        "id": row.job,
        "blueprint": row.blueprint,
        "version": row.digest,
        "status": status_word(row.status, scope.waiting, row.tasks),
        "state": row.state or None,
        "error_code": error_code_of(row),
        "created_at": format_time(from_ms(row.created_ms)),
        "updated_at": format_time(from_ms(row.updated_ms)),
        "finished_at": None if row.finished_ms is None else format_time(from_ms(row.finished_ms)),
        "labels": fixed.get("labels", {}),
        "priority": fixed.get("priority", 5),
    }


def _entry(entry: HistoryEntry) -> dict[str, Json]:
    return {
        "seq": entry.seq,
        "at": format_time(from_ms(entry.at_ms)),
        "scope": entry.path,
        "cause": entry.cause,
        **loads(entry.record),
    }


def _task(task: OpenTask) -> dict[str, Json]:
    return {
        "task_id": task.task_id,
        "scope": task.path,
        "kind": task.queue.partition("#")[0],
        "attempt": task.attempt,
        "phase": task.phase,
        "worker": task.worker,
        "since": format_time(from_ms(task.since_ms)),
        "lease_until": None if task.lease_until_ms is None else format_time(from_ms(task.lease_until_ms)),
        "due": None if task.due_ms is None else format_time(from_ms(task.due_ms)),
        "progress": None if task.progress is None else loads(task.progress),
    }


def _blueprint(program: Program) -> dict[str, Json]:
    return {
        "name": program.name,
        "version": program.digest,
        "label": program.version,
        "title": program.title,
        "description": program.description,
        "owner": program.owner,
    }
