"""Repeat a call of the store where nothing happened or the answer was lost: the same call, a few times, then give
up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from avtomat.errors import StoreAnswerLost, StoreBusy, StoreNotExecuted

REPEATS_MAX = 4
REPEAT_AFTER_S = 0.05
REPEAT_WITHIN_S = 4.0
"""No repeat begins later. A store that is away takes seconds to say so each time, and a worker that is kept waiting for
an answer to its result for 15 seconds takes the engine for dead.
"""

T = TypeVar("T")


async def repeat(call: Callable[[], Awaitable[T]]) -> T:
    """Do `call`, which is idempotent as every operation of a store is. Raises StoreError when it cannot be done for
    now; a store that is busy is not away, and is not asked again.
    """
    begun = time.monotonic()
    for number in range(1, REPEATS_MAX):
        try:
            return await call()
        except StoreBusy:
            raise
        except (StoreNotExecuted, StoreAnswerLost):
            if time.monotonic() - begun > REPEAT_WITHIN_S:
                raise
            await asyncio.sleep(REPEAT_AFTER_S * 2**number)
    return await call()
