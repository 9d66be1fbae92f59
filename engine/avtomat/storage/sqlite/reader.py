"""Do the reading of an embedded store on a thread and a connection of its own, beside the writer.

A batch of reads shares one snapshot, taken after the last of them was asked for: whoever was told that something is
committed reads it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from avtomat.errors import StoreError
from avtomat.storage.sqlite.errors import store_error
from avtomat.storage.sqlite.file import OpenFile
from avtomat.storage.sqlite.lane import Lane, Work

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Reader:
    """The thread that reads, and its connection."""

    def __init__(self, opened: OpenFile, failed: Callable[[StoreError], None]) -> None:
        self._db = opened.reading
        self._path = str(opened.path)
        self._lane = Lane("avtomat-reader", self._path, self._process, failed=failed)

    def submit(
        self,
        read: Callable[Concatenate[sqlite3.Connection, Arguments], Answer],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> asyncio.Future[Answer]:
        """Have `read(db, *arguments)` answered from what is committed."""
        return self._lane.submit(read, *arguments, **named)

    def fail(self, failure: StoreError) -> None:
        """Read nothing any more."""
        self._lane.fail(failure)

    async def close(self) -> None:
        """Answer what was asked, then close the connection."""
        await self._lane.close()
        self._db.close()

    def _process(self, batch: Sequence[Work]) -> None:
        try:
            self._db.execute("BEGIN")
            for work in batch:
                self._do(work)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            for work in batch:
                work.answer, work.error = None, store_error(error, self._path)

    def _do(self, work: Work) -> None:
        try:
            work.answer = work.run(self._db)
        except sqlite3.Error as error:
            work.error = store_error(error, self._path)
        except Exception as error:
            work.error = error
