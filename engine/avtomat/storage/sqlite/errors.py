"""Say what an error of SQLite means for the caller: what was found, and what to do about it.

SQLite takes a failed statement back by itself, so whatever fails before the commit has certainly not happened. A
commit that fails while it is being written to disk may still be found in the log when the file is opened again.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from avtomat.errors import StoreAnswerLost, StoreBusy, StoreError, StoreNotExecuted

PRIMARY_CODE: Final = 0xFF  # the low byte of an extended code

CORRUPT_HINT: Final = "restore it from a backup, or save what can be read with `sqlite3 <file> .recover`"

_FULL: Final = frozenset({sqlite3.SQLITE_FULL})
_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_CLOSED: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH})


def store_error(error: sqlite3.Error, path: str, *, committing: bool = False) -> StoreError:
    """The error to raise for `error`, which the database at `path` gave; `committing` when COMMIT itself failed."""
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code in _FULL:
        return StoreBusy(
            f"the disk that holds {path} is full", code="store.full", hint="free some space; nothing was lost"
        )
    if code in _LOCKED:
        return StoreBusy(
            f"{path} is locked by another program", code="store.locked", hint="end the program that has it open"
        )
    if code in _DAMAGED:
        return StoreError(
            f"{path} is damaged or is no SQLite database ({error})", code="store.corrupt", hint=CORRUPT_HINT
        )
    if code in _CLOSED:
        return StoreNotExecuted(
            f"{path} cannot be opened for writing ({error})", hint="check that file and directory belong to the engine"
        )
    if committing:
        return StoreAnswerLost(f"{path} could not be written to disk ({error})", hint="look at the disk and its log")
    return StoreNotExecuted(f"{path} cannot be used ({error})")


def overloaded(path: str, waiting: int) -> StoreBusy:
    """The error for an operation that finds too many others waiting."""
    return StoreBusy(
        f"{waiting} operations wait for {path} already", code="store.overloaded", hint="slow down and repeat it later"
    )


def unusable(path: str, error: OSError) -> StoreNotExecuted:
    """The error for a file that the system does not let us open."""
    return StoreNotExecuted(
        f"{path} cannot be opened for writing ({error.strerror})",
        hint="check that file and directory belong to the engine",
    )


def gone(path: str) -> StoreError:
    """The error for an open file that is no longer at its path."""
    return StoreError(
        f"{path} was removed, renamed or replaced while the engine had it open",
        code="store.gone",
        hint="what was written since may be lost; put the file back, or start on what is there now",
    )


def broken(path: str, error: BaseException) -> StoreError:
    """The error once a thread of the store has died."""
    return StoreError(
        f"the engine can no longer work with {path}: {type(error).__name__}: {error}",
        code="store.broken",
        hint="start the engine again; what was acknowledged is in the file",
    )


def died(path: str) -> StoreAnswerLost:
    """The error for an operation that was under way when a thread of the store died."""
    return StoreAnswerLost(f"the thread that works on {path} died meanwhile")


def in_use(path: str) -> StoreError:
    """The error for a second engine on the same file."""
    return StoreError(
        f"{path} is in use by another engine process",
        code="store.in_use",
        hint="one process works on a SQLite file: use Redis for several, or ask the running one over its HTTP API",
    )
