"""Keep histories in PostgreSQL (see history.py for what each operation promises).

- The connection pool is opened by the first operation that needs it, and the tables are brought up to date there: the
  files of migrations/ in the order of their numbers, each once, under an advisory lock, so that replicas that start
  together do not meet. Tables of a newer engine are refused.
- The position is moved first: its row's lock lets one replica at a time append for a partition, and the one that was
  second finds another position and changes nothing.
- Tables that somebody dropped are made again, at the start and when an operation finds one gone.
- A text of PostgreSQL's holds no NUL; where one stands in a cause it becomes U+FFFD, because an entry that is refused
  would hold up all behind it. So does the escape of one in a record, because one such record fails a query that reads
  records as jsonb, for the whole table. Else records stay as they are.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from avtomat.errors import StoreError
from avtomat.setting_kinds import show_url
from avtomat.storage.history.port import Carried
from avtomat.storage.port.answers import HistoryEntry

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 4
CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 2.0

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 0x6176746F6D6174
"""The advisory lock of migrations: the letters `avtomat`."""

_META: Final = """
CREATE TABLE IF NOT EXISTS avtomat_history_migrations (
    number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"""
_APPLIED: Final = "SELECT coalesce(max(number), 0) FROM avtomat_history_migrations"
_APPLY: Final = "INSERT INTO avtomat_history_migrations (number) VALUES ($1) ON CONFLICT DO NOTHING"
_TABLES: Final = ("avtomat_history", "avtomat_history_jobs", "avtomat_history_streams")
_MISSING: Final = "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL"

_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_NO_NUL: Final = rb"\1\\ufffd"

_POSITION: Final = "SELECT position FROM avtomat_history_streams WHERE partition = $1"
_BEGIN_STREAM: Final = """
INSERT INTO avtomat_history_streams VALUES ($1, $2, 0) ON CONFLICT (partition) DO NOTHING RETURNING epoch"""
_MOVE_STREAM: Final = """
UPDATE avtomat_history_streams SET position = $2 WHERE partition = $1 AND position = $3 RETURNING epoch"""
_RAISE_EPOCH: Final = """
UPDATE avtomat_history_streams SET epoch = epoch + 1 WHERE partition = $1 RETURNING epoch"""

_SET_BACK: Final = """
SELECT EXISTS (
    SELECT 1 FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::text[], $6::text[], $7::bytea[])
        AS new (job, seq, at_ms, path, cause, record)
    JOIN avtomat_history old ON old.job = new.job AND old.seq = new.seq AND old.epoch = $1
    WHERE (old.at_ms, old.path, old.cause, old.record) <> (new.at_ms, new.path, new.cause, new.record))"""
_INSERT: Final = """
INSERT INTO avtomat_history (epoch, job, seq, at_ms, path, cause, record)
SELECT $1, * FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::text[], $6::text[], $7::bytea[])
ON CONFLICT (job, seq, epoch) DO NOTHING"""
_NOTE_JOBS: Final = """
INSERT INTO avtomat_history_jobs AS known (job, client, ended_ms)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
ON CONFLICT (job) DO UPDATE SET
    client = CASE excluded.client WHEN '' THEN known.client ELSE excluded.client END, ended_ms = excluded.ended_ms"""

_ENTRIES: Final = """
SELECT seq, at_ms, path, cause, record FROM (
    SELECT page.*, max(epoch) OVER (ORDER BY seq) AS newest FROM (
        SELECT DISTINCT ON (seq) seq, epoch, at_ms, path, cause, record FROM avtomat_history
        WHERE job = $1 AND seq > $2 ORDER BY seq, epoch DESC LIMIT $3) page) counted
WHERE epoch = newest
    AND epoch >= (SELECT coalesce(max(epoch), 0) FROM avtomat_history WHERE job = $1 AND seq <= $2)
