"""What `avtomat dev` tells of jobs and files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from avtomat.cli.dev_news import News
from avtomat.errors import StoreError
from avtomat.runtime.service import Service

if TYPE_CHECKING:
    import pytest


class Engine:
    """Tells that a job changed; its store is away."""

    changed: Callable[[str], None]

    def __init__(self) -> None:
        self.clients = SimpleNamespace(job=self._job)

    def tell(self, changed: Callable[[str], None]) -> None:
        self.changed = changed

    def tell_findings(self, _found: Any) -> None:
        pass

    async def _job(self, *_: object) -> None:
        raise StoreError("it is away")


async def test_a_job_that_cannot_be_looked_at_is_told_and_the_next_one_is_looked_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unretrieved: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unretrieved.append(context))
    engine = Engine()
    News(cast("Service", engine))

    with caplog.at_level(logging.WARNING):
        for job in ("job1", "job2"):
            engine.changed(job)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    assert [record.getMessage() for record in caplog.records] == [
        "the end of job job1 is not known: it is away",
        "the end of job job2 is not known: it is away",
    ]
    assert not unretrieved
