"""Keep jobs in this process: the reference implementation, with which every other store is compared.

Each operation is one step, before and after which others have their turn, as with every store: so what goes wrong
between two steps goes wrong here as well. Nothing outlives the object. Where a real store is careful about cost, this
one works things out from scratch; read commit.py first, then state.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from avtomat.errors import StoreError
from avtomat.storage.memory import attempts as memory_attempts
from avtomat.storage.memory import commit as memory_commit
from avtomat.storage.memory import counters as memory_counters
from avtomat.storage.memory import duties as memory_duties
from avtomat.storage.memory import mail as memory_mail
from avtomat.storage.memory import reads as memory_reads
from avtomat.storage.memory.dump import dump
from avtomat.storage.memory.registers import Current, Registrations
from avtomat.storage.memory.state import Job, Partition, Program
from avtomat.storage.memory.steps import one_turn, step
from avtomat.storage.memory.topics import Topics
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
    Outcome,
    Page,
    Query,
    Taken,
    Wakeups,
)
from avtomat.storage.port.clock import StoreClock
from avtomat.storage.port.rules import partition_of, partition_of_key
from avtomat.storage.port.store import AGEING_MS, EQUAL
from avtomat.storage.port.writes import Cause, DueCause, Mail, MailCause, NewJob, Post, TaskRequest, Writes
from avtomat.storage.proof.dump import Dump

Answer = TypeVar("Answer")


class MemoryStore:
    """A `Store` (see port/store.py for what each operation promises).

    `clock` gives milliseconds instead of the system; `offset_ms` is added to it. With `history_outbox` history goes to
    the outbox alone, as when a database keeps it. `turns` tells, before and after each operation, how many turns of the
    loop others have.
    """

    commits_in_groups = False

    def __init__(
        self,
        partitions: int = 1,
        *,
        clock: Callable[[], int] | None = None,
        offset_ms: Callable[[], int] | None = None,
        history_outbox: bool = False,
        ageing_ms: int = AGEING_MS,
        turns: Callable[[], int] = one_turn,
    ) -> None:
        self.partitions = partitions
        self.turns = turns
        self._clock = StoreClock()
        self._own_ms = clock or self._clock.now_ms
        self._wall_ms = clock or self._clock.wall_ms
        self._offset_ms = offset_ms or (lambda: 0)
        self._now_ms = 0
        self._parts = [
            Partition(number=number, keeps_history=not history_outbox, ageing_ms=ageing_ms)
            for number in range(partitions)
        ]
        self._registrations = Registrations()
        self._current = Current()
        self._agreed = Topics()
        self._wakeups: list[Wakeups] = []

    async def open(self, wakeups: Wakeups) -> None:
        """Begin to call `wakeups`."""
        self._wakeups.append(wakeups)

    async def close(self) -> None:
        """Call nobody any more; what is kept stays with the object."""
        self._wakeups.clear()

    def now_ms(self) -> int:
        """The clock with its offset, never backwards."""
        self._now_ms = max(self._now_ms, self._own_ms() + self._offset_ms())
        return self._now_ms

    def wall_ms(self) -> int:
        """The system's time, or what tests give in its place."""
        return self._wall_ms() + self._offset_ms()

    def trouble(self) -> StoreError | None:
        """Nothing is ever known to be wrong."""
        return None

    def gauges(self) -> Mapping[str, float]:
        """The clock's."""
        return self._clock.gauges()

    @step
    async def ping(self) -> None:
        """Nothing can be out of reach."""
        self.now_ms()

    @step
    async def put_programs(self, programs: Mapping[str, str]) -> None:
        """Keep canonical forms."""
        for part in self._parts:
            for digest, text in programs.items():
                part.programs[digest] = Program(text=text, asked_ms=self.now_ms())

    @step
    async def program(self, digest: str) -> str | None:
        """The canonical form."""
        found = (part.programs[digest].text for part in self._parts if digest in part.programs)
        return next(found, None)

    @step
    async def current(self, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The records of what is current."""
        return self._current.after(seen)

    @step
    async def put_current(self, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace some of them."""
        return self._current.put(changes, was)

    @step
    async def agreed(self, topic: str, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The records of a topic."""
        return self._agreed.after(topic, seen)

    @step
    async def agree(self, topic: str, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace some of them."""
        return self._agreed.change(topic, changes, was)

    # jobs

    @step
    async def create(self, new: NewJob) -> Created:
        """Write a job."""
        part = self._part(new.job)
        return self._told(part, memory_commit.create(part, new, self.now_ms()))

    @step
    async def load(self, job: str, path: str = "/", *, task_id: str | None = None) -> Loaded | None:
        """A scope, by its path or by an attempt."""
        known = self._job(job)
        return None if known is None else memory_reads.load(known, path, task_id, self.now_ms())

    @step
    async def values(self, job: str, ids: Sequence[str]) -> list[bytes | None]:
        """Large values by id."""
        known = self._job(job)
        return [None if known is None else known.values.get(name) for name in ids]

    @step
    async def outputs(self, job: str, path: str, fork: int, start: int, count: int) -> list[bytes | None]:
        """Outputs of a fork's scopes, in index order."""
        known, wanted = self._job(job), range(start, start + count)
        return [None] * count if known is None else memory_reads.outputs(known, path, fork, wanted)

    @step
    async def below(self, job: str, path: str, fork: int, limit: int) -> Below | None:
        """How far a fork is."""
        known = self._job(job)
        return None if known is None else memory_reads.below(known, path, fork, limit)

    @step
    async def held(self, job: str, limit: int) -> list[Held]:
        """Dead attempts whose leases are live."""
        known = self._job(job)
        return [] if known is None else memory_reads.held(known, limit)

    @step
    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        """Write a decision, if its cause still counts."""
        part, known, now_ms = self._part(job), self._job(job), self.now_ms()
        answer = Committed(outcome=Outcome.UNKNOWN)
        if known is not None:
            answer = memory_commit.commit(part, known, path, version, cause, writes, now_ms)
        if wanted is not None and answer.outcome is not Outcome.MOVED:
            answer = replace(answer, handouts=memory_attempts.grant(part, wanted, now_ms))
        return self._told(part, answer)

    @step
    async def quarantine(self, job: str, path: str, cause: Cause | None, reason: bytes, record: bytes) -> bool:
        """Park an open job without a decision."""
        part = self._part(job)
        known = part.open.get(job)
        if known is None:
            return False
        memory_commit.quarantine(part, known, path, cause, reason, record, self.now_ms())
        return self._told(part, True)

    @step
    async def dismiss(self, job: str, path: str, cause: MailCause | DueCause) -> None:
        """Answer what changes nothing."""
        known = self._job(job)
        if known is not None:
            memory_commit.dismiss(known, path, cause, self.now_ms())

    @step
    async def deliver(self, job: str, mail: Mail) -> Delivered:
        """Take mail from outside."""
        part, known = self._part(job), self._job(job)
        return Delivered.UNKNOWN if known is None else memory_mail.deliver(part, known, mail, self.now_ms())

    @step
    async def history(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        """Entries after a number, oldest first."""
        known = self._job(job)
        return [] if known is None else known.history[max(0, after) :][:limit]

    @step
    async def show(self, job: str) -> JobRow | None:
        """The whole row."""
        known = self._job(job)
        return None if known is None else memory_reads.full_row(known)

    @step
    async def key(self, client: str, key: str) -> JobRow | None:
        """The job of an idempotency key."""
        for part in self._parts:
            if (client, key) in part.keys:
                return memory_reads.short_row(part.jobs[part.keys[client, key]])
        return None

    @step
    async def list_jobs(self, query: Query) -> Page:
        """One page, newest first."""
        return memory_reads.page(self._parts, query)

    @step
    async def counts(self) -> Mapping[str, int]:
        """Numbers for metrics."""
        return memory_reads.counts(self._parts)

    # work

    @step
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
        part = self._parts[partition]
        now_ms = self.now_ms()
        taken = memory_attempts.poll(
            part, worker, queues, nonce, max_tasks, lease_ms, strides, now_ms, reserved=reserved
        )
        return self._told(part, taken)

    @step
    async def queues(self, partition: int) -> Mapping[str, bytes]:
        """Queues with tasks and requirements."""
        part = self._parts[partition]
        return {queue: part.requirements[queue] for queue in part.queues if queue in part.requirements}

    @step
    async def heartbeat(self, worker: str, task_ids: Sequence[str], *, lease_ms: int) -> list[str]:
        """Extend leases; the ids of dead attempts."""
        now_ms = self.now_ms()
        return [one for one in task_ids if memory_attempts.heartbeat(self._part(one), worker, one, lease_ms, now_ms)]

    @step
    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked."""
        for task_id in task_ids:
            part = self._part(task_id)
            memory_attempts.release(part, worker, task_id, self.now_ms())
            self._told(part, None)

    @step
    async def progress(self, worker: str, task_id: str, note: bytes) -> bool:
        """Keep a worker's note."""
        return memory_attempts.note_progress(self._part(task_id), worker, task_id, note, self.now_ms())

    # workers' records

    @step
    async def put_worker(self, worker: str, record: bytes, ttl_ms: int) -> None:
        """Keep a registration."""
        self._registrations.put(worker, record, self.now_ms() + ttl_ms)

    @step
    async def touch_worker(self, worker: str, ttl_ms: int, usage: bytes | None = None) -> bytes | None:
        """Renew a registration."""
        return self._registrations.touch(worker, ttl_ms, usage, self.now_ms())

    @step
    async def workers(self) -> Mapping[str, bytes]:
        """All live registrations."""
        return {worker: known.record for worker, known in self._registrations.live(self.now_ms()).items()}

    # counters

    @step
    async def take(self, client: str, period: str, amount: int, *, most: int, until_ms: int) -> Taken:
        """Take from a counter."""
        part = self._parts[partition_of_key(client, period, self.partitions)]
        return memory_counters.take(part, client, period, amount, most, until_ms, self.now_ms())

    @step
    async def give_back(self, client: str, period: str, amount: int) -> None:
        """Give back what was not used."""
        part = self._parts[partition_of_key(client, period, self.partitions)]
        memory_counters.give_back(part, client, period, amount, self.now_ms())

    # duties

    @step
    async def due(self, partition: int, limit: int, *, rearm_ms: int) -> list[Due]:
        """Give out due members."""
        part = self._parts[partition]
        return self._told(part, memory_duties.due(part, limit, rearm_ms, self.now_ms()))

    @step
    async def next_due_ms(self, partition: int) -> int | None:
        """When the earliest member is due."""
        return memory_duties.next_due_ms(self._parts[partition])

    @step
    async def sweep(self, partition: int, limit: int) -> int:
        """Forget what has lapsed."""
        return memory_duties.sweep(self._parts[partition], limit, self.now_ms())

    @step
    async def trim(self, partition: int, limit: int) -> int:
        """Remove ended jobs past their retention."""
        return memory_duties.trim(self._parts[partition], limit, self.now_ms())

    # post and outbox

    @step
    async def post(self, partition: int, limit: int) -> list[Post]:
        """Mail for other partitions."""
        return list(self._parts[partition].post.values())[:limit]

    @step
    async def posted(self, partition: int, mail_ids: Sequence[str]) -> None:
        """Forget post that was delivered."""
        for mail_id in mail_ids:
            self._parts[partition].post.pop(mail_id, None)

    @step
    async def outbox(self, partition: int, limit: int) -> list[tuple[str, HistoryEntry]]:
        """Entries for a history database, with their positions."""
        return [(str(position), entry) for position, entry in self._parts[partition].outbox[:limit]]

    @step
    async def outbox_trim(self, partition: int, position: str) -> None:
        """Forget the outbox up to a position."""
        part = self._parts[partition]
        part.outbox = [kept for kept in part.outbox if kept[0] > int(position)]

    async def dump(self) -> Dump:
        """The whole state."""
        now_ms = self.now_ms()
        return dump(self._parts, self._registrations.live(now_ms), now_ms)

    # within

    def _part(self, name: str) -> Partition:
        """The partition of a job or a task."""
        return self._parts[partition_of(name)]

    def _job(self, name: str) -> Job | None:
        return self._part(name).jobs.get(name)

    def _told(self, part: Partition, answer: Answer) -> Answer:
        """Tell everybody what woke up in this step."""
        for wakeups in self._wakeups:
            for queue in part.woken:
                wakeups.queue(part.number, queue)
            for worker in part.woken_workers:
                wakeups.reserved(part.number, worker)
            for job in part.changed:
                wakeups.job(job)
        part.woken.clear()
        part.woken_workers.clear()
        part.changed.clear()
        return answer
