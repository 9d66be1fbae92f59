"""Promises about sticky names: a task waits a moment for the worker that had the last one of its name."""

from __future__ import annotations

from avtomat.storage.port.store import STICKY_GRACE_MS, STICKY_KEPT_MS
from tests.storage.world import FINISHED, QUEUE, WORKER, World, result, retry

OTHER = "w2"


async def bound(world: World, name: str = "ann", worker: str = WORKER) -> None:
    """This worker took, and did, the last task of this name."""
    job, task_id = await world.with_task(sticky=name)
    given = await world.poll(worker, reserved=True)
    assert [one.task_id for one in given] == [task_id]
    await world.commit(job, result(task_id, worker=worker), end=FINISHED)


class Sticky:
    async def test_a_task_is_for_the_worker_that_had_the_last_one_of_its_name(self, world: World) -> None:
        await bound(world)
        _, task_id = await world.with_task(sticky="ann")

        assert await world.polled(worker=OTHER) == []
        assert await world.polled(worker=OTHER, reserved=True) == []
        assert await world.polled() == []
        assert await world.polled(reserved=True) == [task_id]

    async def test_once_the_grace_is_over_it_is_for_all_and_who_takes_it_has_the_name(self, world: World) -> None:
        await bound(world)
        job, task_id = await world.with_task(sticky="ann")
        world.clock.advance(STICKY_GRACE_MS)
        assert await world.due() == []

        assert await world.polled(reserved=True, worker="w3", queues=["other"]) == []
        assert await world.polled(worker=OTHER) == [task_id]
        await world.commit(job, result(task_id, worker=OTHER), end=FINISHED)
        _, next_id = await world.with_task(sticky="ann")
        assert await world.polled(reserved=True) == []
        assert await world.polled(worker=OTHER, reserved=True) == [next_id]

    async def test_tasks_of_other_names_and_of_none_are_for_all(self, world: World) -> None:
        await bound(world)
        _, bobs = await world.with_task(sticky="bob")
        _, plain = await world.with_task()

        assert await world.polled(worker=OTHER) == [bobs, plain]

    async def test_who_takes_a_reserved_task_takes_others_too(self, world: World) -> None:
        await bound(world)
        _, plain = await world.with_task()
        _, anns = await world.with_task(sticky="ann")
        _, second = await world.with_task(sticky="ann")

        assert await world.polled(reserved=True, max_tasks=2) == [anns, second]
        assert await world.polled(reserved=True) == [plain]

    async def test_a_reserved_task_of_another_queue_is_left(self, world: World) -> None:
        await bound(world)
        _, task_id = await world.with_task(sticky="ann", queue="other")

        assert await world.polled(reserved=True) == []
        assert await world.polled(reserved=True, queues=[QUEUE, "other"]) == [task_id]

    async def test_a_name_is_remembered_for_a_time_after_its_last_task(self, world: World) -> None:
        await bound(world)
        world.clock.advance(STICKY_KEPT_MS - 1_000)
        await bound(world)
        world.clock.advance(STICKY_KEPT_MS - 1_000)
        _, task_id = await world.with_task(sticky="ann")
        assert await world.polled(worker=OTHER) == []
        assert await world.polled(reserved=True) == [task_id]
        world.clock.advance(STICKY_KEPT_MS + 1_000)
        _, late = await world.with_task(sticky="ann")
        assert await world.polled(worker=OTHER) == [late]

    async def test_it_is_shown_for_whom_a_task_waits_and_until_when(self, world: World) -> None:
        await bound(world)
        job, _ = await world.with_task(sticky="ann")

        row = await world.store.show(job)

        assert row is not None
        [task] = row.tasks
        assert (task.phase, task.worker) == ("delayed", WORKER)
        assert task.due_ms is not None
        assert abs(task.due_ms - world.now() - STICKY_GRACE_MS) < 1_000

    async def test_once_it_is_queued_it_is_reserved_for_nobody(self, world: World) -> None:
        await bound(world)
        job, _ = await world.with_task(sticky="ann")
        world.clock.advance(STICKY_GRACE_MS)
        await world.due()

        row = await world.store.show(job)

        assert row is not None
        assert [(task.phase, task.worker) for task in row.tasks] == [("queued", None)]

    async def test_a_retry_is_for_all(self, world: World) -> None:
        await bound(world)
        job, task_id = await world.with_task(sticky="ann")
        await world.poll(reserved=True)
        await world.commit(job, result(task_id), dispatch=retry(f"{job}-2", 2))

        assert await world.polled(worker=OTHER) == [f"{job}-2"]

    async def test_one_that_is_given_back_is_for_all(self, world: World) -> None:
        await bound(world)
        _, task_id = await world.with_task(sticky="ann")
        await world.poll(reserved=True)
        await world.store.release(WORKER, [task_id])

        assert await world.polled(worker=OTHER) == [task_id]

    async def test_who_awaits_a_task_has_no_say_about_it(self, world: World) -> None:
        await bound(world)
        job, task_id = await world.with_task(sticky="ann")

        assert await world.heartbeat(task_id) == []
        await world.store.release(WORKER, [task_id])
        answer = await world.commit(job, result(task_id), end=FINISHED)

        assert (answer.outcome, answer.reason) == ("lost", "released")
        assert await world.polled(worker=OTHER) == []
        assert await world.polled(reserved=True) == [task_id]

    async def test_a_task_of_a_paused_job_is_handed_out_to_nobody(self, world: World) -> None:
        await bound(world)
        job, task_id = await world.with_task(sticky="ann")
        await world.status(job, "paused")
        assert await world.polled(reserved=True) == []
        await world.status(job, "open")

        assert await world.polled(reserved=True) == [task_id]

    async def test_a_task_of_a_job_that_ended_is_gone(self, world: World) -> None:
        await bound(world)
        job, _ = await world.with_task(sticky="ann")
        await world.mailed(job, "cancel", end=FINISHED)

        assert await world.polled(reserved=True) == []
        world.clock.advance(STICKY_GRACE_MS * 2)
        assert await world.due() == []
        assert await world.polled(reserved=True) == []

    async def test_replicas_are_told_for_whom_something_is_reserved(self, world: World) -> None:
        await bound(world)
        world.heard.forget()
        await world.with_task(sticky="ann")

        await world.heard.of((world.partition, WORKER, "reserved"))
