"""Promises about jobs: created once, changed once by each decision, found again, listed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from avtomat.storage.port.answers import Query
from avtomat.storage.port.writes import DueCause, HeadChange, MailCause, ResultCause, ScopeEnd
from avtomat.storage.proof.dump import shown
from tests.storage.world import FAILED, FINISHED, QUEUE, WORKER, World, change, mail, near, result, retry, task


class Creation:
    async def test_a_new_job_has_its_root_at_version_1_and_one_history_entry(self, world: World) -> None:
        job = await world.create(scope=b"first", record=b"born", timer_ms=world.now() + 60_000)
        loaded = await world.load(job)
        assert (loaded.version, loaded.scope, loaded.head, loaded.status) == (1, b"first", b"head", "open")
        assert (loaded.job, loaded.path, loaded.digest, loaded.client) == (job, "/", "d1", "c1")
        [entry] = await world.store.history(job, 0, 10)
        assert (entry.job, entry.seq, entry.path, entry.cause, entry.record) == (job, 1, "/", "create", b"born")
        assert near(entry.at_ms, world.now())

    async def test_the_same_job_created_again_changes_nothing(self, world: World) -> None:
        job, task_id = await world.with_task()
        before = await world.dump()
        again = await world.store.create(world.new(job=job, writes=change(dispatch=task(task_id))))
        assert (again.job, again.fresh, again.begins) == (job, True, ())
        assert await world.dump() == before

    async def test_the_first_job_of_a_clients_key_wins(self, world: World) -> None:
        first = world.new(key="order-1", body_hash="abc")
        assert (await world.store.create(first)).fresh
        second = await world.store.create(world.new(key="order-1", body_hash="xyz"))
        assert (second.job, second.fresh, second.body_hash) == (first.job, False, "abc")
        assert (await world.dump())["open"] == [first.job]

    async def test_a_key_belongs_to_its_client(self, world: World) -> None:
        first, second = world.new(key="k", client="c1"), world.new(key="k", client="c2")
        assert [(await world.store.create(new)).fresh for new in (first, second)] == [True, True]

    async def test_a_repeated_create_with_a_key_is_fresh_again(self, world: World) -> None:
        new = world.new(key="k")
        assert [(await world.store.create(new)).fresh for _ in range(2)] == [True, True]

    async def test_a_key_finds_its_job(self, world: World) -> None:
        new = dataclasses.replace(world.keyed("c1", "k"), body_hash="abc")
        await world.store.create(new)
        row = await world.store.key("c1", "k")
        assert row is not None
        assert (row.job, row.body_hash) == (new.job, "abc")
        assert await world.store.key("c2", "k") is None

    async def test_a_job_of_passive_states_ends_in_the_step_that_creates_it(self, world: World) -> None:
        job = await world.create(end=FINISHED, state="done")
        row = await world.store.show(job)
        assert row is not None
        assert (row.status, row.state, row.result, row.seq) == ("finished", "done", b"42", 1)
        assert near(row.finished_ms, world.now())
        assert (await world.dump())["open"] == []

    async def test_a_job_with_a_start_time_waits_for_it(self, world: World) -> None:
        new = world.new(writes=change(), start_ms=world.now() + 60_000)
        await world.store.create(new)
        assert await world.due() == []
        world.clock.advance(61_000)
        assert await world.due_of(new.job) == [("start", "/", 0)]
        cause = DueCause(kind="start", number=0)
        assert (await world.commit(new.job, cause, timer_ms=world.now() + 60_000)).outcome == "ok"
        world.clock.advance(59_000)
        assert await world.due() == []

    async def test_the_history_time_is_the_decisions_but_never_in_the_future(self, world: World) -> None:
        now = world.now()
        job = await world.create(at_ms=now - 40_000, timer_ms=now + 60_000)
        for at_ms in (now - 50_000, now - 20_000, now + 60_000, 0):
            await world.mailed(job, "operate", at_ms=at_ms, keeps_task=True)
        times = [entry.at_ms for entry in await world.store.history(job, 0, 10)]
        assert times[:3] == [now - 40_000, now - 40_000, now - 20_000]
        assert near(times[3], now)
        assert times == sorted(times)
        row = await world.store.show(job)
        assert row is not None
        assert (row.created_ms, row.updated_ms) == (times[0], times[-1])


class Commits:
    async def test_a_commit_moves_the_scope_and_adds_one_entry(self, world: World) -> None:
        job, task_id = await world.with_leased()
        done = await world.commit(job, result(task_id), scope=b"next", record=b"change", timer_ms=world.now() + 60_000)
        assert (done.outcome, done.version, done.seq) == ("ok", 2, 2)
        assert (await world.load(job)).scope == b"next"
        entry = (await world.store.history(job, 1, 10))[0]
        assert (entry.seq, entry.cause, entry.record) == (2, "result 1", b"change")

    async def test_the_cause_of_an_entry_is_told_in_words(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 60_000, visit=7)
        await world.store.deliver(job, mail("m1", "operate"))
        await world.commit(job, MailCause(id="m1"), keeps_task=True, visit=7)
        world.clock.advance(61_000)
        await world.due()
        await world.commit(job, DueCause(kind="timer", number=7), end=FINISHED)
        assert [one.cause for one in await world.store.history(job, 0, 9)] == ["create", "mail m1", "timer 7"]

    async def test_history_is_read_in_pages(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 60_000)
        for _ in range(4):
            await world.mailed(job, "operate", keeps_task=True)
        assert [one.seq for one in await world.store.history(job, 2, 2)] == [3, 4]
        assert await world.store.history(job, 5, 10) == []
        assert await world.store.history(world.name(), 0, 10) == []

    async def test_a_commit_against_an_old_version_brings_the_fresh_scope_and_writes_nothing(
        self, world: World
    ) -> None:
        job, task_id = await world.with_leased()
        await world.mailed(job, "operate", scope=b"edited", keeps_task=True)
        before = await world.dump()
        moved = await world.commit(job, result(task_id), version=1, end=FINISHED)
        assert moved.outcome == "moved"
        assert moved.loaded == await world.load(job)
        assert await world.dump() == before
        assert (await world.commit(job, result(task_id), version=2, end=FINISHED)).outcome == "ok"

    async def test_a_commit_for_an_unknown_job_is_unknown(self, world: World) -> None:
        answer = await world.commit(world.name(), MailCause(id="m1"), version=1)
        assert answer.outcome == "unknown"

    async def test_mail_is_used_up_by_its_commit(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 60_000)
        await world.store.deliver(job, mail("m1"))
        commits = [await world.commit(job, MailCause(id="m1"), keeps_task=True) for _ in range(2)]
        assert [one.outcome for one in commits] == ["ok", "unknown"]

    async def test_an_ended_job_keeps_its_result_for_ever(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.store.deliver(job, mail("m1", "cancel"))
        await world.commit(job, result(task_id), end=FINISHED, scope=b"last", state="done")
        assert (await world.commit(job, MailCause(id="m1"), end=FAILED)).outcome == "unknown"
        assert not await world.store.quarantine(job, "/", None, b"why", b"record")
        row = await world.store.show(job)
        assert row is not None
        assert (row.status, row.result, row.error, row.scope, row.tasks) == ("finished", b"42", None, b"last", ())
        assert (await world.load(job)).scope == b"last"

    async def test_the_waiting_of_before_is_gone_with_a_commit(self, world: World) -> None:
        job, _task_id = await world.with_task(queue_ms=60_000)
        await world.mailed(job, "operate", timer_ms=world.now() + 10_000, visit=2)
        assert await world.polled() == []
        await world.mailed(job, "operate", dispatch=task(f"{job}-b"), visit=3)
        world.clock.advance(100_000)
        assert await world.due_of(job) == []
        assert await world.polled() == [f"{job}-b"]

    async def test_a_commit_that_keeps_the_task_leaves_task_timer_and_wait(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.mailed(job, "operate", keeps_task=True, scope=b"edited")
        assert (await world.commit(job, result(task_id), end=FINISHED)).outcome == "ok"

    async def test_a_retry_has_body_queue_and_priority_of_the_attempt_before(self, world: World) -> None:
        job, task_id = await world.with_leased(body=b"params", queue="gpu#1", priority=8, requirements=b"gpu")
        await world.commit(job, result(task_id), dispatch=retry(f"{job}-2", 2))
        [given] = await world.poll(queues=["gpu#1"])
        assert (given.task_id, given.attempt, given.body) == (f"{job}-2", 2, b"params")
        assert (given.queue, given.priority) == ("gpu#1", 8)

    @pytest.mark.parametrize("apart", [False, True], ids=["in the record", "as values"])
    async def test_what_several_parts_share_is_written_into_each(self, world: World, apart: bool) -> None:
        shared = b'{"a": "\r\n\x00+,-12"}' * 100
        pages = {"v.0": shared[:1_000], "v.1": shared[1_000:]} if apart else {}
        scope = b"a reference" if apart else b"(" + shared + b"," + shared + b")"
        output = b"[" + shared + b"]" + shared
        job, task_id = await world.with_leased()
        writes = change(
            scope=scope,
            record=shared + b"!",
            values={**pages, "other": b"1"},
            end=ScopeEnd(ok=True, status="finished", output=output),
            shared=shared,
        )
        assert (await world.store.commit(job, "/", 1, result(task_id), writes)).outcome == "ok"
        row = await world.store.show(job)
        assert row is not None
        assert (row.scope, row.result) == (scope, output)
        assert (await world.store.history(job, 1, 1))[0].record == shared + b"!"
        assert await world.store.values(job, [*pages, "other"]) == [*pages.values(), b"1"]
        assert (await world.dump())["jobs"][job]["result"] == shown(output)

    async def test_a_parked_job_keeps_an_event_that_was_sent_without_the_shared_part(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.status(job, "paused")
        cause = ResultCause(task_id=task_id, worker=WORKER, hash="h", event=b"event of " + b"x" * 2_000 + b".")
        kept = await world.commit(job, cause, scope=b"x" * 2_000, end=FINISHED, shared=b"x" * 2_000)
        assert kept.outcome == "parked"
        await world.status(job, "open")
        [due] = [due for due in await world.due() if due.kind == "mail"]
        assert due.mail is not None
        assert due.mail.body == cause.event

    async def test_what_a_branch_leaves_is_whole(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        ended = ScopeEnd(ok=True, output=b"<" + b"x" * 2_000 + b">")
        await world.begin(job, path, scope=b"x" * 2_000, end=ended, shared=b"x" * 2_000)
        assert await world.store.outputs(job, "/", 1, 0, 1) == [ended.output]

    async def test_values_are_written_once_and_read_in_the_order_asked_for(self, world: World) -> None:
        job = await world.create(values={"a": b"1", "b": b"2"}, timer_ms=world.now() + 60_000)
        await world.mailed(job, "operate", keeps_task=True, values={"a": b"other", "c": b"3"})
        assert await world.store.values(job, ["c", "nothing", "a", "b"]) == [b"3", None, b"1", b"2"]
        assert await world.store.values(world.name(), ["a"]) == [None]

    async def test_bytes_come_back_as_they_went_in(self, world: World) -> None:
        odd = bytes(range(256)) + b'{"a": [], "n": 12345678901234567890, "f": 1.0}'
        job = world.name()
        writes = change(scope=odd, record=odd, values={"v": odd}, dispatch=task(f"{job}-odd", body=odd))
        await world.store.create(world.new(job=job, writes=writes))
        assert (await world.load(job)).scope == odd
        assert (await world.store.history(job, 0, 1))[0].record == odd
        assert (await world.poll())[0].body == odd
        assert await world.store.values(job, ["v"]) == [odd]

    async def test_what_changes_for_the_whole_job_is_shown(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 60_000)
        deadline = world.now() + 30_000
        head = HeadChange(status="paused", reason=b"why", deadline_ms=deadline, labels=b"{}", search={"a": "b"})
        await world.mailed(job, "pause", keeps_task=True, head=head)
        row = await world.store.show(job)
        assert row is not None
        assert (row.status, row.reason, row.deadline_ms, row.labels) == ("paused", b"why", deadline, b"{}")
        await world.mailed(job, "resume", keeps_task=True, head=HeadChange(status="open", deadline_ms=0))
        loaded = await world.load(job)
        assert (loaded.status, loaded.deadline_ms, loaded.labels) == ("open", None, b"{}")
        row = await world.store.show(job)
        assert row is not None
        assert row.reason is None

    async def test_who_waits_for_a_job_hears_of_its_end(self, world: World) -> None:
        job, task_id = await world.with_leased()
        world.heard.forget()
        await world.commit(job, result(task_id), end=FINISHED)
        await world.heard.of(job)

    async def test_a_load_by_task_finds_the_scope_of_the_attempt(self, world: World) -> None:
        job, [path] = await world.with_fork(1)
        task_id = await world.begin_with_task(job, path)
        assert await world.store.load(job, task_id=task_id) == await world.load(job, path)
        assert await world.store.load(job, task_id=f"{job}-unknown") is None
        assert await world.store.load(world.name()) is None

    async def test_open_tasks_are_shown_with_their_phase(self, world: World) -> None:
        job, paths = await world.with_fork(3)
        later = world.now() + 60_000
        delayed = await world.begin_with_task(job, paths[0], not_before_ms=later)
        leased = await world.begin_with_task(job, paths[1], attempt_ms=50_000)
        [given] = await world.poll()
        await world.store.progress("w1", leased, b"half")
        queued = await world.begin_with_task(job, paths[2])
        row = await world.store.show(job)
        assert row is not None
        one, two, three = row.tasks
        assert (one.task_id, one.phase, one.due_ms, one.worker) == (delayed, "delayed", later, None)
        assert (two.task_id, two.phase, two.worker, two.progress) == (leased, "leased", "w1", b"half")
        assert (two.lease_until_ms, two.due_ms) == (given.lease_until_ms, given.deadline_ms)
        assert (three.task_id, three.phase, three.path, three.queue) == (queued, "queued", paths[2], QUEUE)
        await world.status(job, "paused")
        row = await world.store.show(job)
        assert row is not None
        assert [one.phase for one in row.tasks] == ["delayed", "leased", "parked"]


class Listings:
    async def test_a_page_has_the_newest_first_and_a_cursor_to_the_next(self, world: World) -> None:
        jobs = []
        for _ in range(5):
            world.clock.advance(1_000)
            jobs.append(await world.create(timer_ms=world.now() + 60_000))
        seen, cursor = [], None
        for size in (2, 2, 1):
            page = await world.store.list_jobs(Query(limit=2, cursor=cursor))
            assert len(page.rows) == size
            seen += [row.job for row in page.rows]
            cursor = page.cursor
        assert (seen, cursor) == (jobs[::-1], None)

    async def test_a_listing_is_filtered_by_client_status_and_blueprint(self, world: World) -> None:
        ended = await world.create(end=FINISHED)
        other = world.new(client="c2", blueprint="b2")
        await world.store.create(other)
        waiting = await world.create(timer_ms=world.now() + 60_000)

        async def listed(**fields: Any) -> set[str]:
            return {row.job for row in (await world.store.list_jobs(Query(**fields))).rows}

        assert await listed() == {ended, other.job, waiting}
        assert await listed(client="c1") == {ended, waiting}
        assert await listed(status="open") == {other.job, waiting}
        assert await listed(client="c1", status="finished", blueprint="b1") == {ended}
        assert await listed(blueprint="b2") == {other.job}
        assert await listed(client="c3") == set()

    async def test_a_listing_follows_the_status(self, world: World) -> None:
        job, task_id = await world.with_leased()
        await world.status(job, "paused")
        assert [row.job for row in (await world.store.list_jobs(Query(status="paused"))).rows] == [job]
        assert (await world.store.list_jobs(Query(status="open"))).rows == ()
        await world.status(job, "open")
        await world.commit(job, result(task_id), end=FAILED)
        [row] = (await world.store.list_jobs(Query(status="failed"))).rows
        assert (row.job, row.error) == (job, b"broken")

    async def test_a_row_shows_the_roots_state_and_task(self, world: World) -> None:
        job, task_id = await world.with_task()
        await world.mailed(job, "operate", keeps_task=True, state="greet", scope=b"s2")
        [row] = (await world.store.list_jobs(Query())).rows
        assert (row.state, row.scope, row.seq, row.digest) == ("greet", b"s2", 2, "d1")
        assert [(one.task_id, one.attempt, one.visit) for one in row.tasks] == [(task_id, 1, 1)]

    async def test_counts_tell_jobs_by_status_queues_and_leases(self, world: World) -> None:
        always = {"open", "paused", "quarantined", "compensating", "leases", "due", "outbox"}
        assert set(await world.store.counts()) >= always
        await world.with_leased()
        _job, _ = await world.with_task()
        paused = await world.create(timer_ms=world.now() + 60_000)
        await world.status(paused, "paused")
        counts = await world.store.counts()
        assert (counts["open"], counts["paused"], counts["leases"], counts[f"queue:{QUEUE}"]) == (2, 1, 1, 1)


class Programs:
    async def test_a_program_is_found_by_its_digest(self, world: World) -> None:
        await world.store.put_programs({"d1": "canonical", "d2": "other"})
        assert await world.store.program("d1") == "canonical"
        assert await world.store.program("d3") is None
        await world.store.put_programs({"d1": "canonical"})
        assert await world.store.program("d1") == "canonical"

    async def test_what_is_current_is_replaced_by_who_knows_it(self, world: World) -> None:
        store = world.store
        assert await store.current(0) is None
        assert await store.put_current({"a": b"1", "b": b"1"}, {}) == []
        found = await store.current(0)
        assert found is not None
        number, records = found
        assert records == {"a": b"1", "b": b"1"}
        assert await store.current(number) is None

        assert await store.put_current({"a": b"2", "b": b"2", "c": b"2"}, {"a": b"1", "b": b"0"}) == ["b"]
        found = await store.current(number)
        assert found is not None
        assert found[1] == {"a": b"2", "b": b"1", "c": b"2"}

    async def test_a_change_of_what_is_current_that_nobody_takes_moves_no_number(self, world: World) -> None:
        await world.store.put_current({"a": b"1"}, {})
        found = await world.store.current(0)
        assert found is not None
        assert await world.store.put_current({"a": b"2"}, {}) == ["a"]
        assert await world.store.put_current({"a": b"2"}, {"a": b"3"}) == ["a"]
        assert await world.store.put_current({}, {}) == []
        assert await world.store.current(found[0]) is None


class Agreement:
    async def test_what_replicas_agree_on_is_replaced_by_who_knows_it(self, world: World) -> None:
        store = world.store
        assert await store.agreed("breakers", 0) is None
        assert await store.agree("breakers", {"a": b"1", "b": b"1"}, {}) == []
        assert await store.agree("breakers", {"a": b"2", "b": b"2", "c": b"2"}, {"a": b"1", "b": b"0"}) == ["b"]

        found = await store.agreed("breakers", 0)

        assert found is not None
        assert found[1] == {"a": b"2", "b": b"1", "c": b"2"}
        assert await store.agreed("breakers", found[0]) is None

    async def test_an_empty_record_is_taken_away(self, world: World) -> None:
        store = world.store
        await store.agree("breakers", {"a": b"1", "b": b"1"}, {})
        assert await store.agree("breakers", {"a": b"", "c": b""}, {"a": b"1"}) == []

        found = await store.agreed("breakers", 0)

        assert found is not None
        assert found[1] == {"b": b"1"}
        assert await store.agree("breakers", {"a": b"3"}, {"a": b"1"}) == ["a"]
        assert await store.agree("breakers", {"a": b"3"}, {}) == []

    async def test_each_topic_has_records_and_a_number_of_its_own(self, world: World) -> None:
        store = world.store
        await store.agree("breakers", {"a": b"1"}, {})
        found = await store.agreed("breakers", 0)
        assert found is not None
        await store.agree("workers", {"a": b"2"}, {})

        assert await store.agreed("breakers", found[0]) is None
        other = await store.agreed("workers", 0)
        assert other is not None
        assert other[1] == {"a": b"2"}

    async def test_a_change_that_nobody_takes_moves_no_number(self, world: World) -> None:
        store = world.store
        await store.agree("breakers", {"a": b"1"}, {})
        found = await store.agreed("breakers", 0)
        assert found is not None
        assert await store.agree("breakers", {"a": b"2"}, {"a": b"0"}) == ["a"]
        assert await store.agree("breakers", {}, {}) == []
        assert await store.agreed("breakers", found[0]) is None
