"""Promises about children: jobs that begin with a commit of another one, and are at work on one of its attempts."""

from __future__ import annotations

from typing import Any

from avtomat.storage.port.answers import Committed, Due, OpenTask, Query
from avtomat.storage.port.store import CLOSE_AT_ONCE_MAX, DECLINED
from avtomat.storage.port.writes import HeadChange, MailCause, NewJob
from tests.storage.world import CANCELLED, FAILED, FINISHED, QUEUE, RETENTION_MS, World, change, fork, result, task

COMPENSATING = HeadChange(status="compensating")


def child_of(world: World, parent: str, task_id: str, **fields: Any) -> NewJob:
    """A job that answers this attempt; it waits for a worker unless `writes` says otherwise."""
    name = world.name()
    known: dict[str, Any] = {"job": name, "parent": parent, "answers": task_id, "blueprint": "b2", "digest": "d2"}
    known |= {"writes": change(dispatch=task(world.first_task(name)))}
    return world.new(**known | fields)


def held(task_id: str, child: NewJob, **fields: Any) -> Any:
    """An attempt that this job is at work on."""
    return task(task_id, queue="avtomat.run", child=child, **fields)


async def with_child(world: World, **fields: Any) -> tuple[str, NewJob]:
    """A job whose root waits for a child; the job and the child."""
    parent = world.name()
    child = child_of(world, parent, world.first_task(parent), **fields)
    await world.create_as(parent, dispatch=held(world.first_task(parent), child))
    return parent, child


async def end_child(world: World, child: str, **fields: Any) -> Committed:
    """Let the child's worker take its task and end it."""
    [given] = await world.poll()
    return await world.commit(child, result(given.task_id), **{"end": FINISHED} | fields)


async def mails(world: World, job: str) -> list[tuple[str, str, bytes]]:
    """Path, kind and body of the mail that is due for a job."""
    found: list[Due] = [due for due in await world.due() if due.job == job and due.mail is not None]
    return [(due.path, due.mail.kind, due.mail.body) for due in found if due.mail is not None]


async def open_tasks(world: World, job: str) -> tuple[OpenTask, ...]:
    """What the row of the job shows of its attempts."""
    row = await world.store.show(job)
    assert row is not None
    return row.tasks


