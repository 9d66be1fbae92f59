"""Let clients use up their quotas and rates, and no more, over all replicas.

What is left is kept by the store. A replica takes it in blocks of one in a hundred, at least one, so that few requests
ask the store; what it holds counts as used up for the others. What lies unused of a quota for IDLE_S is given back, and
all of it at the end; a replica that is killed loses what it holds, and a question to the store whose answer was lost
loses a block. Nothing of a rate is given back: its span is over soon.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from avtomat.access.periods import Period
from avtomat.errors import StoreNotExecuted
from avtomat.storage.port.answers import Taken
from avtomat.storage.port.store import Store

PeriodAt = Callable[[int], Period]
"""The period in which a time (ms) lies."""

BLOCKS: Final = 100
"""A block is so many parts of the whole, at least one."""

IDLE_S: Final = 5.0
ASKED_AGAIN_S: Final = 1.0
"""So long a replica believes that nothing is left of a quota: others may give some back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """How a counter stands: whether one more was `granted`; of `most`, what `remains` as far as is known here (None:
    nothing is known yet); the period, and the store's time now.
    """

    granted: bool
    most: int
    remains: int | None
    period: Period
    now_ms: int

    @property
    def ends_in_s(self) -> int:
        """Seconds until the period is over, at least one."""
        return max(1, ceil((self.period.end_ms - self.now_ms) / 1000))


@dataclass(slots=True)
class _Account:
    """What this replica holds of one client's counter. `in_all` is what all replicas took, as it was told last."""

    period: Period
    held: int = 0
    in_all: int | None = None
    used_s: float = 0.0
    nothing_until_s: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Counting:
    """The counters of one kind, by client. `shared`: with other replicas, by the store; else they are this process's
    own. `returns`: what is not used is given back, so that an empty counter is asked again before its end.
    """

    def __init__(self, store: Store, *, shared: bool, returns: bool) -> None:
        self._store = store
        self._shared = shared
        self._returns = returns
        self._accounts: dict[str, _Account] = {}

    async def take(self, client: str, most: int, period_at: PeriodAt) -> Left:
        """Use up one, if one is left. Raises StoreError when the store must be asked and cannot."""
        while True:
            account = self._account(client, period_at)
            if account.held == 0:
                async with account.asking:
                    await self._refill(client, account, most)
            if self._account(client, period_at) is account:
                break
        granted = account.held > 0
        if granted:
            account.held -= 1
            account.used_s = time.monotonic()
        return self._left(account, most, granted=granted)

    def put_back(self, client: str, period: Period) -> None:
        """One that was granted in this period was not used after all."""
        account = self._accounts.get(client)
        if account is not None and account.period == period:
            account.held += 1

    def look(self, client: str, most: int, period_at: PeriodAt) -> Left:
        """How the counter stands, without using up anything."""
        return self._left(self._account(client, period_at), most, granted=False)

    async def give_back_idle(self) -> None:
        """Give back what has lain unused for a while, and forget periods that are over."""
        now_s, now_ms = time.monotonic(), self._store.now_ms()
        for client, account in list(self._accounts.items()):
            if account.period.end_ms <= now_ms and not account.asking.locked():
                del self._accounts[client]
            elif now_s - account.used_s > IDLE_S:
                await self._give_back(client, account)

    async def give_back_all(self) -> None:
        """Give back everything: this replica stops."""
        for client, account in list(self._accounts.items()):
            await self._give_back(client, account)

    def _account(self, client: str, period_at: PeriodAt) -> _Account:
        """The account of the period that is now; what is held of another one is worth nothing."""
        now_ms = self._store.now_ms()
        account = self._accounts.get(client)
        if account is None or not account.period.start_ms <= now_ms < account.period.end_ms:
            account = self._accounts[client] = _Account(period_at(now_ms))
        return account

    async def _refill(self, client: str, account: _Account, most: int) -> None:
        """Take a block, unless somebody did while this one waited, or nothing was left a moment ago."""
        now_s = time.monotonic()
        if account.held > 0 or now_s < account.nothing_until_s:
            return
        taken = await self._take_block(client, account, most)
        account.held += taken.granted
        account.in_all, account.used_s = taken.in_all, now_s
        if not taken.granted:
            left_s = (account.period.end_ms - self._store.now_ms()) / 1000
            account.nothing_until_s = now_s + (min(left_s, ASKED_AGAIN_S) if self._returns else left_s)

    async def _take_block(self, client: str, account: _Account, most: int) -> Taken:
        if not self._shared:
            granted = max(0, most - (account.in_all or 0))
            return Taken(granted=granted, in_all=granted + (account.in_all or 0))
        period, block = account.period, max(1, most // BLOCKS)
        return await self._store.take(client, period.name, block, most=most, until_ms=period.end_ms)

    async def _give_back(self, client: str, account: _Account) -> None:
        """Give back what is held. Where the store does not answer it is lost: it may have been taken."""
        if not account.held or not (self._shared and self._returns):
            return
        amount, account.held = account.held, 0
        try:
            await self._store.give_back(client, account.period.name, amount)
        except StoreNotExecuted:
            account.held += amount
            raise
        account.in_all = max(0, (account.in_all or 0) - amount)

    def _left(self, account: _Account, most: int, *, granted: bool) -> Left:
        known = account.in_all is not None
        remains = max(0, most - (account.in_all or 0)) + account.held
        return Left(
            granted=granted,
            most=most,
            remains=min(remains, most) if known else None,
            period=account.period,
            now_ms=self._store.now_ms(),
        )
