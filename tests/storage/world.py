"""Drive a store in tests: short ways to say what is asked of it, a clock that is turned by hand, an ear for wake-ups.

Stores run on their own clock plus the offset of `Clock`, so a test turns time for real servers too. Their own clock
goes on by itself, by milliseconds: a test compares times with `near`, and turns the clock by seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from avtomat.storage.port.answers import Committed, Due, Handout, Loaded, Wakeups
from avtomat.storage.port.clock import system_times
from avtomat.storage.port.rules import partition_of_key
from avtomat.storage.port.store import Store
from avtomat.storage.port.writes import (
    Cause,
    Dispatch,
    DueCause,
    Fork,
    HeadChange,
    Mail,
    MailCause,
    NewJob,
    ResultCause,
    ScopeEnd,
    TaskRequest,
    Writes,
)
from avtomat.storage.proof.dump import Dump
from avtomat.storage.proof.invariants import violations

Fields = dict[str, Any]
QUEUE = "mail.send"
WORKER = "w1"
LEASE_MS = 30_000
REARM_MS = 5_000
RETENTION_MS = 3_600_000
STEP_MS = 5_000
NEAR_MS = 2_000
HEAR_TIMEOUT_S = 5


class Clock:
    """What is added to the store's own clock."""

    def __init__(self) -> None:
        self.ms = 0

    def offset(self) -> int:
        """For the store's `offset_ms`."""
        return self.ms

    def advance(self, ms: int) -> None:
        """Let time pass at once, with nobody watching."""
        self.ms += ms


class StandingClock(Clock):
    """A clock that stands still until it is turned: it takes back what the machine's clock went on by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._began_ms = system_times()[0]

    def offset(self) -> int:
        """For the store's `offset_ms`."""
        return self.now() - system_times()[0]

    def now(self) -> int:
        """Where the clock stands."""
        return self._began_ms + self.ms


class Heard:
    """What a replica was told by the store."""

    def __init__(self) -> None:
        self._counts: Counter[object] = Counter()
        self._more = asyncio.Event()
        self.wakeups = Wakeups(
            queue=lambda partition, name: self._note((partition, name)),
            job=self._note,
            lost=lambda: None,
            reserved=lambda partition, worker: self._note((partition, worker, "reserved")),
        )

    async def of(self, what: object) -> None:
        """Wait until something was heard of this job, or (partition, queue), since `forget`."""
        async with asyncio.timeout(HEAR_TIMEOUT_S):
            while not self._counts[what]:
                self._more.clear()
                await self._more.wait()

    def has_heard_of(self, what: object) -> bool:
        """Whether it was told of since `forget`."""
        return bool(self._counts[what])

    def forget(self) -> None:
        """Begin to listen anew."""
        self._counts.clear()

    def _note(self, what: object) -> None:
        self._counts[what] += 1
        self._more.set()


def task(task_id: str, attempt: int = 1, **fields: Any) -> Dispatch:
    """An attempt of a plain task."""
    known: Fields = {"task_id": task_id, "attempt": attempt, "queue": QUEUE, "priority": 5, "body": b"{}"}
    return Dispatch(**known | fields)


def retry(task_id: str, attempt: int, **fields: Any) -> Dispatch:
    """A further attempt, with all that the one before had."""
    return task(task_id, attempt, **{"queue": "", "priority": 0, "body": None} | fields)


def change(**fields: Any) -> Writes:
    """What a decision writes."""
    known: Fields = {"scope": b"scope", "visit": 1, "record": b"record"}
    return Writes(**known | fields)


def fork(total: int, **fields: Any) -> Fork:
    """A fork that all must get through, all at once."""
    known: Fields = {"number": 1, "total": total, "need": total, "tolerated": 0, "window": total, "environment": b"env"}
    return Fork(**known | fields)


FINISHED = ScopeEnd(ok=True, status="finished", output=b"42")
FAILED = ScopeEnd(ok=False, status="failed", error=b"broken")
CANCELLED = ScopeEnd(ok=False, status="cancelled")


def result(task_id: str, worker: str = WORKER, digest: str = "hash", *, success: bool = False) -> ResultCause:
    """A worker's result."""
    return ResultCause(task_id=task_id, worker=worker, hash=digest, event=b"event", success=success)


def mail(mail_id: str, kind: str = "signal", **fields: Any) -> Mail:
    """A piece of mail."""
    return Mail(**{"id": mail_id, "kind": kind, "body": b"body of " + mail_id.encode()} | fields)


def wanted(worker: str = WORKER, queues: Sequence[str] = (QUEUE,), **fields: Any) -> TaskRequest:
    """What a worker wants with its result."""
    known: Fields = {"nonce": "", "max_tasks": 1, "lease_ms": LEASE_MS}
    return TaskRequest(worker=worker, queues=tuple(queues), **known | fields)


def by(due: Due) -> DueCause:
    """The cause that answers a due member."""
    return DueCause(kind=due.kind, number=due.number)


def given_mail(given: list[Due]) -> list[str]:
    """The mail that was given out."""
    return [due.mail.id for due in given if due.mail is not None]


def near(ms: int | None, other: int) -> bool:
    """Whether two times are the same but for what a real clock goes on during a test."""
    return ms is not None and abs(ms - other) <= NEAR_MS


