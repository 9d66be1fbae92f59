"""Promises about paused and quarantined jobs: all but operators' mail and the deadline waits, nothing is lost."""

from __future__ import annotations

import pytest

from avtomat.storage.port.store import ENDED_ATTEMPT_KEPT_MS
from avtomat.storage.port.writes import DueCause, MailCause
from tests.storage.world import FINISHED, LEASE_MS, QUEUE, REARM_MS, World, by, given_mail, mail, result, retry


@pytest.mark.parametrize("status", ["paused", "quarantined"])
class Parking:
    async def test_tasks_of_a_parked_job_are_not_given_out(self, world: World, status: str) -> None:
        job, first = await world.with_task()
        _, second = await world.with_task()
        await world.status(job, status)
        assert await world.polled(max_tasks=1) == [second]
        assert await world.polled() == []
        await world.status(job, "open")
        assert await world.polled() == [first]

    async def test_a_job_that_goes_on_finds_its_tasks_in_their_old_place(self, world: World, status: str) -> None:
        (job, first), (_, second) = [await world.with_task() for _ in range(2)]
        await world.status(job, status)
        await world.poll(max_tasks=0)
        world.heard.forget()
        await world.status(job, "open")
        await world.heard.of((world.partition, QUEUE))
        assert await world.polled() == [first, second]

    async def test_a_poll_of_a_parked_jobs_task_does_not_hide_others(self, world: World, status: str) -> None:
        for _ in range(3):
            parked, _ = await world.with_task(priority=9)
            await world.status(parked, status)
        _, task_id = await world.with_task()
        assert await world.polled(max_tasks=1) == [task_id]

    async def test_a_result_is_accepted_and_waits_as_mail(self, world: World, status: str) -> None:
        job, task_id = await world.with_leased()
        await world.status(job, status)
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "parked"
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "duplicate"
        assert (await world.commit(job, result(task_id, digest="x"))).outcome == "mismatch"
        assert await world.watch(LEASE_MS * 2) == []
        await world.status(job, "open")
        [due] = await world.due()
        assert due.mail is not None
        assert (due.mail.id, due.mail.kind, due.mail.body) == (f"result:{task_id}", "result", b"event")
        await world.commit(job, MailCause(id=due.mail.id), dispatch=retry(f"{job}-2", 2))
        [given] = await world.poll()
        assert (given.body, given.queue) == (b"{}", QUEUE)

    async def test_the_taken_result_is_known_after_15_minutes_no_more_but_kept(self, world: World, status: str) -> None:
        job, task_id = await world.with_leased()
        await world.status(job, status)
        await world.commit(job, result(task_id))
        world.clock.advance(ENDED_ATTEMPT_KEPT_MS + 1_000)
        assert (await world.commit(job, result(task_id))).outcome == "unknown"
        await world.status(job, "open")
        assert given_mail(await world.due()) == [f"result:{task_id}"]

    async def test_timers_and_mail_wait(self, world: World, status: str) -> None:
        job = await world.create(timer_ms=world.now() + 10_000)
        world.clock.advance(11_000)
        [timer] = await world.due()
        await world.store.deliver(job, mail("m1"))
        await world.status(job, status)
        assert (await world.commit(job, by(timer), end=FINISHED)).outcome == "parked"
        assert (await world.commit(job, MailCause(id="m1"), end=FINISHED)).outcome == "parked"
        assert await world.watch(REARM_MS * 20) == []
        await world.status(job, "open")
        assert await world.due_of(job) == [("mail", "/", 0), ("timer", "/", 1)]

    async def test_operators_mail_passes_what_waits_before_it(self, world: World, status: str) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.status(job, status)
        await world.store.deliver(job, mail("m1"))
        assert await world.due() == []
        for number, kind in enumerate(("cancel", "pause", "resume", "operate")):
            name = f"o{number}"
            await world.store.deliver(job, mail(name, kind))
            assert given_mail(await world.due()) == [name]
            assert (await world.commit(job, MailCause(id=name), keeps_task=True)).outcome == "ok"
        await world.status(job, "open")
        assert given_mail(await world.due()) == ["m1"]

    async def test_the_deadline_passes(self, world: World, status: str) -> None:
        new = world.new(deadline_ms=world.now() + 10_000)
        await world.store.create(new)
        await world.status(new.job, status)
        world.clock.advance(11_000)
        [deadline] = await world.due()
        assert deadline.kind == "deadline"
        assert (await world.commit(new.job, by(deadline), end=FINISHED)).outcome == "ok"

    async def test_leases_are_kept_alive_and_their_loss_waits(self, world: World, status: str) -> None:
        job, task_id = await world.with_leased()
        await world.status(job, status)
        assert await world.heartbeat(task_id) == []
        assert await world.watch(LEASE_MS * 2) == []
        await world.status(job, "open")
        assert [due.kind for due in await world.due()] == ["lease"]

    async def test_a_delayed_task_waits_and_goes_on(self, world: World, status: str) -> None:
        job, task_id = await world.with_task(not_before_ms=world.now() + 10_000)
        await world.status(job, status)
        await world.watch(20_000)
        assert await world.polled() == []
        await world.status(job, "open")
        await world.due()
        assert await world.polled() == [task_id]

    async def test_a_released_task_waits(self, world: World, status: str) -> None:
        job, task_id = await world.with_leased()
        await world.status(job, status)
        await world.store.release("w1", [task_id])
        assert await world.polled() == []
        await world.status(job, "open")
        assert await world.polled() == [task_id]

    async def test_a_scope_that_may_begin_waits(self, world: World, status: str) -> None:
        job, [path] = await world.with_fork(1)
        await world.status(job, status)
        assert await world.due() == []
        assert (await world.begin(job, path, end=FINISHED)).outcome == "parked"
        await world.status(job, "open")
        assert (await world.begin(job, path, end=FINISHED)).outcome == "ok"


