"""Know the format of a store's file: make it, check it, and set a file of an older format aside.

An older format is not converted. With open jobs the file is refused, because only the version that wrote it can finish
them; without any it is renamed to `<file>.format-<n>` and a new one is made, so that ended jobs can still be read with
the older version.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from avtomat.errors import StoreError
from avtomat.storage.sqlite.errors import store_error

FORMAT: Final = 3

_SCHEMA: Final = Path(__file__).with_name("schema.sql")
NOTE_TIME: Final = "INSERT OR REPLACE INTO avtomat_meta VALUES ('clock_ms', ?)"
_HAS_STICKY: Final = "SELECT 1 FROM pragma_table_info('attempts') WHERE name = 'sticky'"
_IF_MISSING: Final = "IF NOT EXISTS"
_HAS_UNDOABLE: Final = "SELECT 1 FROM pragma_table_info('attempts') WHERE name = 'undoable'"
_META: Final = "SELECT value FROM avtomat_meta WHERE name = ?"
_OPEN_JOBS: Final = "SELECT count(*) FROM jobs WHERE finished_ms IS NULL"


def create(db: sqlite3.Connection, partitions: int) -> None:
    """Make all tables in an empty database."""
    for statement in _statements():
        db.execute(statement)
    db.executemany("INSERT INTO avtomat_meta VALUES (?, ?)", [("format", FORMAT), ("partitions", partitions)])


def add_missing(db: sqlite3.Connection) -> None:
    """Make the tables and columns of this format that came after it: a file that lacks them has nothing that would be
    in them.
    """
    if db.execute(_HAS_UNDOABLE).fetchone() is None:
        db.execute("ALTER TABLE attempts ADD COLUMN undoable INTEGER NOT NULL DEFAULT 0")
    if db.execute(_HAS_STICKY).fetchone() is None:
        db.execute("ALTER TABLE attempts ADD COLUMN sticky TEXT")
    for statement in _statements():
        if _IF_MISSING in statement:
            db.execute(statement)


def _statements() -> list[str]:
    return _SCHEMA.read_text(encoding="utf-8").split(";\n")


def check(db: sqlite3.Connection, path: Path, partitions: int) -> None:
    """Raise `StoreError` for a format that this engine does not know, and for another number of partitions."""
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


def note_of_time(db: sqlite3.Connection) -> int:
    """The store's time that was kept last; 0 in a new file."""
    row = db.execute(_META, ("clock_ms",)).fetchone()
    return 0 if row is None else int(row[0])


def older_format(db: sqlite3.Connection) -> tuple[int, int] | None:
    """The format and the number of open jobs of a store that an older version wrote; None for all else."""
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not {"avtomat_meta", "jobs"} <= tables:
        return None
    row = db.execute(_META, ("format",)).fetchone()
    if row is None or row[0] >= FORMAT:
        return None
    return int(row[0]), int(db.execute(_OPEN_JOBS).fetchone()[0])


def refused(path: Path, number: int, open_jobs: int) -> StoreError:
    """The error for a file of an older format in which jobs are open."""
    return StoreError(
        f"{path} has format {number} with {open_jobs} open jobs; this engine has format {FORMAT}",
        code="store.older_format",
        hint="let the version of Avtomat that wrote it finish them, or give this one a new file",
    )


def aside(path: Path, number: int) -> Path:
    """Where a file of an older format is set aside."""
    return path.with_name(f"{path.name}.format-{number}")


def set_aside(path: Path) -> bool:
    """Rename a file of an older format without open jobs, and tell whether it was one; `StoreError` when there are
    some, or when the new name is taken. The caller has the lock of the path. The log is moved into the file first.
    """
    if not path.stat().st_size:
        return False
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as db:
            found = older_format(db)
            if found is None:
                return False
            number, open_jobs = found
            if open_jobs:
                raise refused(path, number, open_jobs)
            db.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error as error:
        raise store_error(error, str(path)) from error
    target = aside(path, number)
    if target.exists():
        raise StoreError(f"{path} has format {number}, and {target} is there already", hint="move one of them away")
    path.rename(target)
    return True
