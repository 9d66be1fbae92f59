"""Promises about time: what is due is given out until it is answered, and what was kept long enough leaves."""

from __future__ import annotations

from avtomat.storage.port.rules import PROGRAM_KEPT_MS
from avtomat.storage.port.store import DUE_RETURNS_MAX, ENDED_ATTEMPT_KEPT_MS
from avtomat.storage.port.writes import DueCause, HeadChange
from tests.storage.world import (
    FINISHED,
    LEASE_MS,
    QUEUE,
    REARM_MS,
    RETENTION_MS,
    World,
    by,
    change,
    near,
    result,
    task,
)


class DueMembers:
    async def test_a_timer_comes_due_at_its_time_and_is_fenced_by_its_visit(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 30_000, visit=4)
        world.clock.advance(28_000)
        assert await world.due() == []
        world.clock.advance(3_000)
        [timer] = await world.due()
        assert (timer.kind, timer.job, timer.path, timer.number, timer.returned) == ("timer", job, "/", 4, 1)
        assert timer.loaded == await world.load(job)
        wrong = DueCause(kind="timer", number=3)
        assert (await world.commit(job, wrong, end=FINISHED)).outcome == "unknown"
        assert (await world.commit(job, by(timer), end=FINISHED)).outcome == "ok"

    async def test_a_member_comes_back_until_it_is_answered_ever_more_slowly(self, world: World) -> None:
        await world.create(timer_ms=world.now() + 1_000)
        world.clock.advance(2_000)
        waits = [1, 2, 4, 8, 16, 16]
        for number, wait in enumerate(waits, 1):
            assert [due.returned for due in await world.due()] == [number]
            assert await world.due() == []
            world.clock.advance(REARM_MS * wait - 2_000)
            assert await world.due() == []
            world.clock.advance(2_000)
        assert len(waits) > DUE_RETURNS_MAX

    async def test_an_answered_member_does_not_come_back(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 1_000)
        world.clock.advance(2_000)
        [timer] = await world.due()
        await world.commit(job, by(timer), dispatch=task(f"{job}-a"))
        assert await world.watch(REARM_MS * 20) == []

    async def test_a_timer_that_was_set_again_comes_at_the_new_time(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10_000)
        await world.mailed(job, "operate", timer_ms=world.now() + 50_000, keeps_task=True)
        world.clock.advance(48_000)
        assert await world.due() == []
        world.clock.advance(3_000)
        assert await world.due_of(job) == [("timer", "/", 1)]

    async def test_no_more_is_given_out_than_was_asked_for(self, world: World) -> None:
        jobs = {await world.create(timer_ms=world.now() + 1_000) for _ in range(5)}
        world.clock.advance(2_000)
        batches = [await world.due(limit=2) for _ in range(4)]
        assert all(len(batch) <= 2 for batch in batches)
        assert {due.job for batch in batches for due in batch} == jobs

    async def test_the_earliest_member_tells_when_to_look_again(self, world: World) -> None:
        assert await world.store.next_due_ms(world.partition) is None
        first, second = world.now() + 40_000, world.now() + 20_000
        await world.create(timer_ms=first)
        job = await world.create(timer_ms=second)
        assert await world.store.next_due_ms(world.partition) == second
        world.clock.advance(21_000)
        [timer] = await world.due()
        assert near(await world.store.next_due_ms(world.partition), world.now() + REARM_MS)
        await world.commit(job, by(timer), end=FINISHED)
        assert await world.store.next_due_ms(world.partition) == first

    async def test_a_delayed_task_is_queued_at_its_time_by_the_store_alone(self, world: World) -> None:
        job, task_id = await world.with_task(not_before_ms=world.now() + 30_000, queue_ms=20_000)
        world.heard.forget()
        world.clock.advance(28_000)
        assert await world.due() == []
        assert await world.polled() == []
        world.clock.advance(3_000)
        assert await world.due() == []
        await world.heard.of((world.partition, QUEUE))
        world.clock.advance(18_000)
        assert await world.due() == []
        world.clock.advance(3_000)
        assert await world.due_of(job) == [("queue", "/", 1)]
        assert await world.polled() == [task_id]

    async def test_delayed_tasks_are_queued_in_the_order_of_their_times(self, world: World) -> None:
        now = world.now()
        ids = [(await world.with_task(not_before_ms=now + delay))[1] for delay in (30_000, 10_000, 20_000)]
        world.clock.advance(31_000)
        await world.due()
        assert await world.polled() == [ids[1], ids[2], ids[0]]

    async def test_the_total_limit_counts_in_every_phase(self, world: World) -> None:
        total = world.now() + 40_000
        delayed, _ = await world.with_task(total_at_ms=total, not_before_ms=total + 10_000)
        queued, _ = await world.with_task(total_at_ms=total, queue="other", queue_ms=60_000)
        leased, task_id = await world.with_leased(total_at_ms=total, attempt_ms=60_000)
        given = await world.watch(32_000)
        assert [due.kind for due in given] == ["lease"]
        await world.heartbeat(task_id)
        totals = [(due.job, due.kind.value, due.number) for due in await world.watch(9_000) if due.kind != "lease"]
        assert sorted(totals) == sorted((job, "total", 1) for job in (delayed, queued, leased))

    async def test_an_attempt_has_one_member_its_earliest_limit(self, world: World) -> None:
        job, task_id = await world.with_leased(attempt_ms=20_000)
        members = [member for member in (await world.dump())["due"] if member["job"] == job]
        assert [(member["kind"], member["number"]) for member in members] == [("attempt", 1)]
        [timeout] = await world.watch(21_000)
        assert await world.heartbeat(task_id) == []
        assert (await world.commit(job, by(timeout), end=FINISHED)).outcome == "ok"

    async def test_the_deadline_of_a_job_comes_due(self, world: World) -> None:
        new = world.new(deadline_ms=world.now() + 30_000)
        await world.store.create(new)
        world.clock.advance(31_000)
        assert await world.due_of(new.job) == [("deadline", "/", 0)]
        assert (await world.commit(new.job, DueCause(kind="deadline", number=0), end=FINISHED)).outcome == "ok"

    async def test_a_deadline_may_be_moved_and_removed(self, world: World) -> None:
        new = world.new(deadline_ms=world.now() + 30_000)
        await world.store.create(new)
        later = HeadChange(deadline_ms=world.now() + 60_000)
        await world.mailed(new.job, "operate", keeps_task=True, head=later)
        world.clock.advance(40_000)
        assert await world.due() == []
        await world.mailed(new.job, "operate", keeps_task=True, head=HeadChange(deadline_ms=0))
        world.clock.advance(40_000)
        assert await world.due() == []

    async def test_a_dismissed_limit_gives_way_to_the_next(self, world: World) -> None:
        job, _ = await world.with_leased(attempt_ms=10_000)
        [timeout] = await world.watch(11_000)
        await world.store.dismiss(job, "/", by(timeout))
        assert [due.kind for due in await world.watch(20_000)] == ["lease"]
        assert (await world.load(job)).version == 1

    async def test_a_lost_lease_cannot_be_dismissed(self, world: World) -> None:
        job, _ = await world.with_leased()
        [lost] = await world.watch(LEASE_MS + 1_000)
        await world.store.dismiss(job, "/", by(lost))
        assert [due.kind for due in await world.watch(REARM_MS + 1_000)] == ["lease"]

    async def test_dismissing_what_is_not_there_does_nothing(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 60_000)
        before = await world.dump()
        await world.store.dismiss(job, "/", DueCause(kind="deadline", number=0))
        await world.store.dismiss(job, "/1.0", DueCause(kind="timer", number=0))
        await world.store.dismiss(world.name(), "/", DueCause(kind="timer", number=0))
        assert await world.dump() == before