class Poison:
    async def test_a_quarantine_parks_the_job_with_its_reason_and_one_entry(self, world: World) -> None:
        job, _ = await world.with_task()
        for _ in range(2):
            assert await world.store.quarantine(job, "/", None, b"why", b"record")
        row = await world.store.show(job)
        assert row is not None
        assert (row.status, row.reason, row.seq) == ("quarantined", b"why", 2)
        entry = (await world.store.history(job, 1, 10))[0]
        assert (entry.cause, entry.record) == ("quarantine", b"record")
        assert (await world.load(job)).version == 1
        assert await world.polled() == []

    async def test_an_unknown_or_ended_job_cannot_be_quarantined(self, world: World) -> None:
        assert not await world.store.quarantine(world.name(), "/", None, b"why", b"record")
        job = await world.create(end=FINISHED)
        assert not await world.store.quarantine(job, "/", None, b"why", b"record")

    async def test_what_poisoned_the_job_is_tried_again_when_it_goes_on(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 1_000)
        await world.store.deliver(job, mail("m1"))
        given = await world.watch(REARM_MS * 3)
        timer = next(due for due in given if due.kind == "timer")
        assert await world.store.quarantine(job, "/", by(timer), b"why", b"record")
        assert await world.store.quarantine(job, "/", MailCause(id="m1"), b"why", b"record")
        assert await world.watch(REARM_MS * 20) == []
        await world.status(job, "open")
        again = await world.due()
        assert sorted((due.kind.value, due.returned) for due in again) == [("mail", 1), ("timer", 1)]

    async def test_a_result_that_poisons_the_job_is_kept_as_mail(self, world: World) -> None:
        job, task_id = await world.with_leased()
        assert await world.store.quarantine(job, "/", result(task_id), b"why", b"record")
        assert (await world.commit(job, result(task_id))).outcome == "duplicate"
        await world.status(job, "open")
        assert given_mail(await world.due()) == [f"result:{task_id}"]

    async def test_what_passes_even_now_is_used_up(self, world: World) -> None:
        new = world.new(deadline_ms=world.now() + 1_000)
        await world.store.create(new)
        await world.store.deliver(new.job, mail("m1", "cancel"))
        world.clock.advance(2_000)
        deadline = DueCause(kind="deadline", number=0)
        assert await world.due_of(new.job) == [("deadline", "/", 0), ("mail", "/", 0)]
        for cause in (deadline, MailCause(id="m1")):
            assert await world.store.quarantine(new.job, "/", cause, b"why", b"record")
        assert await world.watch(REARM_MS * 3) == []
