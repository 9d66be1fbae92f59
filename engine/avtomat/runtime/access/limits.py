"""Hold clients to their rates and quotas, and tell them how they stand."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial

from avtomat.access.model import Access, Client
from avtomat.access.periods import Period, period_of, span_of
from avtomat.core.timestamp import format_time, from_ms
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.access.counting import Counting, Left
from avtomat.storage.port.store import Store

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Limits:
    """Rates and quotas, as `access` says now. A store that lives in this process alone counts no rates."""

    def __init__(self, store: Store, access: Callable[[], Access], *, embedded: bool) -> None:
        self._access = access
        self._rates = Counting(store, shared=not embedded, returns=False)
        self._jobs = Counting(store, shared=True, returns=True)

    async def spend_request(self, client: Client) -> None:
        """Count a request of this client. RequestRefused (429 rate.exceeded): it has used up its rate. While the store
        cannot be asked, requests are let through.
        """
        if client.rate is None:
            return
        try:
            left = await self._rates.take(client.name, client.rate.requests, partial(span_of, client.rate))
        except StoreError as away:
            log.warning("a request of %s is not counted: %s", client.name, away.message)
            return
        if not left.granted:
            raise RequestRefused(
                f"{client.name} may send {left.most} requests in each {_seconds(left.period)}",
                status=429,
                code="rate.exceeded",
                hint="wait as long as Retry-After says; `wait` and lists of submissions save requests",
                retry_after_s=left.ends_in_s,
            )

    def counts_jobs_of(self, client: str) -> bool:
        """Whether this client has a quota: for the others there is nothing to spend."""
        return client in self._access().quotas

    async def spend_job(self, client: str) -> Period | None:
        """Count a job that is about to be accepted; its period, for `put_back` (None: jobs of this client are not
        counted). RequestRefused (429 quota.exceeded): the quota is used up. Raises StoreError.
        """
        quota = self._access().quotas.get(client)
        if quota is None:
            return None
        left = await self._jobs.take(client, quota.jobs, partial(period_of, quota))
        if not left.granted:
            begins = format_time(from_ms(left.period.end_ms))
            raise RequestRefused(
                f"{client} may have {left.most} jobs accepted per {quota.per}, and has had them",
                status=429,
                code="quota.exceeded",
                hint=f"the next {quota.per} begins at {begins} ({quota.zone}); reading jobs costs nothing",
                retry_after_s=left.ends_in_s,
            )
        return left.period

    def put_back(self, client: str, period: Period | None) -> None:
        """No job came of what `spend_job` counted."""
        if period is not None:
            self._jobs.put_back(client, period)

    def fields(self, client: Client) -> tuple[str, str]:
        """What the headers RateLimit-Policy and RateLimit say to this client; empty where there is nothing to say."""
        told = [(name, unit, left) for name, unit, left in self._told(client)]
        policies = (f'"{name}";q={left.most}{unit};w={_length_s(left.period)}' for name, unit, left in told)
        standing = (
            f'"{name}";r={left.remains};t={left.ends_in_s}' for name, _, left in told if left.remains is not None
        )
        return ", ".join(policies), ", ".join(standing)

    def _told(self, client: Client) -> Iterator[tuple[str, str, Left]]:
        if client.rate is not None:
            yield "requests", "", self._rates.look(client.name, client.rate.requests, partial(span_of, client.rate))
        quota = self._access().quotas.get(client.name)
        if quota is not None:
            yield "jobs", ';qu="jobs"', self._jobs.look(client.name, quota.jobs, partial(period_of, quota))

    async def run(self) -> None:
        """Rest, then give back what is not needed: a duty."""
        await asyncio.sleep(LOOK_EVERY_S)
        await self._rates.give_back_idle()
        await self._jobs.give_back_idle()

    async def stop(self) -> None:
        """Give back everything, as far as the store can be reached."""
        try:
            await self._jobs.give_back_all()
        except StoreError as away:
            log.warning("what this replica held of quotas is lost until their periods end: %s", away.message)


def _length_s(period: Period) -> int:
    return (period.end_ms - period.start_ms) // 1000


def _seconds(period: Period) -> str:
    length_s = _length_s(period)
    return "second" if length_s == 1 else f"{length_s} seconds"
