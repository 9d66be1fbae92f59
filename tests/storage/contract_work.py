"""Promises about work: handed out in order, fenced by leases, used once however late or often a result comes."""

from __future__ import annotations

import pytest

from avtomat.storage.port.store import AGEING_MS, ENDED_ATTEMPT_KEPT_MS, LOADED_BYTES_MAX
from avtomat.storage.port.writes import DueCause
from tests.storage.world import FINISHED, LEASE_MS, QUEUE, WORKER, World, by, near, result, retry, task


class Polling:
    async def test_a_poll_gives_the_task_with_its_lease_and_scope(self, world: World) -> None:
        job, task_id = await world.with_task(body=b"params", priority=7, attempt_ms=60_000)
        [given] = await world.poll()
        assert (given.task_id, given.job, given.path, given.visit, given.attempt) == (task_id, job, "/", 1, 1)
        assert (given.queue, given.priority, given.body, given.lease_ms) == (QUEUE, 7, b"params", LEASE_MS)
        assert near(given.lease_until_ms, world.now() + LEASE_MS)
        assert near(given.deadline_ms, world.now() + 60_000)
        assert given.loaded == await world.load(job)

    async def test_a_scope_that_is_too_large_to_go_along_is_left_out(self, world: World) -> None:
        job = world.name()
        await world.create_as(job, scope=b"x" * (LOADED_BYTES_MAX + 1), dispatch=task(f"{job}-a"))
        [given] = await world.poll()
        assert given.loaded is None

    async def test_an_attempt_is_given_out_once(self, world: World) -> None:
        _, task_id = await world.with_task()
        assert await world.polled() == [task_id]
        assert await world.polled(worker="w2") == []

    async def test_higher_priority_goes_first_then_first_come_over_all_queues(self, world: World) -> None:
        order = [("a", 5), ("b", 9), ("a", 9), ("b", 0), ("a", 5)]
        ids = [(await world.with_task(queue=queue, priority=priority))[1] for queue, priority in order]
        await world.with_task(queue="c", priority=9)
        assert await world.polled(queues=["b", "a"]) == [ids[1], ids[2], ids[0], ids[4], ids[3]]

    async def test_a_step_of_priority_counts_as_much_as_ageing_says_and_no_more(self, world: World) -> None:
        low = (await world.with_task(priority=3))[1]
        world.clock.advance(AGEING_MS // 2)
        high = (await world.with_task(priority=4))[1]
        world.clock.advance(AGEING_MS)
        late = (await world.with_task(priority=4))[1]
        world.clock.advance(6 * AGEING_MS)
        highest = (await world.with_task(priority=9))[1]
        assert await world.polled() == [high, low, late, highest]

    async def test_an_attempt_that_is_given_back_keeps_its_place_and_a_retry_gets_one_of_its_own(
        self, world: World
    ) -> None:
        job, first = await world.with_task(priority=6)
        world.clock.advance(1_000)
        second = (await world.with_task(priority=6))[1]
        assert await world.polled(max_tasks=1) == [first]
        world.clock.advance(10_000)
        await world.store.release("w1", [first])
        assert await world.polled(max_tasks=1) == [first]
        again = retry(f"{job}-again", 2)
        assert (await world.commit(job, result(first), dispatch=again)).outcome == "ok"
        world.clock.advance(AGEING_MS // 2)
        low = (await world.with_task(priority=5))[1]
        assert await world.polled() == [second, again.task_id, low]

    async def test_clients_that_wait_for_one_queue_take_turns_however_much_each_has_there(self, world: World) -> None:
        many = [(await world.with_task(client="many", priority=9))[1] for _ in range(6)]
        few = [(await world.with_task(client="few", priority=0))[1] for _ in range(2)]
        one = (await world.with_task(client="one"))[1]
        taken = [(await world.polled(max_tasks=1))[0] for _ in range(9)]
        assert taken == [many[0], one, few[0], many[1], few[1], *many[2:]]

    async def test_what_one_client_has_in_a_queue_goes_by_priority_and_age(self, world: World) -> None:
        low, high = [(await world.with_task(client="a", priority=priority))[1] for priority in (1, 8)]
        other = [(await world.with_task(client="b"))[1] for _ in range(2)]
        assert await world.polled() == [high, *other, low]

    async def test_clients_share_a_queue_by_their_strides(self, world: World) -> None:
        owner = {}
        for _ in range(9):
            for client in ("a", "b"):
                owner[(await world.with_task(client=client))[1]] = client
        taken = [owner[one] for one in await world.polled(max_tasks=10, strides={"b": 250_000, "unknown": 1})]
        assert (taken.count("a"), taken.count("b")) == (2, 8)

    async def test_a_client_that_was_alone_pays_for_nothing_when_another_comes(self, world: World) -> None:
        alone = [(await world.with_task(client="a"))[1] for _ in range(9)]
        assert await world.polled(max_tasks=5) == alone[:5]
        late = [(await world.with_task(client="b"))[1] for _ in range(3)]
        assert await world.polled() == [alone[5], late[0], alone[6], late[1], alone[7], late[2], alone[8]]

    async def test_a_client_that_comes_back_gains_nothing_by_having_been_away(self, world: World) -> None:
        crowd = [(await world.with_task(client="crowd"))[1] for _ in range(4)]
        guests, taken = [], []
        for _ in range(4):
            guests.append((await world.with_task(client="guest"))[1])
            taken += await world.polled(max_tasks=2)
        assert taken == [one for pair in zip(crowd, guests, strict=True) for one in pair]

    async def test_a_poll_takes_no_more_than_was_asked_for(self, world: World) -> None:
        ids = [(await world.with_task())[1] for _ in range(5)]
        assert await world.polled(max_tasks=2) == ids[:2]
        assert await world.polled(max_tasks=2) == ids[2:4]
        assert await world.polled(max_tasks=0) == []
        assert await world.polled(max_tasks=2) == ids[4:]

    async def test_the_same_nonce_again_returns_what_it_took(self, world: World) -> None:
        ids = [(await world.with_task())[1] for _ in range(3)]
        first = await world.poll(nonce="n1", max_tasks=2)
        assert await world.poll(nonce="n1", max_tasks=2) == first
        assert await world.polled(nonce="n2") == ids[2:]

    async def test_a_nonce_belongs_to_its_worker(self, world: World) -> None:
        ids = [(await world.with_task())[1] for _ in range(2)]
        assert await world.polled(nonce="n", max_tasks=1) == ids[:1]
        assert await world.polled(nonce="n", max_tasks=1, worker="w2") == ids[1:]

    async def test_a_nonce_returns_only_what_is_still_leased_under_it(self, world: World) -> None:
        (job, first), (_, second) = [await world.with_task() for _ in range(2)]
        await world.poll(nonce="n")
        await world.commit(job, result(first), end=FINISHED)
        assert await world.polled(nonce="n") == [second]

    async def test_an_empty_nonce_always_takes_anew(self, world: World) -> None:
        ids = [(await world.with_task())[1] for _ in range(2)]
        assert [await world.polled(max_tasks=1) for _ in ids] == [[one] for one in ids]

    async def test_a_nonce_that_found_nothing_may_find_something_later(self, world: World) -> None:
        assert await world.polled(nonce="n") == []
        _, task_id = await world.with_task()
        assert await world.polled(nonce="n") == [task_id]

    async def test_who_waits_for_an_empty_queue_hears_of_a_task(self, world: World) -> None:
        job, _ = await world.with_task(queue="a")
        await world.heard.of((world.partition, "a"))
        await world.mailed(job, "operate", dispatch=task(f"{job}-b", queue="b"))
        await world.heard.of((world.partition, "b"))

    async def test_a_claim_that_leaves_tasks_wakes_the_next(self, world: World) -> None:
        for _ in range(2):
            await world.with_task(queue="a")
        await world.heard.of((world.partition, "a"))
        world.heard.forget()
        await world.poll(queues=["a"], max_tasks=1)
        await world.heard.of((world.partition, "a"))

    async def test_queues_with_tasks_tell_what_they_require(self, world: World) -> None:
        await world.with_task(queue="gpu#1", requirements=b"gpu")
        await world.with_task(queue="plain")
        assert await world.store.queues(world.partition) == {"gpu#1": b"gpu"}
        await world.poll(queues=["gpu#1"])
        assert await world.store.queues(world.partition) == {}


class Leases:
    async def test_a_lease_that_is_not_renewed_comes_due(self, world: World) -> None:
        job, _ = await world.with_leased()
        given = await world.watch(LEASE_MS + 1_000)
        assert [(due.kind.value, due.job, due.path, due.number, due.returned) for due in given] == [
            ("lease", job, "/", 1, 1)
        ]
        assert given[0].loaded == await world.load(job)

    async def test_the_loss_of_a_lease_tells_who_lost_which_attempt(self, world: World) -> None:
        _, task_id = await world.with_leased()
        [lost] = await world.watch(LEASE_MS + 1_000)
        assert (lost.task_id, lost.worker) == (task_id, WORKER)

    async def test_a_time_that_passes_in_the_queue_is_the_fault_of_nobody(self, world: World) -> None:
        await world.with_task(queue_ms=5_000)
        [passed] = await world.watch(6_000)
        assert (passed.kind.value, passed.task_id, passed.worker) == ("queue", "", "")

    async def test_a_heartbeat_keeps_the_lease(self, world: World) -> None:
        _, task_id = await world.with_leased()
        for _ in range(4):
            assert await world.watch(LEASE_MS - 10_000) == []
            assert await world.heartbeat(task_id) == []

    async def test_a_heartbeat_of_another_worker_keeps_nothing(self, world: World) -> None:
        _job, task_id = await world.with_leased()
        await world.watch(LEASE_MS - 10_000)
        assert await world.heartbeat(task_id, worker="w2") == []
        assert [due.kind for due in await world.watch(11_000)] == ["lease"]

    async def test_a_task_may_bring_its_own_lease(self, world: World) -> None:
        _job, task_id = await world.with_task(lease_ms=90_000)
        [given] = await world.poll()
        assert given.lease_ms == 90_000
        assert await world.watch(LEASE_MS * 2) == []
        await world.heartbeat(task_id)
        assert await world.watch(85_000) == []
        assert [due.kind for due in await world.watch(6_000)] == ["lease"]

    async def test_a_heartbeat_makes_an_unanswered_loss_void(self, world: World) -> None:
        job, task_id = await world.with_leased()
        [lost] = await world.watch(LEASE_MS + 1_000)
        assert await world.heartbeat(task_id) == []
        assert (await world.commit(job, by(lost), dispatch=retry(f"{job}-2", 2))).outcome == "unknown"
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "ok"

    async def test_heartbeats_tell_of_dead_attempts_of_this_worker_only(self, world: World) -> None:
        job, task_id = await world.with_leased()
        done_job, done = await world.with_leased()
        await world.commit(done_job, result(done), end=FINISHED)
        cancelled = await world.mailed(job, "cancel", end=FINISHED)
        assert [(one.task_id, one.worker) for one in cancelled.revoked] == [(task_id, "w1")]
        ids = [task_id, done, f"{job}-unknown", world.first_task(world.name())]
        assert await world.heartbeat(*ids) == [task_id]
        assert await world.heartbeat(*ids, worker="w2") == []

    async def test_a_released_task_goes_back_to_its_place_with_the_same_attempt(self, world: World) -> None:
        _, first = await world.with_task()
        _, second = await world.with_task()
        [taken] = await world.poll(max_tasks=1)
        await world.store.release("w1", [first])
        given = await world.poll(worker="w2")
        assert [(one.task_id, one.attempt) for one in given] == [(first, 1), (second, 1)]
        assert taken.task_id == first

    async def test_a_release_of_another_worker_is_passed_over(self, world: World) -> None:
        _, task_id = await world.with_leased()
        await world.store.release("w2", [task_id, "00-unknown"])
        assert await world.polled(worker="w2") == []

    async def test_a_release_wakes_who_waits_for_the_queue(self, world: World) -> None:
        _, task_id = await world.with_leased()
        world.heard.forget()
        await world.store.release("w1", [task_id])
        await world.heard.of((world.partition, QUEUE))

    async def test_after_a_release_the_times_of_a_claim_count_anew(self, world: World) -> None:
        _, task_id = await world.with_leased(attempt_ms=60_000, queue_ms=40_000)
        await world.watch(20_000)
        await world.store.release("w1", [task_id])
        assert await world.watch(35_000) == []
        [given] = await world.poll()
        assert near(given.deadline_ms, world.now() + 60_000)
        assert near(given.lease_until_ms, world.now() + LEASE_MS)

    async def test_progress_is_kept_for_who_holds_the_attempt(self, world: World) -> None:
        job, task_id = await world.with_leased()
        assert await world.store.progress("w1", task_id, b"half")
        assert not await world.store.progress("w2", task_id, b"all")
        assert not await world.store.progress("w1", f"{job}-unknown", b"all")
        row = await world.store.show(job)
        assert row is not None
        assert row.tasks[0].progress == b"half"


class LateResults:
    async def test_a_result_sent_twice_is_used_once_and_accepted_twice(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), timer_ms=world.now() + 60_000)
        before = await world.dump()
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "duplicate"
        assert await world.dump() == before

    async def test_a_repeat_is_known_after_the_job_has_ended(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), end=FINISHED)
        assert (await world.commit(job, result(task_id))).outcome == "duplicate"

    async def test_a_repeat_is_known_for_15_minutes(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), timer_ms=world.now() + 10**8)
        world.clock.advance(ENDED_ATTEMPT_KEPT_MS - 5_000)
        assert (await world.commit(job, result(task_id))).outcome == "duplicate"
        assert await world.store.load(job, task_id=task_id) is not None
        world.clock.advance(10_000)
        assert (await world.commit(job, result(task_id))).outcome == "unknown"
        assert await world.store.load(job, task_id=task_id) is None

    async def test_another_result_of_an_ended_attempt_is_a_mismatch(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), timer_ms=world.now() + 60_000)
        assert (await world.commit(job, result(task_id, digest="other"))).outcome == "mismatch"
        assert (await world.commit(job, result(task_id, worker="w2"))).outcome == "mismatch"

    async def test_a_result_of_a_worker_that_does_not_hold_the_attempt_is_a_mismatch(self, world: World) -> None:
        job, task_id = await world.with_leased()
        assert (await world.commit(job, result(task_id, worker="w2"), end=FINISHED)).outcome == "mismatch"
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "ok"

    async def test_an_attempt_that_was_never_made_is_unknown(self, world: World) -> None:
        job, _ = await world.with_task()
        assert (await world.commit(job, result(f"{job}-other"))).outcome == "unknown"

    async def test_a_result_after_the_loss_of_its_lease_is_lost(self, world: World) -> None:
        job, task_id = await world.with_leased()
        [lost] = await world.watch(LEASE_MS + 1_000)
        second = f"{job}-2"
        done = await world.commit(job, by(lost), dispatch=retry(second, 2), dead_because="lease")
        assert [one.task_id for one in done.revoked] == [task_id]
        late = await world.commit(job, result(task_id), end=FINISHED)
        assert (late.outcome, late.reason) == ("lost", "lease")
        assert await world.heartbeat(task_id) == [task_id]
        assert await world.polled() == [second]

    async def test_a_result_counts_until_its_lease_is_taken_away(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.watch(LEASE_MS * 3)
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "ok"

    async def test_a_result_after_a_timeout_is_lost(self, world: World) -> None:
        job, task_id = await world.with_leased(attempt_ms=10_000)
        [timeout] = await world.watch(11_000)
        assert (timeout.kind, timeout.number) == ("attempt", 1)
        await world.commit(job, by(timeout), dispatch=retry(f"{job}-2", 2), dead_because="timeout")
        late = await world.commit(job, result(task_id))
        assert (late.outcome, late.reason) == ("lost", "timeout")

    async def test_a_result_of_a_released_attempt_is_lost(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.store.release("w1", [task_id])
        late = await world.commit(job, result(task_id), end=FINISHED)
        assert (late.outcome, late.reason) == ("lost", "released")

    @pytest.mark.parametrize("why", ["cancelled", "ended"])
    async def test_a_late_result_does_not_revive_a_job(self, world: World, why: str) -> None:
        job, task_id = await world.with_leased()
        await world.mailed(job, "cancel", end=FINISHED, dead_because=why)
        late = await world.commit(job, result(task_id))
        assert (late.outcome, late.reason) == ("closed", why)
        assert (await world.load(job)).status == "finished"
        assert await world.heartbeat(task_id) == [task_id]

    async def test_a_claim_makes_an_unanswered_queue_timeout_void(self, world: World) -> None:
        job, task_id = await world.with_task(queue_ms=10_000)
        [timeout] = await world.watch(11_000)
        assert (timeout.kind, timeout.number) == ("queue", 1)
        assert await world.polled() == [task_id]
        assert (await world.commit(job, by(timeout), end=FINISHED)).outcome == "unknown"

    async def test_a_queued_task_that_nobody_took_in_time_is_withdrawn(self, world: World) -> None:
        job, task_id = await world.with_task(queue_ms=10_000)
        [timeout] = await world.watch(11_000)
        await world.commit(job, by(timeout), timer_ms=world.now() + 60_000)
        assert await world.polled() == []
        assert (await world.commit(job, result(task_id))).outcome == "unknown"

    async def test_a_due_member_is_used_up_by_its_commit(self, world: World) -> None:
        job, _ = await world.with_leased()
        [lost] = await world.watch(LEASE_MS + 1_000)
        first = await world.commit(job, by(lost), dispatch=retry(f"{job}-2", 2), dead_because="lease")
        again = await world.commit(job, by(lost), dispatch=retry(f"{job}-2", 2), dead_because="lease")
        assert (first.outcome, again.outcome) == ("ok", "unknown")

    async def test_a_due_member_does_not_count_before_its_time(self, world: World) -> None:
        job, _ = await world.with_leased()
        assert (await world.commit(job, DueCause(kind="lease", number=1), end=FINISHED)).outcome == "unknown"


class Workers:
    async def test_a_registration_lives_as_long_as_it_is_renewed(self, world: World) -> None:
        await world.store.put_worker("w1", b"record", 10_000)
        world.clock.advance(6_000)
        assert await world.store.touch_worker("w1", 10_000, b"usage") == b"record"
        world.clock.advance(6_000)
        assert await world.store.workers() == {"w1": b"record"}
        world.clock.advance(6_000)
        assert await world.store.workers() == {}
        assert await world.store.touch_worker("w1", 10_000) is None

    async def test_a_registration_may_be_replaced(self, world: World) -> None:
        await world.store.put_worker("w1", b"old", 10_000)
        await world.store.put_worker("w1", b"new", 10_000)
        assert await world.store.workers() == {"w1": b"new"}
