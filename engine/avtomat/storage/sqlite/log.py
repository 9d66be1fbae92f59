"""Move the log of an embedded store into its file, beside the writer and never in its way.

A passive pass runs on a thread and a connection of its own and waits for nobody. Once the log is large and all of it
has been moved, the writer starts it anew between two commits, if no reader is at it in that very moment. A program that
keeps a read transaction open holds the log up, and it grows: that is told once, with its size.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from avtomat.storage.sqlite.file import BUSY_MS

log = logging.getLogger(__name__)

LOG_CHANGES_MAX: Final = 4_000
LOG_BYTES_MAX: Final = 32 * 1024 * 1024


class Log:
    """The log of the file at `path`. `moving` is a connection for passes alone."""

    def __init__(self, moving: sqlite3.Connection, path: Path) -> None:
        self._moving = moving
        self._path = path
        self._file = path.with_name(path.name + "-wal")
        self._pool = ThreadPoolExecutor(1, "avtomat-log")
        self._pass: Future[None] | None = None
        self._changes = 0
        self._moved_pages = 0
        self._all_moved = False
        self._told = False

    def bytes_now(self) -> int:
        """How large it is."""
        with contextlib.suppress(OSError):
            return self._file.stat().st_size
        return 0

    def committed(self, writing: sqlite3.Connection) -> None:
        """A batch was committed and answered: begin a pass when enough has changed. On the writer's thread."""
        if self._pass is not None and not self._pass.done():
            return
        size = self.bytes_now()
        if size >= LOG_BYTES_MAX and self._all_moved:
            self._start_anew(writing)
        elif writing.total_changes - self._changes >= LOG_CHANGES_MAX or (size >= LOG_BYTES_MAX and not self._told):
            self._changes = writing.total_changes
            self._pass = self._pool.submit(self._run)

    def close(self) -> None:
        """Let a pass that is under way end."""
        self._pool.shutdown()
        self._moving.close()

    def _start_anew(self, writing: sqlite3.Connection) -> None:
        """Little can be left to move; with a reader at it just now, the next pass comes first."""
        self._all_moved = False
        writing.execute("PRAGMA busy_timeout = 0").fetchone()
        with contextlib.suppress(sqlite3.Error):
            writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        writing.execute(f"PRAGMA busy_timeout = {BUSY_MS}").fetchone()

    def _run(self) -> None:
        try:
            _, pages, moved = self._moving.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # a full disk, above all; the next pass tries again
            log.debug("the log of %s was not moved: %s", self._path, error)
            return
        self._all_moved = moved == pages
        is_held_up = not self._all_moved and moved == self._moved_pages and self.bytes_now() >= LOG_BYTES_MAX
        self._moved_pages = moved
        if is_held_up and not self._told:
            log.warning(
                "%s has grown to %.0f MB: another program keeps a read transaction open on %s (an sqlite3 shell, a "
                "backup, a report), and the log cannot be moved into the file before it ends",
                self._file,
                self.bytes_now() / 1e6,
                self._path,
            )
        self._told = is_held_up