class Children:
    async def test_a_child_begins_in_the_step_of_its_parent(self, world: World) -> None:
        parent, child = await with_child(world)
        row = await world.store.show(child.job)
        assert row is not None
        assert (row.status, row.blueprint, row.client) == ("open", "b2", "c1")
        [waited] = await open_tasks(world, parent)
        assert (waited.phase, waited.worker, waited.queue) == ("child", child.job, "avtomat.run")
        assert await world.polled(queues=["avtomat.run"]) == []
        assert await world.polled() == [world.first_task(child.job)]
        counts = await world.store.counts()
        assert (counts["leases"], counts["open"]) == (1, 2)

    async def test_a_commit_begins_a_child_and_other_jobs_as_well(self, world: World) -> None:
        parent, task_id = await world.with_leased()
        child = child_of(world, parent, f"{parent}-child")
        other = world.new(parent=parent)
        order = held(f"{parent}-child", child)
        done = await world.commit(parent, result(task_id), dispatch=order, jobs=(other,))
        assert done.outcome == "ok"
        again = await world.commit(parent, result(task_id), version=1, dispatch=order, jobs=(other,))
        assert again.outcome == "duplicate"
        page = await world.store.list_jobs(Query(parent=parent))
        assert sorted(row.job for row in page.rows) == sorted([child.job, other.job])

    async def test_who_waits_for_the_childs_queue_hears_of_its_task(self, world: World) -> None:
        _, child = await with_child(world)
        await world.heard.of((world.partition, QUEUE))
        assert child.answers is not None

    async def test_the_end_of_a_child_is_mailed_to_the_scope_that_waits(self, world: World) -> None:
        parent, child = await with_child(world)
        assert (await end_child(world, child.job)).outcome == "ok"
        assert await mails(world, parent) == [("/", "child", f"finished {child.job}\n42".encode())]
        assert await open_tasks(world, parent) == ()
        cause = MailCause(id=f"child:{world.first_task(parent)}")
        assert (await world.commit(parent, cause, end=FINISHED)).outcome == "ok"
        assert (await world.commit(parent, cause, version=2, end=FINISHED)).outcome == "unknown"

    async def test_the_error_of_a_child_is_mailed_as_it_is(self, world: World) -> None:
        parent, child = await with_child(world)
        await end_child(world, child.job, end=FAILED)
        assert await mails(world, parent) == [("/", "child", f"failed {child.job}\nbroken".encode())]

    async def test_a_child_that_was_cancelled_may_have_no_error(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.mailed(child.job, "cancel", end=CANCELLED)
        assert await mails(world, parent) == [("/", "child", f"cancelled {child.job}\n".encode())]

    async def test_a_large_result_of_a_child_is_mailed_whole(self, world: World) -> None:
        parent, child = await with_child(world)
        large = b'"' + b"x" * 40_000 + b'"'
        [given] = await world.poll()
        end = FINISHED.__class__(ok=True, status="finished", output=b"[" + large + b"]")
        writes = {"end": end, "scope": b"scope " + large, "record": b"record " + large, "shared": large}
        assert (await world.commit(child.job, result(given.task_id), **writes)).outcome == "ok"
        [(_, _, body)] = await mails(world, parent)
        assert body == f"finished {child.job}\n[".encode() + large + b"]"
        row = await world.store.show(child.job)
        assert row is not None
        assert row.result == b"[" + large + b"]"

    async def test_a_child_may_end_in_the_step_that_begins_it(self, world: World) -> None:
        parent, child = await with_child(world, writes=change(end=FINISHED))
        row = await world.store.show(child.job)
        assert row is not None
        assert row.status == "finished"
        assert await mails(world, parent) == [("/", "child", f"finished {child.job}\n42".encode())]

    async def test_children_may_begin_children_in_one_step(self, world: World) -> None:
        parent, middle = world.name(), world.name()
        inner = child_of(world, middle, f"{middle}-run", writes=change(end=FINISHED))
        outer = child_of(
            world, parent, f"{parent}-run", job=middle, writes=change(dispatch=held(f"{middle}-run", inner))
        )
        await world.create_as(parent, dispatch=held(f"{parent}-run", outer))
        assert [one.phase for one in await open_tasks(world, parent)] == ["child"]
        assert await mails(world, middle) == [("/", "child", f"finished {inner.job}\n42".encode())]

    async def test_a_child_that_forks_begins_its_bodies_by_what_is_due(self, world: World) -> None:
        parent, child = await with_child(world, writes=change(fork=fork(2)))
        assert await world.due_of(child.job) == [("begin", "/1.0", 0), ("begin", "/1.1", 0)]
        assert await world.due_of(parent) == []

    async def test_the_end_of_a_child_waits_while_its_parent_is_parked(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.status(parent, "paused")
        await end_child(world, child.job)
        assert await mails(world, parent) == []
        await world.status(parent, "open")
        assert [kind for _, kind, _ in await mails(world, parent)] == ["child"]

    async def test_a_parent_that_goes_on_cancels_its_child(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.mailed(parent, "operate", timer_ms=world.now() + 10**8)
        [(path, kind, body)] = await mails(world, child.job)
        assert (path, kind) == ("/", "cancel")
        assert b'"compensate":true' in body
        [held_one] = await world.store.held(parent, 10)
        assert (held_one.worker, held_one.until_ms) == (child.job, 0)
        assert (await world.dump())["jobs"][parent]["live_leases"] == 1
        await world.commit(child.job, MailCause(id="parent:left"), end=CANCELLED)
        assert (await world.dump())["jobs"][parent]["live_leases"] == 0
        assert await mails(world, parent) == []

    async def test_the_undos_of_a_parent_wait_for_its_children(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.mailed(parent, "cancel", head=COMPENSATING)
        assert [kind for _, kind, _ in await mails(world, child.job)] == ["cancel"]
        assert await mails(world, parent) == []
        await world.commit(child.job, MailCause(id="parent:left"), end=CANCELLED)
        assert [kind for _, kind, _ in await mails(world, parent)] == ["unwind"]

    async def test_a_parent_that_ends_leaves_its_child_to_undo(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.mailed(parent, "cancel", end=CANCELLED)
        [(_, _, body)] = await mails(world, child.job)
        assert b'"compensate":true' in body
        assert (await end_child(world, child.job)).outcome == "ok"
        assert await mails(world, parent) == []

    async def test_a_parent_that_declines_undoing_declines_it_for_its_children(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.mailed(parent, "cancel", end=CANCELLED, dead_because=DECLINED)
        [(_, _, body)] = await mails(world, child.job)
        assert b'"compensate":false' in body

    async def test_children_that_undo_are_told_when_that_is_declined_later(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.mailed(parent, "cancel", head=COMPENSATING)
        await world.commit(child.job, MailCause(id="parent:left"), timer_ms=world.now() + 10**8)
        await world.mailed(parent, "cancel", end=CANCELLED, dead_because=DECLINED)
        [(_, _, body)] = await mails(world, child.job)
        assert b'"compensate":false' in body

    async def test_a_paused_child_is_cancelled_all_the_same(self, world: World) -> None:
        parent, child = await with_child(world)
        await world.status(child.job, "paused")
        await world.mailed(parent, "operate", timer_ms=world.now() + 10**8)
        assert [kind for _, kind, _ in await mails(world, child.job)] == ["cancel"]

    async def test_children_of_many_bodies_are_cancelled_by_and_by(self, world: World) -> None:
        count = CLOSE_AT_ONCE_MAX + 30
        parent, paths = await world.with_fork(count)
        children = []
        for path in paths:
            task_id = f"{parent}-{path[1:].replace('.', '_')}"
            children.append(child_of(world, parent, task_id, writes=change(timer_ms=world.now() + 10**8)))
            begun = await world.begin(parent, path, dispatch=held(task_id, children[-1]))
            assert begun.outcome == "ok"
        await world.mailed(parent, "operate", head=COMPENSATING, close=("/1",))
        while await world.store.sweep(world.partition, 50):
            pass
        for child in children[:-1]:
            await world.commit(child.job, MailCause(id="parent:left"), end=CANCELLED)
        assert await mails(world, parent) == []
        await world.commit(children[-1].job, MailCause(id="parent:left"), end=CANCELLED)
        assert [kind for _, kind, _ in await mails(world, parent)] == ["unwind"]

    async def test_no_worker_can_answer_for_a_child(self, world: World) -> None:
        parent, child = await with_child(world)
        task_id = world.first_task(parent)
        answer = await world.commit(parent, result(task_id, worker=child.job), end=FINISHED)
        assert answer.outcome == "mismatch"
        await world.store.release(child.job, [task_id])
        assert await world.heartbeat(task_id, worker=child.job) == []
        assert [one.phase for one in await open_tasks(world, parent)] == ["child"]
        await world.mailed(parent, "operate", timer_ms=world.now() + 10**8)
        await world.store.release(child.job, [task_id])
        answer = await world.commit(parent, result(task_id, worker=child.job), end=FINISHED)
        assert answer.outcome == "mismatch"
        assert (await world.dump())["jobs"][parent]["live_leases"] == 1

    async def test_a_child_knows_its_parent_for_good(self, world: World) -> None:
        parent, child = await with_child(world)
        other, _ = await world.with_task()
        await end_child_of_two(world, child.job)

        async def listed(**wanted: Any) -> list[str]:
            return sorted(row.job for row in (await world.store.list_jobs(Query(**wanted))).rows)

        assert await listed(parent=parent) == [child.job]
        assert await listed(parent=parent, status="finished") == [child.job]
        assert await listed(parent=parent, status="open") == []
        assert await listed(parent="") == sorted([parent, other])
        assert await listed(parent="", client="c1", status="open") == sorted([parent, other])
        assert await listed() == sorted([parent, other, child.job])
        assert await listed(blueprint="b2") == [child.job]

    async def test_children_are_listed_by_pages(self, world: World) -> None:
        parent = await world.create(timer_ms=world.now() + 10**8)
        made = []
        for _ in range(5):
            new = world.new(parent=parent)
            await world.store.create(new)
            made.append(new.job)
        found, cursor = [], None
        while True:
            page = await world.store.list_jobs(Query(parent=parent, limit=2, cursor=cursor))
            found += [row.job for row in page.rows]
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(found) == sorted(made)

    async def test_programs_that_a_job_may_need_stay_with_it(self, world: World) -> None:
        await world.store.put_programs({"d1": "{}", "later": "{}", "other": "{}"})
        new = world.new(needs=("later",), writes=change(timer_ms=world.now() + 10**11))
        await world.store.create(new)
        world.clock.advance(31 * 86_400_000)
        await world.store.trim(world.partition, 100)
        assert await world.store.program("later") == "{}"
        await world.mailed(new.job, "cancel", end=CANCELLED)
        world.clock.advance(31 * 86_400_000 + RETENTION_MS)
        await world.store.trim(world.partition, 100)
        while await world.store.sweep(world.partition, 100):
            pass
        await world.store.trim(world.partition, 100)
        world.clock.advance(31 * 86_400_000)
        await world.store.trim(world.partition, 100)
        assert await world.store.show(new.job) is None


async def end_child_of_two(world: World, child: str) -> None:
    """Let a worker take what there is, and end the child."""
    given = await world.poll()
    [task_id] = [one.task_id for one in given if one.job == child]
    await world.commit(child, result(task_id), end=FINISHED)
