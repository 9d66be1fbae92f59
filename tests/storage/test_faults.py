"""Let each call of a job's life go wrong once, in each way: the job ends as if nothing had happened."""

from __future__ import annotations

from typing import Any

import pytest

from avtomat.errors import StoreAnswerLost, StoreNotExecuted
from avtomat.storage.memory.store import MemoryStore
from avtomat.storage.port.answers import Due
from avtomat.storage.port.store import ENDED_ATTEMPT_KEPT_MS
from avtomat.storage.port.writes import DueCause, HeadChange, MailCause, Post, SignalWait
from avtomat.storage.proof.invariants import violations
from tests.storage.comparing import FIRST_TIME_MS
from tests.storage.faults import Fault, Faults, faulty, insist
from tests.storage.stores import STORES
from tests.storage.world import (
    FINISHED,
    LEASE_MS,
    QUEUE,
    REARM_MS,
    RETENTION_MS,
    Clock,
    World,
    change,
    fork,
    mail,
    result,
    task,
)

JOB = "02" + "0" * 30
FIRST, SECOND = f"{JOB}-first", f"{JOB}-second"
ELSEWHERE = Post(job="00" + "0" * 30, mail=mail("child", "child"))
REPEATED = {"ok", "duplicate", "unknown"}
"""What a commit may be answered when the one before it may have been executed."""
FAULTS_PROVED_ON = [name for name in STORES if name != "fakeredis"]


class Life:
    """A job that needs every operation, driven by a client that insists."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    async def ask(self, operation: str, *args: Any, **fields: Any) -> Any:
        call = getattr(self.world.store, operation)
        return await insist(self.faults, lambda: call(*args, **fields))

    async def commit(self, path: str, version: int, cause: Any, **fields: Any) -> None:
        answer = await self.ask("commit", JOB, path, version, cause, change(**fields))
        assert answer.outcome in REPEATED

    async def due(self, kind: str) -> Due:
        """The member of this kind, once the store gives it out to us."""
        for _ in range(10):
            given = await self.ask("due", 2, 100, rearm_ms=REARM_MS)
            found: list[Due] = [due for due in given if due.kind == kind]
            if found:
                return found[0]
            self.world.clock.advance(REARM_MS * 17)
        raise AssertionError(f"{kind} never came due")

    async def work(self) -> None:
        """A task is taken, given back, taken again and done."""
        await self.ask("put_programs", {"d1": "canonical"})
        await self.ask("put_worker", "w1", b"record", 10**12)
        await self.ask("touch_worker", "w1", 10**12)
        new = self.world.new(job=JOB, key="k", writes=change(dispatch=task(FIRST)))
        assert (await self.ask("create", new)).fresh
        for nonce in ("n1", "n2"):
            [given] = await self.ask("poll", 2, "w1", [QUEUE], nonce=nonce, max_tasks=1, lease_ms=LEASE_MS)
            assert (given.task_id, given.attempt) == (FIRST, 1)
            await self.ask("heartbeat", "w1", [FIRST], lease_ms=LEASE_MS)
            assert await self.ask("progress", "w1", FIRST, b"half")
            if nonce == "n1":
                await self.ask("release", "w1", [FIRST])
        await self.commit("/", 1, result(FIRST), fork=fork(2, window=1), undo=b"undo", values={"v": b"1"})

    async def branches(self) -> None:
        """Two scopes begin one after the other; the second waits for a time."""
        await self.commit("/1.0", 0, DueCause(kind="begin", number=0), end=FINISHED)
        begin = await self.due("begin")
        assert begin.path == "/1.1"
        await self.commit("/1.1", 0, DueCause(kind="begin", number=0), timer_ms=self.world.now() + 1_000)
        timer = await self.due("timer")
        await self.commit(timer.path, 1, DueCause(kind="timer", number=timer.number), end=FINISHED)
        join = await self.due("mail")
        assert join.mail is not None
        assert join.mail.body == b"met 2 0 1\n"
        await self.commit("/", 2, MailCause(id=join.mail.id), close=("/1",), signal=SignalWait(name="s", key="k"))

    async def world_outside(self) -> None:
        """Mail comes and is dismissed, the job is poisoned and mended, a signal ends it."""
        await self.ask("deliver", JOB, mail("m1", "operate"))
        await self.due("mail")
        await self.ask("dismiss", JOB, "/", MailCause(id="m1"))
        assert await self.ask("quarantine", JOB, "/", None, b"why", b"record")
        await self.ask("deliver", JOB, mail("m2", "resume"))
        await self.commit("/", 3, MailCause(id="m2"), keeps_task=True, head=HeadChange(status="open"))
        await self.ask("deliver", JOB, mail("m3", to=("signal", "s", "k")))
        signal = await self.due("mail")
        assert signal.mail is not None
        await self.commit("/", 4, MailCause(id=signal.mail.id), end=FINISHED, posts=(ELSEWHERE,))

    async def afterwards(self) -> None:
        """Post is carried, records of attempts are forgotten."""
        posts = await self.ask("post", 2, 10)
        assert posts == [ELSEWHERE]
        await self.ask("posted", 2, [post.mail.id for post in posts])
        self.world.clock.advance(ENDED_ATTEMPT_KEPT_MS)
        await self.ask("sweep", 2, 100)

    async def run(self) -> Any:
        """The whole life; the store as it was at its end. Afterwards the job leaves the store."""
        for part in (self.work, self.branches, self.world_outside, self.afterwards):
            await part()
        dump = await self.world.dump()
        self.world.clock.advance(RETENTION_MS)
        await self.ask("trim", 2, 10)
        assert (await self.world.dump())["jobs"] == {}
        return dump


def timeless(value: Any) -> Any:
    """The same without times: a repeat may come later."""
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items()}
    if isinstance(value, list):
        return [timeless(one) for one in value]
    return "time" if type(value) is int and value >= FIRST_TIME_MS else value


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS_PROVED_ON)
async def test_a_job_ends_the_same_whichever_call_goes_wrong(name: str, request: pytest.FixtureRequest) -> None:
    clock = Clock()
    async with STORES[name](request, 3, clock, False) as sound:
        store, faults = faulty(sound)
        world = World(store, clock)
        await store.open(world.heard.wakeups)
        expected = timeless(await Life(world, faults).run())
        for number in range(len(faults.calls)):
            for fault in Fault:
                faults.calls.clear()
                faults.at(number, fault)
                dump = await Life(world, faults).run()
                assert violations(dump) == [], (number, fault)
                assert timeless(dump) == expected, (faults.calls[number], fault)
        await store.close()


async def test_what_was_not_executed_changes_nothing_and_says_so() -> None:
    store, faults = faulty(MemoryStore())
    world = World(store, Clock())
    faults.next("create", Fault.NOT_EXECUTED)
    with pytest.raises(StoreNotExecuted):
        await world.create(end=FINISHED)
    assert (await world.dump())["jobs"] == {}


async def test_a_lost_answer_says_that_it_may_have_happened() -> None:
    store, faults = faulty(MemoryStore())
    world = World(store, Clock())
    faults.next("create", Fault.ANSWER_LOST)
    with pytest.raises(StoreAnswerLost):
        await world.create(end=FINISHED)
    assert len((await world.dump())["jobs"]) == 1
