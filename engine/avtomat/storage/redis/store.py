"""Keep jobs in Redis (6.2 and later, Valkey): every change of state is one script, lua/<operation>.lua.

- Everything of a job is in its partition, under keys that begin with `av:{<partition>}:`; `av:meta` holds the
  format and the number of partitions, fixed at the first start.
- Time is Redis' own; each answer moves the offset behind `now_ms` (script_runner.py).
- What is kept, and under which keys, stands in the headers of lua/parts/*.lua. Arguments are made by codec.py,
  answers read by answers.py.
- Whom a step wakes stands in its answer, and is told to other replicas (messages.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from avtomat.errors import StoreError
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
from avtomat.storage.port.rules import cursor_of, fork_path, partition_of, partition_of_key, place_of
from avtomat.storage.port.store import AGEING_MS, BELOW_LOOKED_AT_MAX, EQUAL
from avtomat.storage.port.writes import Cause, DueCause, Mail, MailCause, NewJob, Post, TaskRequest, Writes
from avtomat.storage.redis import answers, codec
from avtomat.storage.redis.backend import RedisBackend
from avtomat.storage.redis.dump import dump
from avtomat.storage.redis.messages import Messages
from avtomat.storage.redis.meta import agree, look_again
from avtomat.storage.redis.script_runner import ScriptRunner, prefix_of
from avtomat.storage.redis.wire.connection import TIMEOUT_S
from avtomat.storage.redis.wire.socket import Argument

log = logging.getLogger(__name__)

LOOK_AT_IDENTITY_S: Final = 1.0
WORKERS_PARTITION: Final = 0
CURRENT_PARTITION: Final = 0
"""Registrations, what is current and what else replicas agree on belong to no job; they live with the first partition.
"""


class RedisStore:
    """A `Store` (see port/store.py for what each operation promises).

    `offset_ms` is added to Redis' clock: tests turn it. `store_id` is the identity that the store must have, if any.
    With `history_outbox` history goes to the outbox alone, for a database that keeps it.
    """

    commits_in_groups = False

    def __init__(
        self,
        url: str,
        partitions: int = 1,
        *,
        offset_ms: Callable[[], int] | None = None,
        history_outbox: bool = False,
        store_id: str = "",
        ageing_ms: int = AGEING_MS,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.partitions = partitions
        self._backend = RedisBackend(url, timeout_s=timeout_s)
        self._messages = Messages()
        mode = (",outbox" if history_outbox else "") + f"@{ageing_ms}"
        runner = ScriptRunner(self._backend, self._messages, partitions, mode, offset_ms or (lambda: 0))
        self._run, self._run_for, self._run_everywhere = runner.run, runner.run_for, runner.run_everywhere
        self._clock = runner.clock
        self.now_ms = self._clock.now_ms  # Redis' clock, with the offset
        self.wall_ms = self._clock.wall_ms
        self._store_id = store_id
        self._watching: asyncio.Task[None] | None = None

    # --- life ---------------------------------------------------------------------------------------------------------

    async def open(self, wakeups: Wakeups) -> None:
        """Connect, agree on the format, listen."""
        self._messages.begin(wakeups)
        channels = [f"{prefix_of(partition)}wake" for partition in range(self.partitions)]
        await self._backend.open(channels, self._messages.hear, wakeups.lost, wakeups.deaf)
        try:
            await agree(self._backend, self.partitions, self._store_id, self.counts)
            await self.ping()
            self._clock.start(0)
        except StoreError:
            await self._backend.close()
            raise
        self._watching = asyncio.create_task(self._watch(), name="watching the store's identity")

    async def _watch(self) -> None:
        """Look from time to time whether this is still the store that it was; go on with one that was accepted. Thus a
        server that answers nothing is noticed although nobody else asks it.
        """
        while True:
            await asyncio.sleep(LOOK_AT_IDENTITY_S)
            try:
                if await look_again(self._backend, self.partitions):
                    self._messages.look_again()
            except StoreError as away:
                log.debug("the identity of the store is not known now: %s", away)

    def trouble(self) -> StoreError | None:
        """Why no new job is safe here, or why the server cannot be reached now."""
        return self._backend.trouble()

    async def close(self) -> None:
        """Disconnect."""
        self._messages.end()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._backend.close()

    def gauges(self) -> Mapping[str, float]:
        """The clock's."""
        return self._clock.gauges()

    async def ping(self) -> None:
        """Write a little."""
        await self._run("ping", 0)

    # --- programs -----------------------------------------------------------------------------------------------------

    async def put_programs(self, programs: Mapping[str, str]) -> None:
        """Keep canonical forms."""
        await self._run_everywhere("put_programs", *(text for pair in programs.items() for text in pair))

    async def program(self, digest: str) -> str | None:
        """The canonical form."""
        for partition in range(self.partitions):
            text = await self._backend.execute("HGET", f"{prefix_of(partition)}pg", digest)
            if text is not None:
                return str(text.decode())
        return None

    async def current(self, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The records of what is current."""
        number, pairs = (await self._run("current", CURRENT_PARTITION, seen))[1:]
        if number == seen:
            return None
        return number, _by_name(pairs)

    async def put_current(self, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace some of them."""
        args = [word for name, record in changes.items() for word in (name, record, was.get(name, ""))]
        return [name.decode() for name in (await self._run("put_current", CURRENT_PARTITION, *args))[1]]

    async def agreed(self, topic: str, seen: int) -> tuple[int, Mapping[str, bytes]] | None:
        """The records of a topic."""
        number, pairs = (await self._run("agreed", CURRENT_PARTITION, topic, seen))[1:]
        return None if number == seen else (number, _by_name(pairs))

    async def agree(self, topic: str, changes: Mapping[str, bytes], was: Mapping[str, bytes]) -> list[str]:
        """Replace some of them."""
        args = [word for name, record in changes.items() for word in (name, record, was.get(name, ""))]
        return [name.decode() for name in (await self._run("agree", CURRENT_PARTITION, topic, *args))[1]]

    # --- jobs ---------------------------------------------------------------------------------------------------------

    async def create(self, new: NewJob) -> Created:
        """Write a job."""
        reply = await self._run("create", partition_of(new.job), *codec.create_arguments(new))
        return answers.created_of(reply, new.job)

    async def load(self, job: str, path: str = "/", *, task_id: str | None = None) -> Loaded | None:
        """A scope, by its path or by an attempt."""
        return answers.loaded_of((await self._run_for("load", job, path, task_id or ""))[1])

    async def values(self, job: str, ids: Sequence[str]) -> list[bytes | None]:
        """Large values by id."""
        return await self._fields(f"{prefix_of(partition_of(job))}v:{job}", ids)

    async def outputs(self, job: str, path: str, fork: int, start: int, count: int) -> list[bytes | None]:
        """Outputs of a fork's scopes, in index order."""
        key = f"{prefix_of(partition_of(job))}k:{job}{fork_path(path, fork)}"
        kept = await self._fields(key, [str(index) for index in range(start, start + count)])
        return [output[1:] if output is not None and output[:1] == b"1" else None for output in kept]

    async def _fields(self, key: str, names: Sequence[str]) -> list[bytes | None]:
        if not names:
            return []
        return list(await self._backend.execute("HMGET", key, *names))

    async def below(self, job: str, path: str, fork: int, limit: int) -> Below | None:
        """How far a fork is."""
        reply = (await self._run_for("below", job, fork_path(path, fork), limit, BELOW_LOOKED_AT_MAX))[1]
        return answers.below_of(reply) if reply else None

    async def held(self, job: str, limit: int) -> list[Held]:
        """Dead attempts whose leases are live."""
        found = [answers.held_of(each) for each in (await self._run_for("held", job))[1]]
        return sorted(found, key=lambda held: held.task_id)[:limit]

    async def commit(
        self, job: str, path: str, version: int, cause: Cause, writes: Writes, wanted: TaskRequest | None = None
    ) -> Committed:
        """Write a decision, if its cause still counts."""
        arguments = codec.commit_arguments(job, path, version, cause, writes, wanted)
        operation = "commit" if wanted is None else "commit_and_take"
        return answers.committed_of(await self._run(operation, partition_of(job), *arguments))

    async def quarantine(self, job: str, path: str, cause: Cause | None, reason: bytes, record: bytes) -> bool:
        """Park an open job without a decision."""
        arguments = (path, "", *codec.cause_arguments(cause), reason, record)
        return bool((await self._run_for("quarantine", job, *arguments))[1])

    async def dismiss(self, job: str, path: str, cause: MailCause | DueCause) -> None:
        """Answer what changes nothing."""
        await self._run_for("dismiss", job, path, "", *codec.cause_arguments(cause))

    async def deliver(self, job: str, mail: Mail) -> Delivered:
        """Take mail from outside."""
        return Delivered((await self._run_for("deliver", job, *codec.mail_arguments(mail)))[1].decode())

    async def history(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        """Entries after a number, oldest first."""
        after = max(0, after)
        entries = (await self._run_for("history", job, after, limit))[1]
        return [answers.entry_of(job, seq, entry) for seq, entry in enumerate(entries, after + 1)]

    async def show(self, job: str) -> JobRow | None:
        """The whole row."""
        row = (await self._run_for("show", job, ""))[1]
        return answers.row_of(row) if row else None

    async def key(self, client: str, key: str) -> JobRow | None:
        """The job of an idempotency key."""
        partition = partition_of_key(client, key, self.partitions)
        row = (await self._run("show", partition, "", codec.client_key(client, key)))[1]
        return answers.row_of(row) if row else None

    async def list_jobs(self, query: Query) -> Page:
        """One page, newest first: the first rows of each partition, merged."""
        filters = (query.client or "", query.status or "", query.blueprint or "")
        place: tuple[Argument, ...] = ("", "") if query.cursor is None else place_of(query.cursor)
        parent = "" if query.parent is None else query.parent or "-"
        pages = await self._run_everywhere("list", *filters, query.limit + 1, *place, parent)
        rows = [answers.row_of(row) for page in pages for row in page[1]]
        rows.sort(key=answers.place_of_row, reverse=True)
        shown = tuple(rows[: query.limit])
        return Page(
            rows=shown, cursor=cursor_of(shown[-1].created_ms, shown[-1].job) if len(rows) > len(shown) > 0 else None
        )

    async def counts(self) -> Mapping[str, int]:
        """Numbers for metrics."""
        numbers: defaultdict[str, int] = defaultdict(int)
        for reply in await self._run_everywhere("counts"):
            for name, count in answers.pairs(reply[1]):
                numbers[name.decode()] += count
        return dict(numbers)

    # --- work ---------------------------------------------------------------------------------------------------------

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
        wanted = codec.task_request_arguments(worker, nonce, max_tasks, lease_ms, strides, reserved=reserved)
        reply = await self._run("poll", partition, *wanted, *dict.fromkeys(queues))
        return [answers.handout_of(handout) for handout in reply[1]]

    async def queues(self, partition: int) -> Mapping[str, bytes]:
        """Queues with tasks and requirements."""
        asking = (await self._run("counts", partition))[2]
        return {queue.decode(): requirements for queue, requirements in answers.pairs(asking)}

    async def heartbeat(self, worker: str, task_ids: Sequence[str], *, lease_ms: int) -> list[str]:
        """Extend leases; the ids of dead attempts."""
        parts = _by_partition(task_ids)
        replies = await asyncio.gather(*(self._run("heartbeat", p, worker, lease_ms, *ids) for p, ids in parts.items()))
        dead = {task_id.decode() for reply in replies for task_id in reply[1]}
        return [task_id for task_id in task_ids if task_id in dead]

    async def release(self, worker: str, task_ids: Sequence[str]) -> None:
        """Give attempts back unworked."""
        await asyncio.gather(*(self._run("release", p, worker, *ids) for p, ids in _by_partition(task_ids).items()))

    async def progress(self, worker: str, task_id: str, note: bytes) -> bool:
        """Keep a worker's note."""
        return bool((await self._run("progress", partition_of(task_id), worker, task_id, note))[1])

    async def put_worker(self, worker: str, record: bytes, ttl_ms: int) -> None:
        """Keep a registration."""
        await self._run("put_worker", WORKERS_PARTITION, worker, ttl_ms, record)

    async def touch_worker(self, worker: str, ttl_ms: int, usage: bytes | None = None) -> bytes | None:
        """Renew a registration."""
        record: bytes | None = (await self._run("touch_worker", WORKERS_PARTITION, worker, ttl_ms, usage or ""))[1]
        return record

    async def workers(self) -> Mapping[str, bytes]:
        """All live registrations."""
        flat = (await self._run("workers", WORKERS_PARTITION))[1]
        return {worker.decode(): record for worker, record in zip(flat[::3], flat[1::3], strict=True)}

    # --- counters -----------------------------------------------------------------------------------------------------

    async def take(self, client: str, period: str, amount: int, *, most: int, until_ms: int) -> Taken:
        """Take from a counter."""
        partition, name = partition_of_key(client, period, self.partitions), codec.client_key(client, period)
        _, granted, in_all = await self._run("take", partition, name, amount, most, until_ms)
        return Taken(granted=granted, in_all=in_all)

    async def give_back(self, client: str, period: str, amount: int) -> None:
        """Give back what was not used."""
        partition, name = partition_of_key(client, period, self.partitions), codec.client_key(client, period)
        await self._run("give_back", partition, name, amount)

    # --- duties -------------------------------------------------------------------------------------------------------

    async def due(self, partition: int, limit: int, *, rearm_ms: int) -> list[Due]:
        """Give out due members."""
        _, strays, given = await self._run("due", partition, limit, rearm_ms)
        if strays:
            log.warning("removed %d due members that belong to nothing, such as %r", len(strays), strays[0])
        return [answers.due_of(member) for member in given]

    async def next_due_ms(self, partition: int) -> int | None:
        """When the earliest member is due."""
        at_ms: int | None = (await self._run("next_due", partition))[1]
        return at_ms

    async def sweep(self, partition: int, limit: int) -> int:
        """Do the rest of large closings."""
        return int((await self._run("sweep", partition, limit))[1])

    async def trim(self, partition: int, limit: int) -> int:
        """Remove ended jobs past their retention."""
        return int((await self._run("trim", partition, limit))[1])

    async def post(self, partition: int, limit: int) -> list[Post]:
        """Mail for other partitions."""
        return [codec.unpacked_post(packed) for packed in (await self._run("post", partition, limit))[1]]

    async def posted(self, partition: int, mail_ids: Sequence[str]) -> None:
        """Forget post that was delivered."""
        await self._run("posted", partition, *mail_ids)

    async def outbox(self, partition: int, limit: int) -> list[tuple[str, HistoryEntry]]:
        """Entries for a history database, with their positions."""
        return [answers.outbox_entry_of(entry) for entry in (await self._run("outbox", partition, limit))[1]]

    async def outbox_trim(self, partition: int, position: str) -> None:
        """Forget the outbox up to a position."""
        await self._run("outbox_trim", partition, position)

    async def dump(self) -> Mapping[str, object]:
        """The whole state."""
        await self.ping()
        prefixes = [prefix_of(partition) for partition in range(self.partitions)]
        return await dump(self._backend, prefixes, self.now_ms())


def _by_partition(task_ids: Sequence[str]) -> dict[int, list[str]]:
    parts: defaultdict[int, list[str]] = defaultdict(list)
    for task_id in task_ids:
        parts[partition_of(task_id)].append(task_id)
    return parts


def _by_name(pairs: Sequence[bytes]) -> dict[str, bytes]:
    return {name.decode(): record for name, record in answers.pairs(pairs)}
