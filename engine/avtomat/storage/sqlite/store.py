"""Keep jobs in a SQLite file: durable, for one engine process, without any service.

Writing goes through one thread that commits for all who wait (`sqlite_writer`), reading through another that sees what
was committed (`sqlite_reader`); what each operation does is in the module of its noun. History is in the same
transaction, or goes to the outbox with `outbox`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from avtomat.errors import StoreError, StoreNotExecuted
from avtomat.storage.port.answers import (
    Below,
    Committed,
    Created,
    Delivered,
    Due,
    Handout,
    Held,
    HistoryEntry,
    JobRow,
    Loaded,
    Page,
    Query,
    Taken,
    Wakeups,
)
from avtomat.storage.port.clock import StoreClock
from avtomat.storage.port.rules import partition_of_key
from avtomat.storage.port.store import AGEING_MS, EQUAL
from avtomat.storage.port.writes import Cause, DueCause, Mail, MailCause, NewJob, Post, TaskRequest, Writes
from avtomat.storage.sqlite import claims, counters, duties, judge, reads, records, topics
from avtomat.storage.sqlite import commit as commits
from avtomat.storage.sqlite import mail as mails
from avtomat.storage.sqlite import trim as trims
from avtomat.storage.sqlite.dump import dump
from avtomat.storage.sqlite.errors import store_error
from avtomat.storage.sqlite.file import OpenFile, open_file
from avtomat.storage.sqlite.hold import Hold
from avtomat.storage.sqlite.reader import Reader
from avtomat.storage.sqlite.writer import Step, Writer

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

WATCH_EVERY_S: Final = 0.5
"""How often the file is looked at while nothing is written."""


class SqliteStore:
    """A `Store` in a file (see port/store.py for what each operation promises).

    `offset_ms` is added to the clock, unless a `clock` is given. `group_commit_ms` is how long the writer waits for
    company while operations come together; a lone one never waits. With `outbox` history is kept for a database to take
    over, and not by job.
    """

    commits_in_groups = True

    def __init__(
        self,
        path: str | Path,
        *,
        partitions: int = 1,
        offset_ms: Callable[[], int] | None = None,
        clock: StoreClock | None = None,
        group_commit_ms: float = 1.0,
        outbox: bool = False,
        ageing_ms: int = AGEING_MS,
    ) -> None:
        self.partitions = partitions
        self._path = Path(path).resolve()
        self._gather_s = group_commit_ms / 1000
        self._outbox = outbox
        self._ageing_ms = ageing_ms
        self._clock = clock or StoreClock(offset_ms=offset_ms)
        self.now_ms = self._clock.now_ms  # asked so often that a call more would be felt
        self.wall_ms = self._clock.wall_ms
        self._broken: Callable[[StoreError], None] | None = None
        self._opened: OpenFile | None = None
        self._watching: asyncio.Task[None] | None = None
        self._writer: Writer | None = None
        self._reader: Reader | None = None

    async def open(self, wakeups: Wakeups) -> None:
        """Take the file, prepare the format, start both threads; `StoreError` when another engine has it."""
        opened = await asyncio.to_thread(open_file, self._path, self.partitions)
        try:
            self._writer = Writer(
                opened,
                clock=self._clock,
                wakeups=wakeups,
                failed=self._fail,
                gather_s=self._gather_s,
                outbox=self._outbox,
                ageing_ms=self._ageing_ms,
            )
        except sqlite3.Error as error:
            opened.close()
            raise store_error(error, str(self._path)) from error
        self._reader = Reader(opened, self._fail)
        self._opened, self._broken = opened, wakeups.broken
        self._watching = asyncio.create_task(self._watch(self._writer, opened.hold))

    async def close(self) -> None:
        """Finish what was asked for, and let the file go."""
        reader, writer, opened, watching = self._reader, self._writer, self._opened, self._watching
        self._reader = self._writer = self._opened = self._watching = self._broken = None
        if watching is not None:
            watching.cancel()
        if reader is not None:
            await reader.close()
        if writer is not None:
            await writer.close()
        if opened is not None:
            opened.let_go()

    def trouble(self) -> StoreError | None:
        """What the writer met last, until it works again."""
        return None if self._writer is None else self._writer.trouble

    def gauges(self) -> Mapping[str, float]:
        """The size of the log, and the clock."""
        log_bytes = 0 if self._writer is None else self._writer.log.bytes_now()
        return {"log_bytes": log_bytes, **self._clock.gauges()}

    async def ping(self) -> None:
        """Write something."""
        await self._write(records.touch)

    async def put_programs(self, programs: Mapping[str, str]) -> None:
        """Keep canonical forms."""
        await self._write(records.put_programs, programs, self.partitions)

    async def program(self, digest: str) -> str | None:
        """The canonical form."""
        return await self._read(records.program, digest)

    async def current(self, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The records of what is current."""
        return await self._read(records.current, seen)

    async def put_current(self, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace some of them."""
        return await self._write(records.put_current, changes, was)

    async def agreed(self, topic: str, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The records of a topic."""
        return await self._read(topics.agreed, topic, seen)

    async def agree(self, topic: str, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace some of them."""
        return await self._write(topics.agree, topic, changes, was)

    # jobs

    async def create(self, new: NewJob) -> Created:
        """Write a job."""
        return await self._write(commits.create, new)

    async def load(self, job: str, path: str = "/", *, task_id: str | None = None) -> Loaded | None:
        """A scope, by its path or by an attempt."""
        return await self._read(reads.load, self.now_ms(), job, path, task_id)

    async def values(self, job: str, ids: Sequence[str]) -> list[bytes | None]:
        """Large values by id."""
        return await self._read(reads.values, job, ids)

    async def outputs(self, job: str, path: str, fork: int, start: int, count: int) -> list[bytes | None]:
        """Outputs of a fork's scopes, in index order."""
        return await self._read(reads.outputs, job, path, fork, start, count)

    async def below(self, job: str, path: str, fork: int, limit: int) -> Below | None:
        """How far a fork is."""
        return await self._read(reads.below, job, path, fork, limit)

    async def held(self, job: str, limit: int) -> list[Held]:
        """Dead attempts whose leases are live."""
        return await self._read(reads.held, job, limit)

    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        """Write a decision, if its cause still counts."""
        return await self._write(judge.commit, job, path, version, cause, writes, wanted)

    async def quarantine(self, job: str, path: str, cause: Cause | None, reason: bytes, record: bytes) -> bool:
        """Park an open job without a decision."""
        return await self._write(judge.quarantine, job, path, cause, reason, record)

    async def dismiss(self, job: str, path: str, cause: MailCause | DueCause) -> None:
        """Answer what changes nothing."""
        await self._write(judge.dismiss, job, path, cause)

    async def deliver(self, job: str, mail: Mail) -> Delivered:
        """Take mail from outside."""
        return await self._write(mails.deliver, job, mail)

    async def history(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        """Entries after a number, oldest first."""
        return await self._read(reads.history, job, after, limit)

    async def show(self, job: str) -> JobRow | None:
        """The whole row."""
        return await self._read(reads.show, job)

    async def key(self, client: str, key: str) -> JobRow | None:
        """The job of an idempotency key."""
        return await self._read(reads.key, client, key)

    async def list_jobs(self, query: Query) -> Page:
        """One page, newest first."""
        return await self._read(reads.list_jobs, query)

    async def counts(self) -> Mapping[str, int]:
        """Numbers for metrics."""
        found = await self._read(records.counts)
        return self._open_writer().counts.numbers() | found

    # work

    async def poll(
        self,
        partition: int,
        worker: str,
        queues: Sequence[str],
        *,
        nonce: str,
        max_tasks: int,
        lease_ms: int,
        strides: Mapping[str, int] = EQUAL,
        reserved: bool = False,
    ) -> list[Handout]:
        """Give attempts to a worker."""
        return await self._write(
            claims.poll, partition, worker, queues, nonce, max_tasks, lease_ms, strides, reserved=reserved
        )

    async def queues(self, partition: int) -> Mapping[str, bytes]:
        """Queues with tasks and requirements."""
        return await self._read(records.requirements, partition, self._open_writer().counts.queues(partition))

    async def heartbeat(self, worker: str, task_ids: Sequence[str], *, lease_ms: int) -> list[str]:
        """Extend leases; the ids of dead attempts."""
        return await self._write(claims.heartbeat, worker, task_ids, lease_ms)

    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked."""
        await self._write(claims.release, worker, task_ids)

    async def progress(self, worker: str, task_id: str, note: bytes) -> bool:
        """Keep a worker's note."""
        return await self._write(claims.progress, worker, task_id, note)

    # workers' records

    async def put_worker(self, worker: str, record: bytes, ttl_ms: int) -> None:
        """Keep a registration."""
        await self._write(records.put_worker, worker, record, ttl_ms)

    async def touch_worker(self, worker: str, ttl_ms: int, usage: bytes | None = None) -> bytes | None:
        """Renew a registration."""
        return await self._write(records.touch_worker, worker, ttl_ms, usage)

    async def workers(self) -> Mapping[str, bytes]:
        """All live registrations."""
        return await self._read(records.workers, self.now_ms())

    # counters

    async def take(self, client: str, period: str, amount: int, *, most: int, until_ms: int) -> Taken:
        """Take from a counter."""
        partition = partition_of_key(client, period, self.partitions)
        return await self._write(counters.take, client, period, partition, amount, most, until_ms)

    async def give_back(self, client: str, period: str, amount: int) -> None:
        """Give back what was not used."""
        await self._write(counters.give_back, client, period, amount)

    # duties

    async def due(self, partition: int, limit: int, *, rearm_ms: int) -> list[Due]:
        """Give out due members."""
        return await self._write(duties.due, partition, limit, rearm_ms)

    async def next_due_ms(self, partition: int) -> int | None:
        """When the earliest member is due."""
        return await self._read(records.next_due_ms, partition)

    async def sweep(self, partition: int, limit: int) -> int:
        """Clear what closings left, and forget what has lapsed."""
        return await self._write(duties.sweep, partition, limit)

    async def trim(self, partition: int, limit: int) -> int:
        """Remove ended jobs past their retention."""
        return await self._write(trims.trim, partition, limit)

    # post and outbox

    async def post(self, partition: int, limit: int) -> list[Post]:
        """Mail for other partitions."""
        return await self._read(records.post, partition, limit)

    async def posted(self, partition: int, mail_ids: Sequence[str]) -> None:
        """Forget post that was delivered."""
        await self._write(records.posted, partition, mail_ids)

    async def outbox(self, partition: int, limit: int) -> list[tuple[str, HistoryEntry]]:
        """Entries for a history database, with their positions."""
        return await self._read(records.outbox, partition, limit)

    async def outbox_trim(self, partition: int, position: str) -> None:
        """Forget the outbox up to a position."""
        await self._write(records.outbox_trim, partition, position)

    async def dump(self) -> Mapping[str, object]:
        """The whole state."""
        return await self._read(dump, self.partitions, self.now_ms())

    # within

    async def _watch(self, writer: Writer, hold: Hold) -> None:
        """See that the file is there also while nothing is written; and find out when what was in the way is gone."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            gone = hold.trouble()
            if gone is not None:
                writer.trouble = gone
                writer.fail(gone)
                return
            if writer.trouble is not None:
                with contextlib.suppress(StoreError):
                    await self.ping()

    def _fail(self, failure: StoreError) -> None:
        """Neither thread works any more, and whoever opened the store hears of it."""
        told, self._broken = self._broken, None
        if self._writer is not None and self._reader is not None:
            self._writer.trouble = failure
            self._writer.fail(failure)
            self._reader.fail(failure)
        if told is not None:
            told(failure)

    async def _write(
        self,
        operation: Callable[Concatenate[Step, Arguments], Answer],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Answer:
        return await self._open_writer().submit(operation, *arguments, **named)

    async def _read(
        self,
        read: Callable[Concatenate[sqlite3.Connection, Arguments], Answer],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Answer:
        if self._reader is None:
            raise self._not_open()
        return await self._reader.submit(read, *arguments, **named)

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise self._not_open()
        return self._writer

    def _not_open(self) -> StoreNotExecuted:
        return StoreNotExecuted(f"{self._path} is not open", hint="the engine is starting or stopping")
