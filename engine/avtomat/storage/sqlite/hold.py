"""Hold the file of a store, and know when its path no longer leads to it.

A database that is removed, renamed or replaced while it is open goes on taking writes that nobody will ever find again.
So the file's identity (device and inode) is compared with what is at its path: before each commit, and now and then.
On Linux a lock on the file itself keeps out an engine that reaches it by another name; on other systems such a lock is
one with those that SQLite takes, and would keep SQLite out.

POSIX drops all locks of a process on a file when any descriptor of it is closed, SQLite's among them: `close` comes
after the connections are closed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from avtomat.errors import StoreError
from avtomat.storage.sqlite.errors import gone, in_use, unusable

if sys.platform == "linux":
    import fcntl

Identity = tuple[int, int]


class Hold:
    """The file at a path, made if there is none; `StoreError` when it cannot be had."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._log_identity: Identity | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as error:
            raise unusable(str(path), error) from error
        self._identity = _identity(os.fstat(self._file))
        if sys.platform == "linux":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._file)
                raise in_use(str(path)) from error

    def know_log(self) -> None:
        """The log beside the file is there now: from now on it must stay."""
        self._log_identity = _identity_at(self._log)

    def trouble(self) -> StoreError | None:
        """What is wrong: the file, or its log, is no longer where it was."""
        if _identity_at(self._path) != self._identity:
            return gone(str(self._path))
        if self._log_identity is not None and _identity_at(self._log) != self._log_identity:
            return gone(str(self._log))
        return None

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def _identity_at(path: Path) -> Identity | None:
    try:
        return _identity(os.stat(path))  # noqa: PTH116 - half the cost of Path.stat, before each commit
    except FileNotFoundError:
        return None


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