class OutageOfReplicas:
    async def test_leases_that_ended_while_nobody_looked_are_first_extended_once(self, world: World) -> None:
        _job, _task_id = await world.with_leased()
        await world.due()
        world.clock.advance(120_000)
        assert await world.due() == []
        assert await world.watch(LEASE_MS - 2_000) == []
        assert [due.kind for due in await world.watch(3_000)] == ["lease"]

    async def test_a_worker_that_comes_back_after_an_outage_keeps_its_attempt(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.due()
        world.clock.advance(120_000)
        assert await world.due() == []
        assert await world.heartbeat(task_id) == []
        assert await world.watch(LEASE_MS - 2_000) == []
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "ok"

    async def test_an_outage_is_over_only_when_all_was_looked_at(self, world: World) -> None:
        for _ in range(4):
            await world.with_leased()
        await world.due()
        world.clock.advance(120_000)
        assert [await world.due(limit=2) for _ in range(3)] == [[], [], []]

    async def test_timeouts_are_not_extended_by_an_outage(self, world: World) -> None:
        job, _ = await world.with_leased(attempt_ms=20_000)
        await world.due()
        world.clock.advance(120_000)
        assert await world.due_of(job) == [("attempt", "/", 1)]


class Lifetimes:
    async def test_an_ended_job_leaves_after_its_retention_with_its_key(self, world: World) -> None:
        new = world.keyed("c1", "k")
        await world.store.create(new)
        world.partition = int(new.job[:2], 16)
        await world.mailed(new.job, "cancel", end=FINISHED, values={"v": b"1"})
        world.clock.advance(RETENTION_MS - 10_000)
        assert await world.store.trim(world.partition, 10) == 0
        assert await world.store.key("c1", "k") is not None
        world.clock.advance(11_000)
        assert await world.store.trim(world.partition, 10) == 1
        assert await world.store.show(new.job) is None
        assert await world.store.key("c1", "k") is None
        assert await world.store.history(new.job, 0, 10) == []
        assert await world.store.values(new.job, ["v"]) == [None]
        assert await world.store.load(new.job) is None
        assert (await world.store.create(world.new(job=world.name(), key="k"))).fresh

    async def test_an_open_job_never_leaves(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**12)
        world.clock.advance(RETENTION_MS * 10)
        assert await world.store.trim(world.partition, 10) == 0
        assert await world.store.show(job) is not None

    async def test_jobs_leave_in_batches_the_oldest_first(self, world: World) -> None:
        jobs = []
        for _ in range(3):
            jobs.append(await world.create(end=FINISHED))
            world.clock.advance(1_000)
        world.clock.advance(RETENTION_MS)
        assert await world.store.trim(world.partition, 2) == 2
        assert sorted((await world.dump())["jobs"]) == [jobs[2]]
        assert await world.store.trim(world.partition, 2) == 1

    async def test_each_job_has_its_own_retention(self, world: World) -> None:
        short = world.new(writes=change(end=FINISHED), retention_ms=10_000)
        await world.store.create(short)
        await world.create(end=FINISHED)
        world.clock.advance(11_000)
        assert await world.store.trim(world.partition, 10) == 1
        assert await world.store.show(short.job) is None

    async def test_a_program_stays_as_long_as_a_job_needs_it(self, world: World) -> None:
        await world.store.put_programs({"d1": "needed", "d2": "old"})
        job = await world.create(timer_ms=world.now() + 10**12)
        world.clock.advance(PROGRAM_KEPT_MS - 60_000)
        await world.store.put_programs({"d3": "asked for"})
        world.clock.advance(120_000)
        for partition in range(world.store.partitions):
            await world.store.trim(partition, 10)
        kept = [digest for digest in ("d1", "d2", "d3") if await world.store.program(digest)]
        assert kept == ["d1", "d3"]
        await world.mailed(job, "cancel", end=FINISHED)

    async def test_records_of_ended_attempts_are_forgotten(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), timer_ms=world.now() + 10**9)
        world.clock.advance(ENDED_ATTEMPT_KEPT_MS + 1_000)
        for _ in range(10):
            if not await world.store.sweep(world.partition, 100):
                break
        assert await world.store.sweep(world.partition, 100) == 0
        assert (await world.dump())["jobs"][job]["ended_attempts"] == {}
