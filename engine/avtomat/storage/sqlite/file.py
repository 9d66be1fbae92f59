"""Open the file of an embedded store: one engine process a file, a format that this engine knows, safe settings.

`synchronous=FULL` in WAL mode: a commit that was acknowledged survives a loss of power. Checkpoints are ours to make
(`sqlite_log`), so that none falls between a commit and its answer.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.sqlite.errors import in_use, store_error
from avtomat.storage.sqlite.format import add_missing, check, create, set_aside
from avtomat.storage.sqlite.hold import Hold

STATEMENTS_KEPT: Final = 256
BUSY_MS: Final = 1_000
LOG_BYTES_KEPT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """All that an engine has of its file: the right to it, and a connection each to write, read and move the log."""

    path: Path
    lock: sqlite3.Connection
    hold: Hold
    writing: sqlite3.Connection
    reading: sqlite3.Connection
    moving: sqlite3.Connection

    def close(self) -> None:
        """Close all connections, then let the file go."""
        for connection in (self.writing, self.reading, self.moving):
            connection.close()
        self.let_go()

    def let_go(self) -> None:
        """Let others have the file, once its connections are closed."""
        self.hold.close()
        self.lock.close()


def open_file(path: Path, partitions: int) -> OpenFile:
    """Take the file; all of it, or a `StoreError`. One of an older format without open jobs is set aside."""
    with contextlib.ExitStack() as opened:
        lock = opened.enter_context(contextlib.closing(_lock(path)))
        hold = opened.enter_context(contextlib.closing(_hold(path)))
        try:
            writing = opened.enter_context(contextlib.closing(_connect(path)))
            _set_up_writing(writing)
            _prepare(writing, path, partitions)
            reading = opened.enter_context(contextlib.closing(_connect(path)))
            reading.execute("PRAGMA query_only = 1")
            reading.execute("PRAGMA cache_size = -16384")
            moving = opened.enter_context(contextlib.closing(_connect(path)))
            hold.know_log()
        except sqlite3.Error as error:
            raise store_error(error, str(path)) from error
        opened.pop_all()
    return OpenFile(path=path, lock=lock, hold=hold, writing=writing, reading=reading, moving=moving)


def _lock(path: Path) -> sqlite3.Connection:
    """Take the right to be the engine of `path`; it ends with the connection, or with the process.

    The lock is on a file beside the store, so that readers (`doctor`, `sqlite3`) are not kept out.
    """
    lock = None
    try:
        lock = sqlite3.connect(f"{path}.lock", isolation_level=None, timeout=0.0, check_same_thread=False)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        if lock is not None:
            lock.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise in_use(str(path)) from error
        raise store_error(error, f"{path}.lock") from error
    return lock


def _hold(path: Path) -> Hold:
    hold = Hold(path)
    try:
        renamed = set_aside(path)
    except StoreError:
        hold.close()
        raise
    if not renamed:
        return hold
    hold.close()
    return Hold(path)


def _set_up_writing(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES_KEPT}")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("PRAGMA secure_delete = OFF").fetchone()
    db.execute("PRAGMA cache_size = -65536")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path,
        isolation_level=None,
        timeout=BUSY_MS / 1000,
        check_same_thread=False,
        cached_statements=STATEMENTS_KEPT,
    )


def _prepare(db: sqlite3.Connection, path: Path, partitions: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        create(db, partitions)
    elif "avtomat_meta" not in tables:
        raise StoreError(f"{path} is a database of another program", hint="give the store a file of its own")
    else:
        check(db, path, partitions)
        add_missing(db)
    db.execute("COMMIT")
