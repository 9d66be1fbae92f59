"""Run the scripts of one store, and keep its clock by their answers.

Each script is given the time that is added to Redis' own, and each answer says what Redis' clock was then and whom the
step wakes. A server whose clock was turned back is given what it lacks, so that time goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import Final

from avtomat.errors import StoreAnswerLost
from avtomat.storage.port.clock import StoreClock, Times
from avtomat.storage.port.rules import partition_of
from avtomat.storage.redis.backend import RedisBackend
from avtomat.storage.redis.messages import Messages
from avtomat.storage.redis.script import load_script
from avtomat.storage.redis.wire.socket import Argument, Reply

TURNED_BACK_MIN_MS: Final = 2_000


@cache
def prefix_of(partition: int) -> str:
    """What every key of a partition begins with; the braces are Redis Cluster's hash tag."""
    return f"av:{{{partition}}}:"


class ScriptRunner:
    """The scripts of a store of so many partitions. `mode` goes to each of them, `offset_ms` is added to the time."""

    def __init__(
        self, backend: RedisBackend, messages: Messages, partitions: int, mode: str, offset_ms: Callable[[], int]
    ) -> None:
        self._backend = backend
        self._messages = messages
        self._partitions = partitions
        self._mode = mode + messages.replica.decode()
        self._offset_ms = offset_ms
        self._clock_ms = 0.0  # Redis' clock at monotonic time 0, by the newest answer
        self._clock_most_ms = 0.0
        self.clock = StoreClock(times=self._times, offset_ms=offset_ms)

    async def run(self, operation: str, partition: int, *args: Argument) -> Reply:
        """The answer of a script in a partition: what it says follows the time. StoreError: the server is away."""
        if partition >= self._partitions:
            raise ValueError(f"partition {partition} of {self._partitions}")
        shift = self._offset_ms()
        if self._clock_ms <= self._clock_most_ms - TURNED_BACK_MIN_MS:
            shift += self._turned_back_ms()
        first = f"{shift}{self._mode}"
        try:
            reply = await self._backend.call(load_script(operation), (prefix_of(partition),), (first, *args))
        except (StoreAnswerLost, asyncio.CancelledError):  # it may have been done, and whom it woke is not known here
            self._messages.look_again_soon()
            raise
        told = reply[0]
        if type(told) is list:
            self._messages.told(partition, told[1:])
            told = told[0]
        self._clock_ms = clock_ms = told - shift - monotonic() * 1000
        self._clock_most_ms = max(self._clock_most_ms, clock_ms)
        return reply

    async def run_for(self, operation: str, job: str, *args: Argument) -> Reply:
        """The answer of a script about a job, in the job's partition."""
        return await self.run(operation, partition_of(job), job, *args)

    async def run_everywhere(self, operation: str, *args: Argument) -> list[Reply]:
        """The answers of all partitions, in their order."""
        return await asyncio.gather(*(self.run(operation, number, *args) for number in range(self._partitions)))

    def _times(self) -> Times:
        passed = monotonic() * 1000
        return passed + self._clock_ms, passed

    def _turned_back_ms(self) -> int:
        """What the server's time lacks since its clock was turned back; less than TURNED_BACK_MIN_MS is the way of an
        answer.
        """
        ahead_ms = self.clock.ahead_ms()
        return ahead_ms if ahead_ms >= TURNED_BACK_MIN_MS else 0
