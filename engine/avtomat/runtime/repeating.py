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
REPEAT_WITHIN_S = 1.0
REPEAT_LOST_WITHIN_S = 4.0
"""No repeat begins later. A store that is away takes two seconds to say so each time; who waited that long in vain is
told. A lost answer is worth one more try, so that a pause of the store does no harm; but a worker that is kept waiting
for an answer to its result for 15 seconds takes the engine for dead.
"""

T = TypeVar("T")


async def repeat(call: Callable[[], Awaitable[T]]) -> T:
    """Do `call`, which is idempotent as every operation of a store is. Raises StoreError when it cannot be done for
    now: StoreAnswerLost where an earlier try may have done it. A store that is busy is not away, and not asked again.
    """
    begun = time.monotonic()
    lost: StoreAnswerLost | None = None
    number = 1
    while True:
        try:
            return await call()
        except StoreBusy as busy:
            raise lost or busy from None
        except (StoreNotExecuted, StoreAnswerLost) as error:
            lost = error if isinstance(error, StoreAnswerLost) else lost
            within_s = REPEAT_LOST_WITHIN_S if error is lost else REPEAT_WITHIN_S
            if number == REPEATS_MAX or time.monotonic() - begun > within_s:
                raise lost or error from None
        await asyncio.sleep(REPEAT_AFTER_S * 2**number)
        number += 1
