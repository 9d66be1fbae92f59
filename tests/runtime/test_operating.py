"""An operator's hand on a job: what each request does, who is noted, and what makes no sense, on a whole engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from avtomat.core.messages import (
    OperatorEvent,
    PauseRequested,
    ReleaseRequested,
    RerunRequested,
    ResumeRequested,
    SkipRequested,
)
from avtomat.errors import RequestRefused
from avtomat.runtime.jobs.clients import Accepted
from avtomat.storage.port.answers import Delivered
from avtomat.storage.port.store import OPERATOR_IDS_MAX
from avtomat.storage.port.writes import Mail
from tests.runtime.bench import Bench, bench_of
from tests.servers import RedisServer

TWO = """
unhandled: quarantine
data: {n: 1}
states:
  a: {task: work, retry: none, next: b}
  b: {task: work, params: {n: "{{ data.n }}"}, retry: none, next: end}
"""
UNDO = """
states:
  book: {task: book, compensate: {task: unbook, retry: none}, next: pay}
  pay: {task: pay, retry: none, next: end}
"""

Start = Callable[[str], Awaitable[Bench]]


@pytest.fixture(params=["memory", "sqlite"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(text: str) -> Bench:
            return await stack.enter_async_context(bench_of(text, tmp_path, request.param))

        yield start


async def quarantined(bench: Bench) -> str:
    """A job whose second state failed."""
    job = await bench.submit()
    await bench.answer(await bench.take(), data="x")
    await bench.fail(await bench.take(), "BROKEN")
    assert (await bench.job(job))["status"] == "quarantined"
    return job


async def test_a_paused_job_takes_results_and_goes_on_with_them_when_it_is_resumed(engine: Start) -> None:
    bench = await engine(TWO)
    job = await bench.submit()
    task = await bench.take()
    await bench.operate(job, PauseRequested(by="ann"))

    assert await bench.answer(task, data=1) == {"status": "accepted"}
    assert (await bench.job(job))["status"] == "paused"
    await bench.operate(job, ResumeRequested(by="bob"))

    assert (await bench.take())["params"] == {"n": 1}


async def test_a_queued_task_of_a_paused_job_is_not_handed_out(engine: Start) -> None:
    bench = await engine(TWO)
    job = await bench.submit()
    await bench.operate(job, PauseRequested(by="ann"))

    await bench.look("w1", "work")


async def test_a_retry_enters_the_state_that_failed_again(engine: Start) -> None:
    bench = await engine(TWO)
    job = await quarantined(bench)

    await bench.operate(job, ReleaseRequested(by="ann", reason="mended"))
    await bench.answer(await bench.take(), data=7)

    assert (await bench.job(job))["result"] == 7


async def test_a_release_enters_it_with_edited_variables(engine: Start) -> None:
    bench = await engine(TWO)
    job = await quarantined(bench)

    await bench.operate(job, ReleaseRequested(by="ann", data={"n": 5}))

    assert (await bench.take())["params"] == {"n": 5}


async def test_a_retry_tries_the_undo_that_failed_again(engine: Start) -> None:
    bench = await engine(UNDO)
    job = await failed_undo(bench)

    await bench.operate(job, ReleaseRequested(by="ann"))
    await bench.answer(await bench.take("w1", "unbook"), data=None)

    assert (await bench.until_status(job, "failed"))["error"]["code"] == "BAD"


async def test_a_skip_takes_the_undo_that_failed_as_run(engine: Start) -> None:
    bench = await engine(UNDO)
    job = await failed_undo(bench)

    await bench.operate(job, SkipRequested(by="ann"))

    assert (await bench.until_status(job, "failed"))["error"]["code"] == "BAD"


async def failed_undo(bench: Bench) -> str:
    job = await bench.submit()
    await bench.answer(await bench.take("w1", "book"), data=1)
    await bench.fail(await bench.take("w1", "pay"), "BAD")
    await bench.fail(await bench.take("w1", "unbook"), "WORSE")
    assert (await bench.job(job))["error"]["code"] == "COMPENSATION_FAILED"
    return job


async def test_a_skip_takes_a_state_as_done_with_the_given_output(engine: Start) -> None:
    bench = await engine(TWO)
    job = await quarantined(bench)

    done = await bench.operate(job, SkipRequested(by="ann", output={"by": "hand"}))

    assert (done["status"], done["result"]) == ("finished", {"by": "hand"})


async def test_a_rerun_of_an_open_job_enters_any_state_and_tells_the_worker_to_stop(engine: Start) -> None:
    bench = await engine(TWO)
    job = await bench.submit()
    await bench.answer(await bench.take(), data=1)
    stale = await bench.take()

    await bench.operate(job, RerunRequested(by="ann", state="a", data={"n": 9}))

    assert (await bench.answer(stale, data=2))["status"] == "ignored"
    assert ((await bench.job(job))["state"], (await bench.job(job))["data"]) == ("a", {"n": 9})


async def test_a_rerun_of_an_ended_job_is_a_new_job_of_the_same_client_and_says_of_which(engine: Start) -> None:
    bench = await engine("states: {a: {succeed: '{{ input.n }}'}}")
    old = await bench.submit({"n": 3}, labels={"team": "x"}, priority=7)

    again = await bench.service.operators.rerun(old, None, RerunRequested(by="bob", reason="once more"))

    assert isinstance(again, Accepted)
    job, [created] = await bench.job(again.job_id), await bench.history(again.job_id)
    assert again.job_id != old
    assert (job["result"], job["labels"], job["priority"]) == (3, {"team": "x"}, 7)
    told = ("rerun_of", old), ("by", "bob"), ("reason", "once more"), ("client", "ann")
    assert all(created[name] == value for name, value in told)


@pytest.mark.parametrize(
    "event",
    [
        PauseRequested(by="ann", reason="why not"),
        RerunRequested(by="ann", reason="why not", state="a"),
        SkipRequested(by="ann", reason="why not"),
    ],
)
async def test_history_says_who_wished_it_and_why(engine: Start, event: OperatorEvent) -> None:
    bench = await engine(TWO)
    job = await bench.submit()

    await bench.operate(job, event)

    entry = (await bench.history(job))[1]
    assert (entry["type"], entry["by"], entry["reason"]) == (type(event).__name__, "ann", "why not")


@pytest.mark.parametrize(
    ("event", "cause", "possible"),
    [
        (ResumeRequested(), "the job is not paused", "paused"),
        (ReleaseRequested(), "the job is not quarantined", "paused"),
        (RerunRequested(state="c"), "no state c", "rerun"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_cause_and_changes_nothing(
    engine: Start, event: OperatorEvent, cause: str, possible: str
) -> None:
    bench = await engine(TWO)
    job = await bench.submit()

    with pytest.raises(RequestRefused, match=cause) as refused:
        await bench.operate(job, event)

    assert (refused.value.status, refused.value.code) == (409, "job.state")
    assert possible in (refused.value.hint or "")
    assert len(await bench.history(job)) == 1


@pytest.mark.parametrize("event", [PauseRequested(), ResumeRequested(), ReleaseRequested(), SkipRequested()])
async def test_an_ended_job_can_only_be_rerun(engine: Start, event: OperatorEvent) -> None:
    bench = await engine("states: {a: {succeed: 1}}")
    job = await bench.submit()

    with pytest.raises(RequestRefused, match="the job is finished") as refused:
        await bench.operate(job, event)
    with pytest.raises(RequestRefused, match="as a new job"):
        await bench.service.operators.rerun(job, None, RerunRequested(state="a"))

    assert "rerun" in (refused.value.hint or "")


async def test_variables_over_the_limit_are_refused_and_the_job_stays_as_it_is(engine: Start) -> None:
    bench = await engine("limits: {data_bytes: 1000}\n" + TWO)
    job = await quarantined(bench)

    with pytest.raises(RequestRefused, match="data_bytes") as refused:
        await bench.operate(job, ReleaseRequested(data={"n": "x" * 2_000}))

    assert (refused.value.status, refused.value.pointer) == (422, "/data")
    assert (await bench.job(job))["status"] == "quarantined"


async def test_variables_for_an_undo_are_refused_because_it_was_rendered_before(engine: Start) -> None:
    bench = await engine(UNDO)
    job = await failed_undo(bench)

    with pytest.raises(RequestRefused, match="no state reads the variables"):
        await bench.operate(job, ReleaseRequested(data={}))


async def test_of_two_retries_at_once_one_is_told_that_it_came_second(engine: Start) -> None:
    bench = await engine(TWO)
    job = await quarantined(bench)

    both: list[Any] = await asyncio.gather(
        *(bench.operate(job, ReleaseRequested(by=name)) for name in ("ann", "bob")), return_exceptions=True
    )

    assert sorted(isinstance(each, RequestRefused) for each in both) == [False, True]
    assert [each["type"] for each in await bench.history(job)].count("ReleaseRequested") == 1


async def test_a_cancel_without_compensation_ends_a_job_that_undoes(engine: Start) -> None:
    bench = await engine(UNDO)
    job = await failed_undo(bench)

    cancelled = await bench.service.operators.cancel(job, None, "ann", "let it be", compensate=False)

    assert cancelled is not None
    assert cancelled["status"] == "cancelled"


async def test_another_clients_job_cannot_be_operated(engine: Start) -> None:
    bench = await engine(TWO)
    job = await bench.submit(start_at=datetime(2099, 1, 1, tzinfo=UTC))

    assert await bench.service.operators.operate(job, "bob", PauseRequested()) is None
    assert await bench.service.operators.cancel(job, "bob", "bob") is None
    assert await bench.service.operators.rerun(job, "bob", RerunRequested()) is None
    assert (await bench.job(job))["status"] == "pending"


async def test_a_job_takes_so_many_requests_and_can_still_be_cancelled(engine: Start) -> None:
    bench = await engine(TWO)
    job = await bench.submit()
    letters = [Mail(id=f"m{number}", kind="operate", body=b"1") for number in range(OPERATOR_IDS_MAX)]
    await asyncio.gather(*(bench.service.store.deliver(job, letter) for letter in letters))

    with pytest.raises(RequestRefused, match="takes no more") as refused:
        await bench.service.operators.operate(job, None, PauseRequested(by="ann"))
    cancelled = await bench.service.operators.cancel(job, None, "admin")

    assert (refused.value.status, refused.value.code) == (429, "job.mailbox_full")
    assert cancelled is not None
    assert cancelled["status"] == "cancelled"


async def rerun(bench: Bench, job: str, key: str, by: str = "ann", **more: Any) -> Accepted:
    again = await bench.service.operators.rerun(job, None, RerunRequested(by=by, **more), key)
    assert isinstance(again, Accepted)
    return again


async def test_a_rerun_that_is_repeated_under_its_key_is_the_same_new_job(engine: Start) -> None:
    bench = await engine("states: {a: {succeed: 1}}")
    job = await bench.submit()

    first = await rerun(bench, job, "k", reason="once more")
    second = await rerun(bench, job, "k", reason="once more")

    assert (first.fresh, second.fresh) == (True, False)
    assert first.job_id == second.job_id


async def test_a_rerun_under_the_key_of_another_request_is_refused(engine: Start) -> None:
    bench = await engine("states: {a: {succeed: 1}}")
    job, other = await bench.submit(key="s", body_hash="x"), await bench.submit()
    await rerun(bench, job, "k")

    for asked, key, reason in ((job, "k", "another"), (other, "k", ""), (job, "s", "")):
        with pytest.raises(RequestRefused) as refused:
            await rerun(bench, asked, key, reason=reason)
        assert (refused.value.status, refused.value.code) == (409, "idempotency.mismatch")


async def test_an_admins_key_is_not_that_of_the_client_whose_job_is_rerun(engine: Start) -> None:
    bench = await engine("states: {a: {succeed: 1}}")
    job = await bench.submit(key="k", body_hash="x")

    again = await rerun(bench, job, "k", by="admin")

    assert again.fresh
    assert (await rerun(bench, job, "k", by="admin")).job_id == again.job_id


async def test_reruns_and_wishes_are_repeated_safely_on_redis(tmp_path: Path, fresh_redis: RedisServer) -> None:
    async with bench_of("states: {a: {task: work, next: end}}", tmp_path, fresh_redis.url) as bench:
        job, operate = await bench.submit(), bench.service.operators.operate
        for event in (PauseRequested(by="ann"), ResumeRequested(by="ann"), PauseRequested(by="ann")):
            await operate(job, None, event, "k")
        await bench.answer(await bench.take(), data=1)

        again = [(await rerun(bench, job, "k", by=by)).job_id for by in ("ann", "ann", "admin", "admin")]

        assert [each["type"] for each in await bench.history(job)][1:3] == ["PauseRequested", "ResumeRequested"]
    assert again[0] == again[1] != again[2] == again[3]


async def test_a_wish_that_is_repeated_under_its_key_is_carried_out_once(engine: Start) -> None:
    bench = await engine(TWO)
    job = await bench.submit()
    operate = bench.service.operators.operate

    await operate(job, None, PauseRequested(by="ann"), "k")
    await operate(job, None, ResumeRequested(by="ann"), "k")
    again = await operate(job, None, PauseRequested(by="ann"), "k")

    assert again is not None
    assert again["status"] == "waiting_for_worker"
    assert [each["type"] for each in await bench.history(job)][1:] == ["PauseRequested", "ResumeRequested"]


async def test_a_wish_whose_repeat_comes_when_the_job_has_ended_is_answered_as_the_first(engine: Start) -> None:
    bench = await engine(TWO)
    job = await quarantined(bench)
    done = SkipRequested(by="ann", output=1)

    await bench.service.operators.operate(job, None, done, "k")
    again = await bench.service.operators.operate(job, None, done, "k")

    assert again is not None
    assert (again["status"], again["result"]) == ("finished", 1)
    with pytest.raises(RequestRefused, match="the job is finished"):
        await bench.service.operators.operate(job, None, done, "k2")


async def test_a_rerun_of_an_open_job_that_is_repeated_when_it_has_ended_makes_no_new_one(engine: Start) -> None:
    bench = await engine("states: {a: {task: work, next: end}}")
    job = await bench.submit()
    await bench.service.operators.rerun(job, None, RerunRequested(by="ann"), "k")
    await bench.answer(await bench.take(), data=1)

    again = await bench.service.operators.rerun(job, None, RerunRequested(by="ann"), "k")

    assert not isinstance(again, Accepted)
    assert again is not None
    assert (again["id"], again["status"]) == (job, "finished")


async def test_a_cancel_that_is_repeated_under_its_key_is_one_entry_of_the_history(engine: Start) -> None:
    bench = await engine(UNDO)
    job = await bench.submit()
    await bench.answer(await bench.take("w1", "book"), data=1)
    await bench.take("w1", "pay")

    for _ in range(2):
        await bench.service.operators.cancel(job, None, "ann", key="k")

    assert [each["type"] for each in await bench.history(job)].count("CancelRequested") == 1


@pytest.mark.parametrize("event", [ResumeRequested(), ReleaseRequested(), RerunRequested(state="c")])
async def test_what_the_stored_job_refuses_uses_up_none_of_its_mail(
    engine: Start, event: OperatorEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await engine(TWO)
    job = await bench.submit()
    delivered = told_of_mail(bench, monkeypatch)

    with pytest.raises(RequestRefused):
        await bench.operate(job, event)

    assert delivered == []


async def test_a_cancel_of_a_job_that_undoes_uses_up_none_of_its_mail(
    engine: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await engine(UNDO)
    job = await failed_undo(bench)
    delivered = told_of_mail(bench, monkeypatch)

    kept = await bench.service.operators.cancel(job, None, "ann")

    assert kept is not None
    assert (kept["status"], delivered) == ("quarantined", [])


def told_of_mail(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the mail that is delivered from now on."""
    store, delivered = bench.service.store, list[str]()
    deliver = store.deliver

    async def noting(job: str, mail: Mail) -> Delivered:
        delivered.append(mail.id)
        return await deliver(job, mail)

    monkeypatch.setattr(store, "deliver", noting)
    return delivered
