"""Promises about a result that takes the next attempt along: both in one step, and each as if it came alone."""

from __future__ import annotations

import pytest

from avtomat.storage.port.writes import HeadChange
from tests.storage.world import FINISHED, LEASE_MS, QUEUE, World, near, result, task, wanted


class TakingAlong:
    async def test_a_commit_brings_the_next_attempt_as_a_poll_would(self, world: World) -> None:
        job, first = await world.with_leased()
        waiting, second = await world.with_task(body=b"params", priority=7, attempt_ms=60_000)
        answer = await world.commit(job, result(first), end=FINISHED, wanted=wanted())
        [given] = answer.handouts or ()
        assert answer.outcome == "ok"
        assert (given.task_id, given.job, given.queue, given.body, given.lease_ms) == (
            second,
            waiting,
            QUEUE,
            b"params",
            LEASE_MS,
        )
        assert near(given.deadline_ms, world.now() + 60_000)
        assert given.loaded == await world.load(waiting)
        assert (await world.commit(waiting, result(second), end=FINISHED)).outcome == "ok"

    async def test_nothing_is_waited_for(self, world: World) -> None:
        job, first = await world.with_leased()
        answer = await world.commit(job, result(first), end=FINISHED, wanted=wanted())
        assert (answer.outcome, answer.handouts) == ("ok", ())

    async def test_an_attempt_that_the_commit_itself_has_queued_comes_along(self, world: World) -> None:
        job, first = await world.with_leased()
        answer = await world.commit(job, result(first), dispatch=task(f"{job}-second", body=b"next"), wanted=wanted())
        [given] = answer.handouts or ()
        assert (given.task_id, given.body) == (f"{job}-second", b"next")
        loaded = await world.load(job)
        assert given.loaded == loaded
        assert loaded.version == answer.version
        assert (await world.commit(job, result(given.task_id), end=FINISHED)).outcome == "ok"

    async def test_what_was_queued_before_comes_before_what_the_commit_queues(self, world: World) -> None:
        job, first = await world.with_leased()
        _, earlier = await world.with_task()
        answer = await world.commit(job, result(first), dispatch=task(f"{job}-second"), wanted=wanted())
        assert [one.task_id for one in answer.handouts or ()] == [earlier]
        assert await world.polled() == [f"{job}-second"]

    async def test_clients_take_turns_here_as_well(self, world: World) -> None:
        job, first = await world.with_leased()
        of_a = [(await world.with_task(client="a"))[1] for _ in range(2)]
        of_b = [(await world.with_task(client="b"))[1] for _ in range(2)]
        answer = await world.commit(
            job, result(first), end=FINISHED, wanted=wanted(max_tasks=3, strides={"a": 250_000})
        )
        assert [one.task_id for one in answer.handouts or ()] == [of_a[0], of_b[0], of_a[1]]
        assert await world.polled() == [of_b[1]]

    async def test_the_same_result_and_nonce_again_bring_the_same_attempt(self, world: World) -> None:
        job, first = await world.with_leased()
        _, second = await world.with_task()
        await world.with_task()
        asked = {"end": FINISHED, "version": 1, "wanted": wanted(nonce="n1")}
        taken = await world.commit(job, result(first), **asked)
        again = await world.commit(job, result(first), **asked)
        assert (taken.outcome, again.outcome) == ("ok", "duplicate")
        assert taken.handouts == again.handouts
        assert await world.polled(nonce="n1") == [second]

    @pytest.mark.parametrize("why", ["unknown", "mismatch", "lost", "closed", "parked"])
    async def test_a_worker_whose_result_does_not_count_gets_work_all_the_same(self, world: World, why: str) -> None:
        job, first = await world.with_leased()
        cause, version = result(first), 1
        match why:
            case "unknown":
                cause = result(f"{job}-never")
            case "mismatch":
                await world.commit(job, result(first, digest="other"), end=FINISHED)
            case "lost":
                await world.store.release("w1", [first])
            case "closed":
                await world.mailed(job, "cancel", end=FINISHED)
            case "parked":
                await world.status(job, "paused")
        _, second = await world.with_task(queue="other")
        answer = await world.commit(job, cause, version=version, end=FINISHED, wanted=wanted(queues=["other"]))
        assert (answer.outcome, [one.task_id for one in answer.handouts or ()]) == (why, [second])

    async def test_a_commit_that_comes_again_because_the_scope_moved_takes_nothing_before(self, world: World) -> None:
        job, first = await world.with_leased()
        _, second = await world.with_task()
        await world.mailed(job, "signal", keeps_task=True)
        moved = await world.commit(job, result(first), version=1, end=FINISHED, wanted=wanted())
        assert (moved.outcome, moved.handouts) == ("moved", None)
        answer = await world.commit(job, result(first), end=FINISHED, wanted=wanted())
        assert [one.task_id for one in answer.handouts or ()] == [second]

    async def test_tasks_of_parked_jobs_are_not_taken(self, world: World) -> None:
        job, first = await world.with_leased()
        paused, _ = await world.with_task()
        await world.status(paused, "paused")
        assert (await world.commit(job, result(first), end=FINISHED, wanted=wanted())).handouts == ()

    async def test_a_job_that_parks_itself_gives_nothing_out(self, world: World) -> None:
        job, first = await world.with_leased()
        parked = {"dispatch": task(f"{job}-second"), "head": HeadChange(status="quarantined", reason=b"{}")}
        assert (await world.commit(job, result(first), **parked, wanted=wanted())).handouts == ()

    async def test_the_worker_that_takes_need_not_be_the_one_of_the_cause(self, world: World) -> None:
        job, first = await world.with_leased()
        _, second = await world.with_task()
        answer = await world.commit(job, result(first), end=FINISHED, wanted=wanted("w2"))
        assert [one.task_id for one in answer.handouts or ()] == [second]
        assert await world.heartbeat(second, worker="w2") == []

    async def test_others_are_woken_for_what_is_left_and_only_then(self, world: World) -> None:
        job, first = await world.with_leased()
        await world.with_task(queue="full")
        await world.with_task(queue="full")
        world.heard.forget()
        queues = ["full", "own"]
        taken = await world.commit(
            job, result(first), dispatch=task(f"{job}-second", queue="own"), wanted=wanted(queues=queues, max_tasks=1)
        )
        assert [one.queue for one in taken.handouts or ()] == ["full"]
        await world.heard.of((world.partition, "full"))
        await world.heard.of((world.partition, "own"))

    async def test_nobody_is_woken_for_what_was_taken(self, world: World) -> None:
        job, first = await world.with_leased()
        world.heard.forget()
        taken = await world.commit(job, result(first), dispatch=task(f"{job}-second"), wanted=wanted())
        assert len(taken.handouts or ()) == 1
        await world.with_task(queue="told later")
        await world.heard.of((world.partition, "told later"))
        assert not world.heard.has_heard_of((world.partition, QUEUE))

    async def test_what_is_reserved_for_the_worker_comes_along(self, world: World) -> None:
        job, first = await world.with_leased(sticky="s")
        answer = await world.commit(
            job, result(first), dispatch=task(f"{job}-second", sticky="s"), wanted=wanted(reserved=True)
        )
        assert [one.task_id for one in answer.handouts or ()] == [f"{job}-second"]
        assert (await world.commit(job, result(f"{job}-second"), end=FINISHED)).outcome == "ok"

    async def test_it_stays_reserved_where_it_is_not_asked_for(self, world: World) -> None:
        job, first = await world.with_leased(sticky="s")
        answer = await world.commit(job, result(first), dispatch=task(f"{job}-second", sticky="s"), wanted=wanted())
        assert answer.handouts == ()
        assert await world.polled(reserved=True) == [f"{job}-second"]
