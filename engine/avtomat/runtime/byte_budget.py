"""Bound the bytes that requests under way hold together: who finds no room waits in line, and not for long."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from avtomat.errors import RequestRefused

BUSY_RETRY_AFTER_S: Final = 5


class BusyRefused(RequestRefused):
    """503: other requests hold all the room there is, and did not give it back in time."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(
            f"other requests take all the memory there is for bodies and inputs; none was free within {wait_s:g} s",
            status=503,
            code="request.busy",
            hint="send it again later",
            retry_after_s=BUSY_RETRY_AFTER_S,
        )


class Claim:
    """So many bytes of a budget, until they are given back."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: ByteBudget, size: int) -> None:
        self._budget = budget
        self.size = size

    def shrink(self, size: int) -> None:
        """Give back what is more than `size`."""
        if size < self.size:
            freed, self.size = self.size - size, size
            self._budget.give_back(freed)

    def release(self) -> None:
        """Give all of it back; once is enough."""
        self.shrink(0)


class ByteBudget:
    """At most `bytes_max` bytes are claimed at once, in the order of asking. A claim for more is for all of them: what
    is larger than the budget is there alone.
    """

    def __init__(self, bytes_max: int, *, wait_s: float) -> None:
        self.bytes_max = bytes_max
        self.bytes_claimed = 0
        self._wait_s = wait_s
        self._line: OrderedDict[asyncio.Future[None], int] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait in line."""
        return len(self._line)

    async def claim(self, size: int) -> Claim:
        """Claim `size` bytes, after those who asked before. Raises BusyRefused when there is no room in time."""
        size = min(size, self.bytes_max)
        if not self._line and self.bytes_claimed + size <= self.bytes_max:
            self.bytes_claimed += size
            return Claim(self, size)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[turn] = size
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            elif self._line.pop(turn, None) is not None:
                self._let_in()
            if isinstance(error, TimeoutError):
                raise BusyRefused(self._wait_s) from None
            raise
        return Claim(self, size)

    def give_back(self, size: int) -> None:
        """These bytes are free again."""
        self.bytes_claimed -= size
        self._let_in()

    def _let_in(self) -> None:
        while self._line:
            turn, size = next(iter(self._line.items()))
            if not turn.cancelled():
                if self.bytes_claimed + size > self.bytes_max:
                    return
                self.bytes_claimed += size
                turn.set_result(None)
            del self._line[turn]
