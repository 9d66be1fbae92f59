"""Promises about what comes from outside: taken once, kept until answered, never missed, waiting while parked."""

from __future__ import annotations

import asyncio

import pytest

from avtomat.storage.port.store import OPERATOR_IDS_MAX, SENDER_IDS_MAX, SIGNAL_KEPT_MS
from avtomat.storage.port.writes import DueCause, MailCause, Post, SignalWait
from tests.storage.world import FINISHED, REARM_MS, World, by, change, given_mail, mail, result

WAIT = SignalWait(name="paid", key="o1")
PAID = ("signal", "paid", "o1")


async def fill(world: World, job: str, count: int, kind: str = "signal", name: str = "m", **fields: object) -> None:
    """Deliver so many letters."""
    prefix = f"{fields['sender']}-{name}" if "sender" in fields else name
    letters = [mail(f"{prefix}{number}", kind, **fields) for number in range(count)]
    for first in range(0, count, 500):
        taken = await asyncio.gather(*(world.store.deliver(job, letter) for letter in letters[first : first + 500]))
        assert set(taken) == {"ok"}


class Mailboxes:
    async def test_mail_is_due_at_once_with_its_scope(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        assert await world.store.deliver(job, mail("m1", "cancel")) == "ok"
        [due] = await world.due()
        assert (due.kind, due.job, due.path, due.number, due.returned) == ("mail", job, "/", 0, 1)
        assert due.mail is not None
        assert (due.mail.id, due.mail.kind, due.mail.body) == ("m1", "cancel", b"body of m1")
        assert due.loaded == await world.load(job)

    async def test_mail_is_taken_once_by_its_id(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        assert await world.store.deliver(job, mail("m1")) == "ok"
        assert await world.store.deliver(job, mail("m1")) == "duplicate"
        await world.commit(job, MailCause(id="m1"), keeps_task=True)
        assert await world.store.deliver(job, mail("m1")) == "duplicate"
        assert given_mail(await world.watch(REARM_MS * 2)) == []

    async def test_mail_is_given_out_oldest_first_one_at_a_time(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        for name in ("m1", "m2", "m3"):
            await world.store.deliver(job, mail(name))
        for name in ("m1", "m2", "m3"):
            assert given_mail(await world.due()) == [name]
            assert given_mail(await world.due()) == []
            await world.commit(job, MailCause(id=name), keeps_task=True)
        assert await world.watch(REARM_MS * 2) == []

    async def test_unanswered_mail_comes_back_and_counts_for_itself(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1"))
        await world.store.deliver(job, mail("m2"))
        given = await world.watch(REARM_MS * 4)
        assert [(due.mail.id, due.returned) for due in given if due.mail] == [("m1", 1), ("m1", 2), ("m1", 3)]
        await world.store.dismiss(job, "/", MailCause(id="m1"))
        [due] = await world.due()
        assert (given_mail([due]), due.returned) == (["m2"], 1)

    async def test_dismissed_mail_goes_away_and_nothing_moves(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1"))
        for _ in range(2):
            await world.store.dismiss(job, "/", MailCause(id="m1"))
        loaded = await world.load(job)
        assert (loaded.version, given_mail(await world.due())) == (1, [])
        assert len(await world.store.history(job, 0, 10)) == 1

    async def test_mail_finds_its_scope_or_says_why_not(self, world: World) -> None:
        job, paths = await world.with_fork(2)
        await world.begin(job, paths[0], timer_ms=world.now() + 10**9)
        assert await world.store.deliver(job, mail("m1", to=paths[0])) == "ok"
        assert await world.store.deliver(job, mail("m2", to=paths[1])) == "unknown"
        assert await world.store.deliver(job, mail("m3", to="/7.0")) == "unknown"
        assert await world.store.deliver(world.name(), mail("m4")) == "unknown"
        assert [(due.path, given_mail([due])) for due in await world.due() if due.kind == "mail"] == [
            (paths[0], ["m1"])
        ]

    async def test_an_ended_job_takes_no_mail_but_knows_what_it_took(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1"))
        await world.commit(job, MailCause(id="m1"), end=FINISHED)
        assert await world.store.deliver(job, mail("m2")) == "closed"
        assert await world.store.deliver(job, mail("m3", to=PAID)) == "closed"
        assert await world.store.deliver(job, mail("m1")) == "duplicate"

    async def test_one_sender_of_signals_leaves_room_for_others(self, world: World, real: None) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await fill(world, job, SENDER_IDS_MAX, to=PAID, sender="c1")
        assert await world.store.deliver(job, mail("one more", to=PAID, sender="c1")) == "full"
        assert await world.store.deliver(job, mail("c1-m0", to=PAID, sender="c1")) == "duplicate"
        assert await world.store.deliver(job, mail("of another", to=PAID, sender="c2")) == "ok"

    async def test_a_job_takes_so_many_signals_and_all_other_mail(self, world: World, real: None) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        for sender in ("c1", "c2"):
            await fill(world, job, SENDER_IDS_MAX, to=PAID, sender=sender)
        assert await world.store.deliver(job, mail("of a third", to=PAID, sender="c3")) == "full"
        assert await world.store.deliver(job, mail("e1", "child")) == "ok"
        assert await world.store.deliver(job, mail("o1", "operate")) == "ok"
        await world.sound()

    async def test_operators_fill_their_own_room_and_a_cancel_is_always_taken(self, world: World, real: None) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await fill(world, job, OPERATOR_IDS_MAX, "pause")
        assert await world.store.deliver(job, mail("one more", "operate")) == "full"
        assert await world.store.deliver(job, mail("e1", "child")) == "ok"
        assert await world.store.deliver(job, mail("s1", to=PAID)) == "ok"
        await fill(world, job, OPERATOR_IDS_MAX + 5, "cancel", name="c")
        await world.sound()
        assert (await world.commit(job, MailCause(id=f"c{OPERATOR_IDS_MAX + 4}"), end=FINISHED)).outcome == "ok"

    async def test_a_cancel_past_its_bound_is_known_until_it_is_answered(self, world: World, real: None) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await fill(world, job, OPERATOR_IDS_MAX, "cancel")
        last = mail("last", "cancel")
        assert [await world.store.deliver(job, last) for _ in range(2)] == ["ok", "duplicate"]

    async def test_operators_mail_that_changed_nothing_gives_its_room_back(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        letter = mail("o1", "operate")
        assert await world.store.deliver(job, letter) == "ok"
        assert (await world.dump())["jobs"][job]["mail_counts"] == {"operator": 1}
        await world.store.dismiss(job, "/", MailCause(id="o1"))
        assert (await world.dump())["jobs"][job]["mail_counts"] == {}
        assert await world.store.deliver(job, letter) == "ok"

    async def test_mail_is_no_cause_by_its_member(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1"))
        await world.due()
        assert (await world.commit(job, DueCause(kind="mail", number=0))).outcome == "unknown"


class Signals:
    async def test_a_signal_meets_who_waits_for_it(self, world: World) -> None:
        job = await world.create(signal=WAIT)
        assert await world.store.deliver(job, mail("m1", to=PAID)) == "ok"
        assert given_mail(await world.due()) == ["m1"]
        assert (await world.commit(job, MailCause(id="m1"), end=FINISHED)).outcome == "ok"

    async def test_an_early_signal_is_kept_for_who_comes(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1", to=PAID))
        assert given_mail(await world.due()) == []
        await world.mailed(job, "operate", signal=WAIT)
        assert given_mail(await world.due()) == ["m1"]

    async def test_a_signal_that_is_there_takes_the_timer_away(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1", to=PAID))
        await world.mailed(job, "operate", signal=WAIT, timer_ms=world.now() + 1_000)
        world.clock.advance(2_000)
        assert [(due.kind, given_mail([due])) for due in await world.due()] == [("mail", ["m1"])]
        assert (await world.commit(job, MailCause(id="m1"), timer_ms=world.now() + 1_000)).outcome == "ok"
        world.clock.advance(2_000)
        assert [due.kind for due in await world.due()] == ["timer"]

    async def test_a_kept_signal_lapses(self, world: World) -> None:
        job = await world.create(timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1", to=PAID))
        world.clock.advance(SIGNAL_KEPT_MS - 60_000)
        await world.store.deliver(job, mail("m2", to=PAID))
        world.clock.advance(120_000)
        await world.mailed(job, "operate", signal=WAIT)
        assert given_mail(await world.due()) == ["m2"]

    async def test_a_signal_of_another_name_or_key_is_not_taken(self, world: World) -> None:
        job = await world.create(signal=WAIT)
        await world.store.deliver(job, mail("m1", to=("signal", "paid", "o2")))
        await world.store.deliver(job, mail("m2", to=("signal", "sent", "o1")))
        assert given_mail(await world.due()) == []

    async def test_a_wait_takes_one_signal_and_the_next_is_kept(self, world: World) -> None:
        job = await world.create(signal=WAIT)
        for name in ("m1", "m2", "m3"):
            await world.store.deliver(job, mail(name, to=PAID))
        for name in ("m1", "m2"):
            assert given_mail(await world.due()) == [name]
            await world.commit(job, MailCause(id=name), signal=WAIT)
        await world.commit(job, MailCause(id="m3"), timer_ms=world.now() + 10**9)
        assert (await world.dump())["jobs"][job]["kept_signals"] == []

    async def test_who_has_waited_longest_gets_the_signal(self, world: World) -> None:
        job, paths = await world.with_fork(3)
        for path in (paths[2], paths[0], paths[1]):
            await world.begin(job, path, signal=WAIT)
        for number, path in enumerate((paths[2], paths[0])):
            await world.store.deliver(job, mail(f"m{number}", to=PAID))
            assert [due.path for due in await world.due() if due.kind == "mail"] == [path]

    async def test_a_signal_that_came_too_late_to_be_read_is_kept_for_the_next_visit(self, world: World) -> None:
        job = await world.create(signal=WAIT, timer_ms=world.now() + 1_000)
        world.clock.advance(2_000)
        [timer] = await world.due()
        await world.store.deliver(job, mail("m1", to=PAID))
        await world.commit(job, by(timer), timer_ms=world.now() + 10**9, visit=2)
        assert given_mail(await world.due()) == []
        await world.mailed(job, "operate", signal=WAIT, visit=3)
        assert given_mail(await world.due()) == ["m1"]

    async def test_an_unread_signal_goes_to_the_next_wait_of_the_same_commit(self, world: World) -> None:
        job = await world.create(signal=WAIT)
        for name in ("m1", "m2"):
            await world.store.deliver(job, mail(name, to=PAID))
        await world.mailed(job, "operate", signal=WAIT)
        assert given_mail(await world.due()) == ["m1"]
        assert (await world.dump())["jobs"][job]["kept_signals"] == [["signal", "paid", "o1", "m2"]]

    async def test_an_unread_signal_goes_to_another_scope_that_waits(self, world: World) -> None:
        job, paths = await world.with_fork(2)
        for path in paths:
            await world.begin(job, path, signal=WAIT)
        await world.store.deliver(job, mail("m1", to=PAID))
        await world.mailed(job, "operate", path=paths[0], timer_ms=world.now() + 10**9)
        assert [due.path for due in await world.due() if due.kind == "mail"] == [paths[1]]

    async def test_an_edit_that_keeps_the_task_keeps_the_wait(self, world: World) -> None:
        job = await world.create(signal=WAIT)
        await world.mailed(job, "operate", keeps_task=True)
        await world.store.deliver(job, mail("m1", to=PAID))
        await world.mailed(job, "operate", keeps_task=True)
        assert given_mail(await world.due()) == ["m1"]

    async def test_a_wait_is_gone_when_its_scope_goes_on(self, world: World) -> None:
        job = await world.create(signal=WAIT)
        await world.mailed(job, "operate", timer_ms=world.now() + 10**9)
        await world.store.deliver(job, mail("m1", to=PAID))
        assert given_mail(await world.due()) == []


class PostAndOutbox:
    async def test_post_in_the_same_partition_is_delivered_in_the_same_step(self, world: World) -> None:
        parent, child = await world.create(timer_ms=world.now() + 10**9), world.name()
        post = Post(job=parent, mail=mail("child-1", "child"))
        await world.store.create(world.new(job=child, writes=change(end=FINISHED, posts=(post,))))
        assert given_mail(await world.due()) == ["child-1"]
        assert await world.store.post(world.partition, 10) == []

    async def test_post_to_a_job_that_takes_none_is_dropped(self, world: World) -> None:
        ended = await world.create(end=FINISHED)
        posts = tuple(Post(job=job, mail=mail(f"p-{job}")) for job in (ended, world.name()))
        job = await world.create(timer_ms=world.now() + 10**9, posts=posts)
        assert await world.store.post(world.partition, 10) == []
        assert await world.due_of(job) == []

    async def test_a_job_may_write_to_itself(self, world: World) -> None:
        job = world.name()
        post = Post(job=job, mail=mail("own", to=PAID))
        await world.store.create(world.new(job=job, writes=change(signal=WAIT, posts=(post,))))
        assert given_mail(await world.due()) == ["own"]

    async def test_post_to_another_partition_is_kept_until_it_was_posted(self, world: World) -> None:
        if world.store.partitions == 1:
            pytest.skip("needs two partitions")
        other = "00" + "f" * 30
        posts = tuple(Post(job=other, mail=mail(f"p{number}", "child")) for number in range(3))
        await world.create(timer_ms=world.now() + 10**9, posts=posts)
        assert await world.store.post(world.partition, 2) == list(posts[:2])
        await world.store.posted(world.partition, ["p0", "p1", "unknown"])
        assert await world.store.post(world.partition, 10) == list(posts[2:])
        assert await world.store.post(0, 10) == []

    async def test_a_store_that_keeps_history_has_no_outbox(self, world: World) -> None:
        await world.create(end=FINISHED)
        assert await world.store.outbox(world.partition, 10) == []


class Outbox:
    """For stores that hand their history to a database."""

    async def test_entries_leave_in_order_and_are_kept_until_trimmed(self, outbox_world: World) -> None:
        world = outbox_world
        job, task_id = await world.with_leased()
        await world.commit(job, result(task_id), end=FINISHED, record=b"last")
        kept = await world.store.outbox(world.partition, 10)
        assert [(entry.job, entry.seq, entry.cause) for _, entry in kept] == [(job, 1, "create"), (job, 2, "result 1")]
        assert [entry for _, entry in await world.store.outbox(world.partition, 1)] == [kept[0][1]]
        await world.store.outbox_trim(world.partition, kept[0][0])
        assert await world.store.outbox(world.partition, 10) == kept[1:]
        assert await world.store.history(job, 0, 10) == []
