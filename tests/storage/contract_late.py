"""Promises about attempts that took effect when their scope had gone on without them, or was closed."""

from __future__ import annotations

import pytest

from avtomat.storage.port.rules import LeftScope, read_late
from avtomat.storage.port.store import CLOSE_AT_ONCE_MAX
from avtomat.storage.port.writes import HeadChange, Mail, MailCause, ResultCause
from tests.storage.world import CANCELLED, FINISHED, LEASE_MS, World, by, fork, result, task

COMPENSATING = HeadChange(status="compensating")


def success(task_id: str, digest: str = "hash") -> ResultCause:
    return result(task_id, digest=digest, success=True)


async def boxed(world: World, job: str) -> list[str]:
    """The ids of the mail in the root's mailbox, oldest first."""
    return [one["id"] for one in (await world.dump())["jobs"][job]["scopes"]["/"]["mail"]]


async def read(world: World, job: str) -> tuple[LeftScope, bytes]:
    """What the late mail that is due for the root says."""
    [mail] = [due.mail for due in await world.due() if due.job == job and due.mail is not None]
    assert isinstance(mail, Mail)
    return read_late(mail)


class LateSuccesses:
    async def test_the_root_hears_of_it_before_it_hears_that_no_lease_is_live(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        done = await world.mailed(job, "cancel", scope=b"undoing", head=COMPENSATING)
        assert await boxed(world, job) == []
        late = await world.commit(job, success(task_id))
        assert (late.outcome, late.mailed) == ("late", True)
        assert await boxed(world, job) == [f"late:{task_id}", f"unwind:{done.seq}"]
        left, event = await read(world, job)
        assert left == LeftScope(path="/", version=1, record=b"scope")
        assert event == b"event"

    async def test_it_brings_the_scope_below_a_closed_fork_as_it_was(self, world: World) -> None:
        job, [path] = await world.with_fork(1, environment=b"env\n1")
        begun = await world.begin(job, path, scope=b"outer", fork=fork(1, environment=b"inner"))
        held = await world.begin_with_task(job, begun.begins[0], undoable=True)
        await world.poll()
        await world.mailed(job, "operate", close=("/1",), timer_ms=world.now() + 10**9)
        assert (await world.commit(job, success(held), path=begun.begins[0], version=1)).outcome == "late"
        left, _ = await read(world, job)
        assert left == LeftScope(path="/1.0/1.0", version=1, record=b"scope", environment=b"inner")

    async def test_it_is_taken_once(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        await world.mailed(job, "cancel", head=COMPENSATING)
        await world.commit(job, success(task_id))
        again = [await world.commit(job, success(task_id)), await world.commit(job, success(task_id, "other"))]
        assert [one.outcome for one in again] == ["duplicate", "mismatch"]
        assert (await boxed(world, job)).count(f"late:{task_id}") == 1
        assert await world.heartbeat(task_id) == []

    async def test_it_is_taken_under_a_question(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        await world.mailed(job, "cancel", head=COMPENSATING)
        assert (await world.commit(job, success(task_id), version=-1)).outcome == "late"

    @pytest.mark.parametrize("fields", [{"undoable": False}, {"undoable": True}])
    async def test_what_leaves_nothing_to_undo_is_closed(self, world: World, fields: dict[str, bool]) -> None:
        job, task_id = await world.with_leased(**fields)
        await world.mailed(job, "cancel", head=COMPENSATING)
        late = await world.commit(job, result(task_id, success=not fields["undoable"]))
        assert (late.outcome, late.reason) == ("closed", "cancelled")
        assert [one.partition(":")[0] for one in await boxed(world, job)] == ["unwind"]

    async def test_what_is_settled_does_not_count(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        [lost] = await world.watch(LEASE_MS + 1_000)
        await world.heartbeat(task_id)
        await world.mailed(job, "operate", settled=True, dead_because="lease", timer_ms=world.now() + 10**9)
        assert lost.kind == "lease"
        assert (await world.commit(job, success(task_id))).outcome == "lost"

    async def test_what_lies_below_counts_although_the_scope_is_settled(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        held = await world.begin_with_task(job, path, undoable=True)
        await world.poll()
        await world.mailed(job, "operate", settled=True, close=("/1",), timer_ms=world.now() + 10**9)
        assert (await world.commit(job, success(held), path=path, version=1)).outcome == "late"

    async def test_a_lease_that_is_over_is_not_waited_for(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        done = await world.mailed(job, "cancel", head=COMPENSATING)
        await world.watch(LEASE_MS + 1_000)
        assert (await world.commit(job, success(task_id))).outcome == "closed"
        assert await boxed(world, job) == [f"unwind:{done.seq}"]

    async def test_a_job_that_has_ended_hears_nothing(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        await world.mailed(job, "cancel", end=CANCELLED)
        assert (await world.commit(job, success(task_id))).outcome == "closed"

    async def test_what_is_left_to_sweep_counts_as_well(self, world: World) -> None:
        job, paths = await world.with_fork(CLOSE_AT_ONCE_MAX + 20)
        held = [await world.begin_with_task(job, path, undoable=True) for path in paths[:2]]
        await world.poll()
        done = await world.mailed(job, "cancel", close=("/1",), head=COMPENSATING)
        assert (await world.commit(job, success(held[0]), path=paths[0], version=1)).outcome == "late"
        assert (await world.commit(job, success(held[0]), path=paths[0], version=1)).outcome == "duplicate"
        while await world.store.sweep(world.partition, 100):
            pass
        assert (await world.commit(job, success(held[0]), path=paths[0], version=1)).outcome == "duplicate"
        assert (await world.commit(job, success(held[1]), path=paths[1], version=1)).outcome == "late"
        assert await boxed(world, job) == [f"late:{held[0]}", f"late:{held[1]}", f"unwind:{done.seq}"]

    async def test_it_waits_while_the_job_is_parked(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        await world.mailed(job, "operate", timer_ms=world.now() + 10**9)
        await world.status(job, "paused")
        assert (await world.commit(job, success(task_id))).outcome == "late"
        assert await world.due() == []
        await world.status(job, "open")
        assert (await read(world, job))[0].version == 1


class KeptResults:
    """Results that came while the job was parked."""

    async def kept(self, world: World, *, undoable: bool = True) -> tuple[str, str]:
        job, task_id = await world.with_leased(undoable=undoable)
        await world.status(job, "paused")
        assert (await world.commit(job, success(task_id))).outcome == "parked"
        return job, task_id

    async def test_one_that_took_effect_is_told_apart(self, world: World) -> None:
        job, task_id = await self.kept(world)
        [mail] = (await world.dump())["jobs"][job]["scopes"]["/"]["mail"]
        assert (mail["id"], mail["kind"]) == (f"result:{task_id}", "effect")

    async def test_it_is_used_when_the_job_goes_on(self, world: World) -> None:
        job, task_id = await self.kept(world)
        await world.status(job, "open")
        assert (await world.commit(job, MailCause(id=f"result:{task_id}"), end=FINISHED)).outcome == "ok"

    async def test_a_job_that_undoes_hears_of_it_first(self, world: World) -> None:
        job, task_id = await self.kept(world)
        done = await world.mailed(job, "cancel", scope=b"undoing", head=COMPENSATING)
        assert await boxed(world, job) == [f"late:{task_id}", f"unwind:{done.seq}"]
        assert (await read(world, job))[0] == LeftScope(path="/", version=2, record=b"scope")

    @pytest.mark.parametrize("settled", [True, False])
    async def test_none_is_given_to_a_later_visit(self, world: World, *, settled: bool) -> None:
        job, task_id = await self.kept(world, undoable=settled)
        head = HeadChange(status="open")
        await world.mailed(job, "operate", dispatch=task(f"{job}-2"), head=head, settled=settled)
        assert await boxed(world, job) == []
        assert (await world.commit(job, MailCause(id=f"result:{task_id}"))).outcome == "unknown"
        assert (await world.commit(job, success(task_id))).outcome == "duplicate"

    async def test_it_outlives_the_closing_of_its_scope(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        held = await world.begin_with_task(job, path, undoable=True)
        await world.poll()
        await world.status(job, "paused")
        assert (await world.commit(job, success(held), path=path, version=1)).outcome == "parked"
        done = await world.mailed(job, "cancel", close=("/1",), head=COMPENSATING)
        assert await boxed(world, job) == [f"late:{held}", f"unwind:{done.seq}"]
        assert (await read(world, job))[0] == LeftScope(path=path, version=1, record=b"scope", environment=b"env")

    async def test_it_does_not_outlive_the_job(self, world: World) -> None:
        job, _ = await self.kept(world)
        await world.mailed(job, "cancel", end=CANCELLED)
        assert await boxed(world, job) == []

    async def test_a_lost_lease_is_no_effect(self, world: World) -> None:
        job, task_id = await world.with_leased(undoable=True)
        [lost] = await world.watch(LEASE_MS + 1_000)
        await world.commit(job, by(lost), dispatch=task(f"{job}-2", 2), dead_because="lease", settled=True)
        assert (await world.commit(job, success(task_id))).outcome == "lost"
