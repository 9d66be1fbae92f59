"""Open the file of an embedded store: one engine process a file, a format that this engine knows, safe settings.

`synchronous=FULL` in WAL mode: a commit that was acknowledged survives a loss of power. Checkpoints are ours to make
(`sqlite_writer`), so that none falls between a commit and its answer.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.sqlite_errors import in_use, store_error

FORMAT: Final = 2
STATEMENTS_KEPT: Final = 256
BUSY_MS: Final = 5_000
LOG_BYTES_KEPT: Final = 16 * 1024 * 1024

_SCHEMA: Final = Path(__file__).with_name("sql") / "schema.sql"


def open_store(path: Path, partitions: int) -> tuple[sqlite3.Connection, sqlite3.Connection, sqlite3.Connection]:
    """The lock, a connection that writes and one that reads; all of them, or a `StoreError`."""
    with contextlib.ExitStack() as opened:
        lock = opened.enter_context(contextlib.closing(_lock(path)))
        writing = opened.enter_context(contextlib.closing(_connect(path)))
        try:
            _set_up_writing(writing)
            _prepare(writing, path, partitions)
            reading = opened.enter_context(contextlib.closing(_connect(path)))
            reading.execute("PRAGMA query_only = 1")
            reading.execute("PRAGMA cache_size = -16384")
        except sqlite3.Error as error:
            raise store_error(error, str(path)) from error
        opened.pop_all()
    return lock, writing, reading


def _lock(path: Path) -> sqlite3.Connection:
    """Take the right to be the engine of `path`; it ends with the connection, or with the process.

    The lock is on a file beside the store, so that readers (`doctor`, `sqlite3`) are not kept out.
    """
    lock = None
    try:
        lock = sqlite3.connect(f"{path}.lock", isolation_level=None, timeout=0.0, check_same_thread=False)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if lock is not None:
            lock.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise in_use(str(path)) from error
        raise store_error(error, str(path)) from error
    return lock


def _set_up_writing(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA secure_delete = OFF").fetchone()
    db.execute("PRAGMA cache_size = -65536")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            path,
            isolation_level=None,
            timeout=BUSY_MS / 1000,
            check_same_thread=False,
            cached_statements=STATEMENTS_KEPT,
        )
    except sqlite3.Error as error:
        raise store_error(error, str(path)) from error


def _prepare(db: sqlite3.Connection, path: Path, partitions: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        _create(db, partitions)
    elif "avtomat_meta" not in tables:
        raise StoreError(f"{path} is a database of another program", hint="give the store a file of its own")
    else:
        _check(db, path, partitions)
    db.execute("COMMIT")


def _create(db: sqlite3.Connection, partitions: int) -> None:
    for statement in _SCHEMA.read_text(encoding="utf-8").split(";\n"):
        db.execute(statement)
    db.executemany("INSERT INTO avtomat_meta VALUES (?, ?)", [("format", FORMAT), ("partitions", partitions)])


def _check(db: sqlite3.Connection, path: Path, partitions: int) -> None:
    meta = dict(db.execute("SELECT name, value FROM avtomat_meta").fetchall())
    if meta["format"] > FORMAT:
        raise StoreError(
            f"{path} has format {meta['format']}; this engine knows formats up to {FORMAT}",
            code="store.newer_format",
            hint="use the newer version of Avtomat that wrote it",
        )
    if meta["partitions"] != partitions:
        raise StoreError(
            f"{path} was made with {meta['partitions']} partitions, and {partitions} are asked for",
            code="store.partitions",
            hint="the number of partitions is fixed when a store is first used",
        )
