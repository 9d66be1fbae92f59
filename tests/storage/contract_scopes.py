"""Promises about scopes: forks begin in windows, joins count, what is closed stays closed, undos wait for workers."""

from __future__ import annotations

import pytest

from avtomat.storage.port.store import CLOSE_AT_ONCE_MAX
from avtomat.storage.port.writes import HeadChange, MailCause
from tests.storage.world import CANCELLED, FAILED, FINISHED, LEASE_MS, World, by, fork, mail, result, task

COMPENSATING = HeadChange(status="compensating")


async def ended(world: World, job: str, path: str, *, ok: bool = True, **fields: object) -> None:
    """Let a scope begin and end at once."""
    begun = await world.begin(job, path, end=FINISHED if ok else FAILED, **fields)
    assert begun.outcome == "ok"


async def verdict(world: World, job: str, path: str = "/") -> bytes | None:
    """The body of the join's mail that is due for a scope, if there is one."""
    mails = [due.mail for due in await world.due() if (due.job, due.path) == (job, path) and due.mail is not None]
    return next((one.body for one in mails if one.kind == "join"), None)


class Forks:
    async def test_a_fork_begins_its_scopes_at_once(self, world: World) -> None:
        job, begins = await world.with_fork(3)
        assert begins == ["/1.0", "/1.1", "/1.2"]
        assert await world.due_of(job) == [("begin", path, 0) for path in begins]
        fresh = await world.load(job, "/1.1")
        assert (fresh.version, fresh.scope, fresh.environment) == (0, None, b"env")
        begun = await world.begin(job, "/1.1", scope=b"item", timer_ms=world.now() + 60_000)
        assert (begun.outcome, begun.version, begun.seq) == ("ok", 1, 2)
        loaded = await world.load(job, "/1.1")
        assert (loaded.version, loaded.scope, loaded.environment) == (1, b"item", b"env")

    async def test_a_scope_begins_once(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        begun = [await world.begin(job, path, timer_ms=world.now() + 60_000) for _ in range(2)]
        assert [one.outcome for one in begun] == ["ok", "unknown"]

    async def test_a_scope_that_nobody_began_comes_due(self, world: World) -> None:
        job, _ = await world.with_fork(2, window=1)
        [begin] = await world.due()
        assert begin.loaded is not None
        assert (begin.kind, begin.path, begin.loaded.version, begin.loaded.environment) == ("begin", "/1.0", 0, b"env")
        done = await world.commit(job, by(begin), path=begin.path, version=0, end=FINISHED)
        assert (done.outcome, done.begins) == ("ok", ("/1.1",))

    async def test_scopes_outside_a_fork_are_not_there(self, world: World) -> None:
        job, _ = await world.with_fork(2)
        for path in ("/1.2", "/2.0", "/1.0/1.0"):
            assert await world.store.load(job, path) is None
            assert (await world.begin(job, path)).outcome == "unknown"

    async def test_a_window_keeps_so_many_at_work(self, world: World) -> None:
        job, begins = await world.with_fork(4, window=2)
        assert begins == ["/1.0", "/1.1"]
        done = await world.begin(job, "/1.1", end=FINISHED)
        assert done.begins == ("/1.2",)
        assert (await world.begin(job, "/1.3")).outcome == "unknown"
        assert await world.due_of(job) == [("begin", "/1.0", 0), ("begin", "/1.2", 0)]
        await ended(world, job, "/1.2")
        await ended(world, job, "/1.0")
        assert await verdict(world, job) is None
        await ended(world, job, "/1.3")
        assert await verdict(world, job) == b"met 4 0 3\n"

    async def test_all_must_succeed_unless_the_fork_says_otherwise(self, world: World) -> None:
        job, paths = await world.with_fork(3)
        await ended(world, job, paths[0])
        await ended(world, job, paths[2], ok=False)
        assert await verdict(world, job) == b"broken 1 1 2\nbroken"

    async def test_the_first_success_is_enough_for_any(self, world: World) -> None:
        job, paths = await world.with_fork(3, need=1, tolerated=2)
        await ended(world, job, paths[0], ok=False)
        assert await verdict(world, job) is None
        await ended(world, job, paths[1])
        assert await verdict(world, job) == b"met 1 1 1\n"

    async def test_so_many_failures_are_tolerated(self, world: World) -> None:
        job, paths = await world.with_fork(3, tolerated=1)
        for path, ok in zip(paths, (True, False, True), strict=True):
            await ended(world, job, path, ok=ok)
        assert await verdict(world, job) == b"met 2 1 2\n"

    async def test_a_fork_of_nothing_is_met_at_once(self, world: World) -> None:
        job, begins = await world.with_fork(0)
        assert begins == []
        assert await verdict(world, job) == b"met 0 0 -1\n"

    async def test_a_verdict_is_mailed_once(self, world: World) -> None:
        job, paths = await world.with_fork(3, need=1, tolerated=2)
        await ended(world, job, paths[0])
        await ended(world, job, paths[1])
        await ended(world, job, paths[2], ok=False)
        scope = (await world.dump())["jobs"][job]["scopes"]["/"]
        assert [(one["id"], one["kind"]) for one in scope["mail"]] == [("join:1", "join")]
        assert await verdict(world, job) == b"met 1 0 0\n"

    async def test_after_the_verdict_no_further_scope_begins(self, world: World) -> None:
        job, paths = await world.with_fork(5, need=1, tolerated=4, window=2)
        done = await world.begin(job, paths[0], end=FINISHED)
        assert done.begins == ()
        assert (await world.begin(job, "/1.2")).outcome == "unknown"

    async def test_outputs_are_kept_in_index_order(self, world: World) -> None:
        job, paths = await world.with_fork(4, tolerated=1)
        for index in (3, 0):
            await ended(world, job, paths[index])
        await ended(world, job, paths[2], ok=False)
        assert await world.store.outputs(job, "/", 1, 0, 4) == [b"42", None, None, b"42"]
        assert await world.store.outputs(job, "/", 1, 2, 2) == [None, b"42"]
        assert await world.store.outputs(job, "/", 2, 0, 2) == [None, None]

    async def test_a_scope_may_fork_in_turn(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        begun = await world.begin(job, path, fork=fork(2, number=0, environment=b"inner"))
        assert begun.begins == ("/1.0/0.0", "/1.0/0.1")
        assert (await world.load(job, "/1.0/0.1")).environment == b"inner"
        for inner in begun.begins:
            await ended(world, job, inner)
        assert await verdict(world, job, path) == b"met 2 0 1\n"
        assert (await world.commit(job, MailCause(id="join:0"), path=path, end=FINISHED)).outcome == "ok"
        assert await verdict(world, job) == b"met 1 0 0\n"

    async def test_scopes_end_without_conflict(self, world: World) -> None:
        job, paths = await world.with_fork(5)
        tasks = {path: await world.begin_with_task(job, path) for path in paths}
        await world.poll()
        for path, task_id in tasks.items():
            assert (await world.commit(job, result(task_id), path=path, version=1, end=FINISHED)).outcome == "ok"
        assert (await world.load(job)).version == 1
        assert await verdict(world, job) == b"met 5 0 4\n"

    async def test_an_ended_scope_is_closed_and_keeps_no_record(self, world: World) -> None:
        job, paths = await world.with_fork(2)
        task_id = await world.begin_with_task(job, paths[0])
        await world.poll()
        await world.commit(job, result(task_id), path=paths[0], end=FINISHED)
        assert (await world.commit(job, result(task_id), path=paths[0], version=1)).outcome == "duplicate"
        assert await world.store.deliver(job, mail("m1", to=paths[0])) == "closed"
        loaded = await world.load(job, paths[0])
        assert (loaded.version, loaded.scope, loaded.environment) == (0, None, b"env")

    async def test_a_result_counts_for_its_own_scope_only(self, world: World) -> None:
        job, paths = await world.with_fork(2)
        task_id = await world.begin_with_task(job, paths[0])
        await world.begin_with_task(job, paths[1])
        await world.poll()
        assert (await world.commit(job, result(task_id), path=paths[1], end=FINISHED)).outcome == "unknown"


class Closing:
    async def test_closing_a_fork_ends_all_that_is_open_below_it(self, world: World) -> None:
        job, paths = await world.with_fork(4, window=3)
        held = await world.begin_with_task(job, paths[0])
        await world.poll()
        queued = await world.begin_with_task(job, paths[1], queue_ms=1_000)
        done = await world.mailed(job, "cancel", close=("/1",), timer_ms=world.now() + 10**9)
        assert [(one.task_id, one.worker) for one in done.revoked] == [(held, "w1")]
        assert await world.polled() == []
        assert await world.watch(20_000) == []
        late = await world.commit(job, result(held), path=paths[0], version=1, end=FINISHED)
        assert (late.outcome, late.reason) == ("closed", "cancelled")
        assert (await world.commit(job, result(queued), path=paths[1], version=1)).outcome == "unknown"
        assert (await world.begin(job, paths[2])).outcome == "unknown"
        assert await world.store.deliver(job, mail("m1", to=paths[0])) == "closed"
        assert await world.store.load(job, paths[0]) is None
        by_task = await world.store.load(job, task_id=held)
        assert by_task is not None
        assert (by_task.path, by_task.version, by_task.scope) == (paths[0], 0, None)

    async def test_closing_reaches_every_depth_and_nothing_beside(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        begun = await world.begin(job, path, fork=fork(1, number=0))
        deep = await world.begin_with_task(job, begun.begins[0])
        await world.poll()
        beside = await world.mailed(job, "operate", keeps_task=True, fork=fork(1, number=11))
        kept = await world.begin_with_task(job, beside.begins[0])
        done = await world.mailed(job, "cancel", close=("/1",), keeps_task=True)
        assert [one.task_id for one in done.revoked] == [deep]
        assert await world.polled() == [kept]

    async def test_ending_the_root_closes_everything(self, world: World) -> None:
        job, paths = await world.with_fork(2)
        held = await world.begin_with_task(job, paths[0])
        await world.poll()
        await world.store.deliver(job, mail("m1", to=("signal", "s", "k")))
        done = await world.mailed(job, "cancel", end=CANCELLED)
        assert [one.task_id for one in done.revoked] == [held]
        assert (await world.commit(job, result(held), path=paths[0], version=1)).outcome == "closed"
        assert await world.watch(20_000) == []
        dumped = (await world.dump())["jobs"][job]
        assert (dumped["status"], dumped["attempts"], dumped["kept_signals"]) == ("cancelled", {}, [])
        assert [path for path in dumped["scopes"] if path != "/"] == []

    async def test_outputs_outlive_the_closing_of_their_fork(self, world: World) -> None:
        job, paths = await world.with_fork(3, need=1, tolerated=2)
        await ended(world, job, paths[1])
        await world.due()
        await world.commit(job, MailCause(id="join:1"), close=("/1",), timer_ms=world.now() + 10**9)
        assert await world.store.outputs(job, "/", 1, 0, 3) == [None, b"42", None]

    async def test_what_was_closed_counts_at_no_join(self, world: World) -> None:
        job, paths = await world.with_fork(2)
        held = await world.begin_with_task(job, paths[0])
        await world.poll()
        await world.mailed(job, "cancel", close=("/1",), timer_ms=world.now() + 10**9)
        await world.commit(job, result(held), path=paths[0], version=1, end=FINISHED)
        assert await verdict(world, job) is None

    async def test_a_reason_may_be_given_for_what_is_closed(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        held = await world.begin_with_task(job, path)
        await world.poll()
        await world.mailed(job, "operate", close=("/1",), dead_because="ended", timer_ms=world.now() + 10**9)
        late = await world.commit(job, result(held), path=path, version=1)
        assert (late.outcome, late.reason) == ("closed", "ended")

    async def test_a_large_fork_is_closed_at_once_and_cleaned_up_later(self, world: World) -> None:
        total = CLOSE_AT_ONCE_MAX + 100
        job, paths = await world.with_fork(total)
        held = await world.begin_with_task(job, paths[0])
        await world.poll()
        tasks = [await world.begin_with_task(job, path) for path in paths[-150:]]
        await world.mailed(job, "cancel", close=("/1",), timer_ms=world.now() + 10**9)
        assert await world.polled() == []
        assert await world.watch(10_000) == []
        assert (await world.begin(job, paths[1])).outcome == "unknown"
        assert (await world.commit(job, result(tasks[-1]), path=paths[-1], version=1)).outcome == "unknown"
        late = await world.commit(job, result(held), path=paths[0], version=1)
        assert (late.outcome, late.reason) == ("closed", "cancelled")
        for _ in range(total):
            if not await world.store.sweep(world.partition, 100):
                break
        assert await world.store.sweep(world.partition, 100) == 0
        dumped = (await world.dump())["jobs"][job]
        assert (dumped["attempts"], list(dumped["scopes"]), dumped["closed"]) == ({}, ["/"], ["/1"])


class Compensation:
    async def test_the_root_is_mailed_at_once_when_no_worker_is_at_work(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), head=COMPENSATING)
        assert await self.unwound(world, job) == ["unwind:2"]

    async def test_undos_wait_until_every_lease_is_over(self, world: World) -> None:
        job, paths = await world.with_fork(3)
        ids = [await world.begin_with_task(job, path) for path in paths]
        await world.poll()
        done = await world.mailed(job, "cancel", close=("/1",), head=COMPENSATING)
        assert (await world.dump())["jobs"][job]["live_leases"] == 3
        assert await self.unwound(world, job) == []
        await world.store.release("w1", [ids[0]])
        late = await world.commit(job, result(ids[1]), path=paths[1], version=1)
        assert late.outcome == "closed"
        assert await self.unwound(world, job) == []
        await world.watch(LEASE_MS + 1_000)
        assert await self.unwound(world, job) == [f"unwind:{done.seq}"]

    async def test_the_root_is_mailed_once_per_compensation(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), head=COMPENSATING, undo=b"undo")
        first = f"{job}-undo"
        done = await world.commit(job, MailCause(id="unwind:2"), dispatch=task(first))
        assert done.outcome == "ok"
        await world.poll()
        await world.store.release("w1", [first])
        await world.poll()
        await world.status(job, "paused")
        await world.status(job, "compensating")
        await world.commit(job, result(first), timer_ms=world.now() + 10**9)
        assert await self.unwound(world, job) == []

    async def test_a_second_compensation_is_mailed_again(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), head=COMPENSATING)
        await world.commit(job, MailCause(id="unwind:2"), head=HeadChange(status="open"), timer_ms=world.now() + 10**9)
        again = await world.mailed(job, "cancel", head=COMPENSATING)
        assert await self.unwound(world, job) == [f"unwind:{again.seq}"]

    async def test_the_newest_undo_comes_first_and_each_once(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9, undo=b"one")
        await world.mailed(job, "operate", keeps_task=True, undo=b"two")
        assert (await world.load(job)).undo is None
        await world.mailed(job, "cancel", head=COMPENSATING)
        assert (await world.load(job)).undo == (2, b"two")
        await world.commit(job, MailCause(id="unwind:3"), undone_seq=2, dispatch=task(f"{job}-a"))
        assert (await world.load(job)).undo == (1, b"one")
        await world.mailed(job, "operate", keeps_task=True, undone_seq=1)
        assert (await world.load(job)).undo is None

    async def test_undos_of_branches_are_the_jobs(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        begun = await world.begin(job, path, undo=b"branch", end=FINISHED)
        await world.mailed(job, "cancel", close=("/1",), head=COMPENSATING)
        assert (await world.load(job)).undo == (begun.seq, b"branch")

    @pytest.mark.parametrize("parked", ["paused", "quarantined"])
    async def test_a_parked_compensation_is_mailed_when_it_goes_on(self, world: World, parked: str) -> None:
        job, [path] = await world.with_fork(1)
        held = await world.begin_with_task(job, path)
        await world.poll()
        done = await world.mailed(job, "cancel", close=("/1",), head=COMPENSATING)
        await world.status(job, parked)
        await world.store.release("w1", [held])
        assert await self.unwound(world, job) == []
        await world.status(job, "compensating")
        assert await self.unwound(world, job) == [f"unwind:{done.seq}"]

    async def test_a_lost_lease_is_not_waited_for(self, world: World) -> None:
        job, _ = await world.with_leased()
        [lost] = await world.watch(LEASE_MS + 1_000)
        await world.commit(job, by(lost), head=COMPENSATING, dead_because="lease")
        assert await self.unwound(world, job) == ["unwind:2"]

    @staticmethod
    async def unwound(world: World, job: str) -> list[str]:
        """The ids of the unwind mail in the root's mailbox."""
        mails = (await world.dump())["jobs"][job]["scopes"]["/"]["mail"]
        return [one["id"] for one in mails if one["kind"] == "unwind"]