ORDER BY seq"""
_CLIENT: Final = "SELECT client FROM avtomat_history_jobs WHERE job = $1"
_TRIM: Final = """
WITH gone AS (
    DELETE FROM avtomat_history_jobs WHERE job IN (
        SELECT job FROM avtomat_history_jobs WHERE ended_ms < $1 ORDER BY ended_ms LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING job),
entries AS (DELETE FROM avtomat_history WHERE job IN (SELECT job FROM gone))
SELECT count(*) FROM gone"""


class PostgresHistory:
    """A `HistoryDatabase` at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._has_tables = False
        self._opening = asyncio.Lock()

    async def position(self, partition: int) -> str | None:
        """How far the partition was taken over."""
        async with self._connected() as connection:
            position: str | None = await connection.fetchval(_POSITION, partition)
        return position

    async def append(self, partition: int, before: str | None, after: str, carried: Sequence[Carried]) -> bool:
        """Take entries over, once."""
        columns = _columns(carried)
        async with self._connected() as connection, connection.transaction():
            epoch = await _moved(connection, partition, before, after)
            if epoch is None:
                return False
            if await connection.fetchval(_SET_BACK, epoch, *columns):
                epoch = await connection.fetchval(_RAISE_EPOCH, partition)
            await connection.execute(_INSERT, epoch, *columns)
            await connection.execute(_NOTE_JOBS, *_jobs(carried))
        return True

    async def entries(self, job: str, after: int, limit: int) -> list[HistoryEntry]:
        """A page of a job's history."""
        async with self._connected() as connection:
            rows = await connection.fetch(_ENTRIES, job, max(0, after), limit)
        return [
            HistoryEntry(job=job, seq=seq, at_ms=at_ms, path=path, cause=cause, record=record)
            for seq, at_ms, path, cause, record in rows
        ]

    async def client(self, job: str) -> str | None:
        """Whose job this is."""
        async with self._connected() as connection:
            client: str | None = await connection.fetchval(_CLIENT, _text(job))
        return client

    async def trim(self, ended_before_ms: int, limit: int) -> int:
        """Remove what ended long ago."""
        async with self._connected() as connection:
            return int(await connection.fetchval(_TRIM, ended_before_ms, limit))

    async def close(self) -> None:
        """Disconnect; connections that do not end in time are cut."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_S)
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pool.terminate()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """A connection whose failures, and those of what is done with it, are a StoreError."""
        try:
            pool = self._pool if self._pool is not None and self._has_tables else await self._open()
            async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                yield connection
        except asyncpg.UndefinedTableError as error:
            self._has_tables = False
            text = f"the history database {show_url(self._url)} has lost a table: {error}"
            hint = "the table is made again at the next try; what it held is gone, and no entry that waits is lost"
            raise StoreError(text, code="history.unavailable", hint=hint) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            text = f"the history database {show_url(self._url)} cannot be used: {str(error) or type(error).__name__}"
            raise StoreError(text, code="history.unavailable") from error

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=CONNECTIONS_MAX,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=COMMAND_TIMEOUT_S,
                )
            pool = self._pool
            if not self._has_tables:
                try:
                    async with pool.acquire() as connection, connection.transaction():
                        await self._migrate(connection)
                except BaseException:
                    self._pool = None
                    pool.terminate()
                    raise
                self._has_tables = True
            return pool

    async def _migrate(self, connection: Connection) -> None:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_META)
        applied: int = await connection.fetchval(_APPLIED)
        files = await asyncio.to_thread(_migrations)
        if applied > len(files):
            raise StoreError(
                f"the history database {show_url(self._url)} has tables of a newer engine (migration {applied}, and "
                f"this one knows {len(files)})",
                code="history.unavailable",
            )
        missing = [row["name"] for row in await connection.fetch(_MISSING, _TABLES)] if applied else []
        if missing:
            log.error("the history database has lost %s: made again; what was there is gone", " and ".join(missing))
            applied = 0
        for number, text in enumerate(files[applied:], applied + 1):
            await connection.execute(text)
            await connection.execute(_APPLY, number)


async def _moved(connection: Connection, partition: int, before: str | None, after: str) -> int | None:
    """Move the partition's position. Its epoch, or None when the position is another one than `before`."""
    if before is None:
        epoch: int | None = await connection.fetchval(_BEGIN_STREAM, partition, after)
    else:
        epoch = await connection.fetchval(_MOVE_STREAM, partition, after, before)
    return epoch


def _migrations() -> list[str]:
    """The texts of all migrations; they are numbered from 1 without gaps."""
    return [file.read_text("utf-8") for file in sorted(_MIGRATIONS.glob("*.sql"))]


def _columns(carried: Sequence[Carried]) -> tuple[list[object], ...]:
    """The entries as lists of their fields, in the order of `_SET_BACK` and `_INSERT`."""
    entries = [each.entry for each in carried]
    return (
        [entry.job for entry in entries],
        [entry.seq for entry in entries],
        [entry.at_ms for entry in entries],
        [_text(entry.path) for entry in entries],
        [_text(entry.cause) for entry in entries],
        [_record(entry.record) for entry in entries],
    )


def _jobs(carried: Sequence[Carried]) -> tuple[list[str], list[str], list[int | None]]:
    """What the entries say of their jobs, in the order of their ids, so that two replicas never wait crosswise."""
    clients: defaultdict[str, str] = defaultdict(str)
    ended: dict[str, int | None] = {}
    for each in carried:
        job = each.entry.job
        clients[job] = _text(each.client or clients[job])
        ended[job] = each.entry.at_ms if each.ends else None
    jobs = sorted(ended)
    return jobs, [clients[job] for job in jobs], [ended[job] for job in jobs]


def _text(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _record(record: bytes) -> bytes:
    return _NUL.sub(_NO_NUL, record) if b"\\u0000" in record else record
