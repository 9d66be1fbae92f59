"""Run work on a thread of its own and bring the answers back to the event loop, a batch at a time.

Callers never wait for the thread and the thread never waits for a caller: work goes over in a queue, answers come back
in one call to the loop per batch. A caller that went away (was cancelled) leaves its work behind: it is still done.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from avtomat.errors import StoreError
from avtomat.storage.sqlite.errors import broken, died, overloaded

log = logging.getLogger(__name__)

BATCH_MAX: Final = 500
WAITING_MAX: Final = 20_000


@dataclass(slots=True)
class Work:
    """One piece of work and, once done, its answer or error."""

    run: Callable[[Any], Any]
    future: asyncio.Future[Any]
    answer: Any = None
    error: BaseException | None = None


class Lane:
    """A thread that does work in the order in which it came.

    `process` is given each batch, on the thread; it sets `answer` or `error` of each work and may return a function
    that the event loop calls once the callers have their answers. `after` runs on the thread when the answers are on
    their way.

    If either raises, the lane has failed for good: work that was under way may or may not have been done, all other
    work is refused, and `failed` is called on the event loop. `fail` does the same from outside.

    `gather_s` is how long the thread waits for company when the batch before had some: callers that come together
    come together again, and a lone one never waits.
    """

    def __init__(
        self,
        name: str,
        path: str,
        process: Callable[[Sequence[Work]], Callable[[], None] | None],
        *,
        failed: Callable[[StoreError], None],
        after: Callable[[], None] | None = None,
        gather_s: float = 0.0,
    ) -> None:
        self._path = path
        self._process = process
        self._failed = failed
        self._failure: StoreError | None = None
        self._after = after
        self._gather_s = gather_s
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._waiting = 0
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def submit(self, run: Callable[..., Any], *arguments: Any, **named: Any) -> asyncio.Future[Any]:
        """Have `run(<what the lane works with>, *arguments, **named)` done; refuses with `StoreBusy` when too many wait
        already, and with the error once the lane has failed.
        """
        if self._failure is not None:
            raise self._failure.with_traceback(None)  # else each call would add its frames to it
        if self._waiting >= WAITING_MAX:
            raise overloaded(self._path, self._waiting)
        work = Work(lambda subject: run(subject, *arguments, **named), self._loop.create_future())
        self._waiting += 1
        self._queue.put(work)
        return work.future

    def fail(self, failure: StoreError) -> None:
        """Do no work any more: what waits, and what is submitted later, is refused with this error."""
        if self._failure is None:
            self._failure = failure
            self._failed(failure)

    async def close(self) -> None:
        """Let all work that was submitted end, then end the thread."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _serve(self) -> None:
        company = False
        while (first := self._queue.get()) is not None:
            if company and self._gather_s:
                time.sleep(self._gather_s)
            batch, last = self._take(first)
            told = self._try(batch)
            self._loop.call_soon_threadsafe(self._answer, batch, told)
            self._follow_up()
            if last:
                return
            company = len(batch) > 1

    def _try(self, batch: Sequence[Work]) -> Callable[[], None] | None:
        """Do a batch. Whatever is raised ends the lane, and never the thread: nobody must wait for it in vain."""
        try:
            if self._failure is None:
                return self._process(batch)
            for work in batch:
                work.error = self._failure
        except BaseException as error:
            self._die(error)
            for work in batch:
                work.answer, work.error = None, died(self._path)
        return None

    def _follow_up(self) -> None:
        try:
            if self._after is not None and self._failure is None:
                self._after()
        except BaseException as error:
            self._die(error)

    def _die(self, error: BaseException) -> None:
        log.error("a thread that works on %s failed", self._path, exc_info=error)
        self._loop.call_soon_threadsafe(self.fail, broken(self._path, error))

    def _take(self, first: Work) -> tuple[list[Work], bool]:
        """`first` and all that wait behind it; True when the lane is to close after them."""
        batch = [first]
        try:
            while len(batch) < BATCH_MAX:
                work = self._queue.get_nowait()
                if work is None:
                    return batch, True
                batch.append(work)
        except Empty:
            pass
        return batch, False

    def _answer(self, batch: Sequence[Work], told: Callable[[], None] | None) -> None:
        self._waiting -= len(batch)
        for work in batch:
            if work.future.done():
                continue
            if work.error is not None:
                work.future.set_exception(work.error)
            else:
                work.future.set_result(work.answer)
        if told is not None:
            told()
