"""What came due is answered one by one: one that nobody can answer keeps nobody waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from avtomat.runtime.time.timers import Timers
from avtomat.storage.port.answers import Due, DueKind
from avtomat.storage.port.writes import Mail

if TYPE_CHECKING:
    import pytest

    from avtomat.runtime.jobs.executor import Executor
    from avtomat.runtime.jobs.scopes import Scopes
    from avtomat.storage.port.store import Store

FROM_ANOTHER_TIME = Mail(id="operate:1", kind="operate", body=b'{"action": "teleport"}')


def due(job: str, **more: Any) -> Due:
    return Due(job=job, path="/", number=1, returned=1, loaded=None, **{"mail": None, **more})


class TwoDue:
    async def due(self, *_: Any, **__: Any) -> list[Due]:
        return [due("00a", kind=DueKind.MAIL, mail=FROM_ANOTHER_TIME), due("00b", kind=DueKind.TIMER)]


class Answers:
    def __init__(self) -> None:
        self.jobs: list[str] = []

    async def handle(self, job: str, *_: Any, **__: Any) -> None:
        self.jobs.append(job)


async def test_mail_that_cannot_be_read_does_not_hold_up_what_came_due_beside_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    executor = Answers()
    timers = Timers(cast("Store", TwoDue()), cast("Executor", executor), cast("Scopes", None))

    assert await timers.run_due(0) == 2

    assert executor.jobs == ["00b"]
    assert "job 00a: mail could not be answered" in caplog.text