class World:
    """A store with one job or a few, all in one partition."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.heard = Heard()
        self.partition = store.partitions - 1
        self._numbers = 0

    # names

    def name(self) -> str:
        """A new job's id in the partition of this test."""
        self._numbers += 1
        return f"{self.partition:02x}{self._numbers:030x}"

    @staticmethod
    def first_task(job: str) -> str:
        """The wire id that `with_task` gives."""
        return f"{job}-first"

    # jobs

    def new(self, **fields: Any) -> NewJob:
        """A job that waits for a signal, unless `writes` says otherwise."""
        known: Fields = {"job": self.name(), "client": "c1", "blueprint": "b1", "digest": "d1", "head": b"head"}
        known |= {"writes": change(timer_ms=self.now() + 10**9), "retention_ms": RETENTION_MS}
        return NewJob(**known | fields)

    def keyed(self, client: str, key: str) -> NewJob:
        """A job with an idempotency key, in the partition that the key names."""
        self._numbers += 1
        partition = partition_of_key(client, key, self.store.partitions)
        return self.new(client=client, key=key, job=f"{partition:02x}{self._numbers:030x}")

    async def create(self, **fields: Any) -> str:
        """A job whose root writes this."""
        new = self.new(writes=change(**fields))
        await self.store.create(new)
        return new.job

    async def create_as(self, job: str, **fields: Any) -> None:
        """A job of this name whose root writes this."""
        await self.store.create(self.new(job=job, writes=change(**fields)))

    async def with_task(self, *, client: str = "c1", **fields: Any) -> tuple[str, str]:
        """A job that waits for its first task; the job and the wire id."""
        job = self.name()
        task_id = self.first_task(job)
        await self.store.create(self.new(job=job, client=client, writes=change(dispatch=task(task_id, **fields))))
        return job, task_id

    async def with_leased(self, worker: str = WORKER, **fields: Any) -> tuple[str, str]:
        """A job whose first task this worker holds. Nothing else may be queued."""
        job, task_id = await self.with_task(**fields)
        given = await self.poll(worker, queues=[fields.get("queue", QUEUE)])
        assert [one.task_id for one in given] == [task_id]
        return job, task_id

    async def with_fork(self, total: int, **fields: Any) -> tuple[str, list[str]]:
        """A job whose root has forked; the job and the paths that may begin."""
        new = self.new(writes=change(fork=fork(total, **fields)))
        created = await self.store.create(new)
        return new.job, list(created.begins)

    async def begin(self, job: str, path: str, **fields: Any) -> Committed:
        """Begin a scope of a fork."""
        return await self.commit(job, DueCause(kind="begin", number=0), path=path, version=0, **fields)

    async def begin_with_task(self, job: str, path: str, **fields: Any) -> str:
        """Begin a scope with a task; its wire id."""
        task_id = f"{job}-{path.replace('/', '_').replace('.', '_')}"
        begun = await self.begin(job, path, dispatch=task(task_id, **fields))
        assert begun.outcome == "ok"
        return task_id

    async def commit(
        self,
        job: str,
        cause: Cause,
        *,
        path: str = "/",
        version: int | None = None,
        wanted: TaskRequest | None = None,
        **fields: Any,
    ) -> Committed:
        """Commit this change, against the scope's present version unless one is given."""
        if version is None:
            version = (await self.load(job, path)).version
        return await self.store.commit(job, path, version, cause, change(**fields), wanted)

    async def mailed(self, job: str, kind: str, **fields: Any) -> Committed:
        """Deliver mail to a scope and commit this change for it."""
        self._numbers += 1
        letter = mail(f"mailed-{self._numbers}", kind, to=fields.get("path", "/"))
        assert await self.store.deliver(job, letter) == "ok"
        return await self.commit(job, MailCause(id=letter.id), **fields)

    async def status(self, job: str, status: str) -> Committed:
        """Let an operator change the job's status."""
        kind = {"paused": "pause", "open": "resume"}.get(status, "operate")
        return await self.mailed(job, kind, keeps_task=True, head=HeadChange(status=status))

    # looking

    def now(self) -> int:
        """The store's clock."""
        return self.store.now_ms()

    async def load(self, job: str, path: str = "/") -> Loaded:
        """A scope that must be there."""
        loaded = await self.store.load(job, path)
        assert loaded is not None
        return loaded

    async def dump(self) -> Dump:
        """The whole state."""
        return cast("Dump", await self.store.dump())

    async def sound(self) -> None:
        """Check the invariants."""
        assert violations(await self.dump()) == []

    # workers

    async def poll(self, worker: str = WORKER, queues: Sequence[str] = (QUEUE,), **fields: Any) -> list[Handout]:
        """Ask for tasks."""
        known: Fields = {"nonce": "", "max_tasks": 100, "lease_ms": LEASE_MS}
        return await self.store.poll(self.partition, worker, list(queues), **known | fields)

    async def polled(self, **fields: Any) -> list[str]:
        """The wire ids of what a poll gives."""
        return [one.task_id for one in await self.poll(**fields)]

    async def heartbeat(self, *task_ids: str, worker: str = WORKER) -> list[str]:
        """Extend leases."""
        return await self.store.heartbeat(worker, task_ids, lease_ms=LEASE_MS)

    # time

    async def due(self, limit: int = 1_000) -> list[Due]:
        """What is due now."""
        return await self.store.due(self.partition, limit, rearm_ms=REARM_MS)

    async def due_of(self, job: str) -> list[tuple[str, str, int]]:
        """Kind, path and number of what is due now for a job."""
        return sorted((due.kind.value, due.path, due.number) for due in await self.due() if due.job == job)

    async def watch(self, ms: int) -> list[Due]:
        """Let time pass while a replica looks every few seconds; what it was given, the last look included."""
        given = await self.due()
        for passed in range(0, ms, STEP_MS):
            self.clock.advance(min(STEP_MS, ms - passed))
            given += await self.due()
        return given
