"""Deliver signals while scopes begin and cease to wait for them, in random order: no wake-up is lost, none comes twice.

Each interleaving is one job with three scopes: the root and two bodies. Signals are delivered, some ids twice, scopes
commit to wait, leave, are parked and go on, replicas take what is due and answer it late or never, and time
passes so that signals lapse. In the end the bodies wait until nothing is left. `make test` tries some, the nightly run
10,000 on each store.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from avtomat.storage.port.answers import Due
from avtomat.storage.port.rules import ROOT
from avtomat.storage.port.store import SIGNAL_KEPT_MS
from avtomat.storage.port.writes import MailCause, SignalWait
from tests.storage.stores import STORES
from tests.storage.world import FINISHED, REARM_MS, Clock, World, mail

LANES = 25
"""So many jobs are under way at once; they share the clock."""

SOME = 100
NIGHTLY = 10_000
AT_ONCE = 500
"""So many on one store, whose invariants are then checked."""

SEED = 4_711
STEPS_MAX = 14
KEYS = ("a", "b")
FAR_MS = 10**13
LAPSE_MS = SIGNAL_KEPT_MS // 3
BODIES = 2
REAL = [name for name in STORES if name != "fakeredis"]


class Post:
    """What a store gave to its replicas as due, by job."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.given: dict[str, list[Due]] = {}

    async def fetch(self) -> None:
        """Take all that is due."""
        for due in await self.world.due():
            if due.mail is not None:
                self.given.setdefault(due.job, []).append(due)


class Interleaving:
    """One job, and what the store must know of its signals."""

    def __init__(self, post: Post, job: str, paths: list[str], rng: Random) -> None:
        self.post = post
        self.world = post.world
        self.job = job
        self.paths = paths
        self.rng = rng
        self.arrived_ms: dict[str, int] = {}
        self.used: Counter[str] = Counter()
        self.lapsing = False

    async def run(self) -> None:
        """Do some things at random, several at once, then let the bodies take all that is left."""
        for path in self.paths:
            await self.world.begin(self.job, path, **self._next())
        for _ in range(self.rng.randint(3, STEPS_MAX)):
            await asyncio.gather(*(self._something() for _ in range(self.rng.randint(1, 3))))
        await self.world.status(self.job, "open")
        await self._drain()

    async def _something(self) -> None:
        for _ in range(self.rng.randrange(3)):
            await asyncio.sleep(0)
        things = [self._deliver] * 4 + [self._take] * 4 + [self._move] * 2 + [self._park, self._lapse]
        await self.rng.choice(things)()

    def _next(self) -> dict[str, object]:
        """What a commit leaves its scope with: mostly a wait, with or without a time."""
        if self.rng.random() < 0.3:
            return {"timer_ms": FAR_MS}
        wait = SignalWait(name="s", key=self.rng.choice(KEYS))
        return {"signal": wait, **({"timer_ms": FAR_MS} if self.rng.random() < 0.5 else {})}

    async def _deliver(self) -> None:
        if self.arrived_ms and self.rng.random() < 0.2:
            again = mail(self.rng.choice(list(self.arrived_ms)), to=("signal", "s", self.rng.choice(KEYS)))
            assert await self.world.store.deliver(self.job, again) == "duplicate"
            return
        name = f"m{len(self.arrived_ms)}"
        self.arrived_ms[name] = FAR_MS
        letter = mail(name, to=("signal", "s", self.rng.choice(KEYS)))
        before_ms = self.world.now()
        assert await self.world.store.deliver(self.job, letter) == "ok"
        self.arrived_ms[name] = before_ms

    async def _take(self) -> None:
        """A replica takes what is due; it answers one of those that it has, or forgets it, as one that dies."""
        await self.post.fetch()
        given = self.post.given.get(self.job, [])
        if given:
            due = given.pop(self.rng.randrange(len(given)))
            if self.rng.random() < 0.8:
                await self._use(due, **self._next())

    async def _use(self, due: Due, **writes: object) -> None:
        assert due.mail is not None
        loaded = await self.world.load(self.job, due.path)
        if due.path == ROOT:
            writes = {"keeps_task": True}
        answer = await self.world.commit(
            self.job, MailCause(id=due.mail.id), path=due.path, version=loaded.version, **writes
        )
        if answer.outcome == "ok" and due.mail.kind == "signal":
            self.used[due.mail.id] += 1

    async def _move(self) -> None:
        """A scope leaves its wait for another, or for something else, though nothing came."""
        await self.world.mailed(self.job, "operate", path=self.rng.choice(self.paths), **self._next())

    async def _park(self) -> None:
        await self.world.status(self.job, self.rng.choice(("paused", "open")))

    async def _lapse(self) -> None:
        if self.lapsing:
            self.world.clock.advance(LAPSE_MS)

    async def _drain(self) -> None:
        """Each body waits for one key until nothing more comes, and each signal must have come to somebody."""
        waits = [SignalWait(name="s", key=key) for key in KEYS]
        for path, wait in zip(self.paths, waits, strict=True):
            assert (await self.world.mailed(self.job, "operate", path=path, signal=wait)).outcome == "ok"
        idle = 0
        while idle < 3:
            self.world.clock.advance(REARM_MS + 1)
            await self.post.fetch()
            given = self.post.given.pop(self.job, [])
            idle = 0 if given else idle + 1
            for due in given:
                await self._use(due, signal=waits[due.path == self.paths[-1]])
        now_ms = self.world.now()
        lost = {
            name for name, at_ms in self.arrived_ms.items() if not self.used[name] and at_ms + SIGNAL_KEPT_MS > now_ms
        }
        assert not lost, "a signal came, somebody waited for it, and they did not meet"
        assert not {name for name, times in self.used.items() if times > 1}, "a signal was used twice"
        await self.world.mailed(self.job, "operate", end=FINISHED)


async def interleave(world: World, number: int, seed: int) -> int:
    """So many interleavings; how many signals were used."""
    post, rng, used = Post(world), Random(seed), 0
    for first in range(0, number, LANES):
        lanes = []
        for _ in range(min(LANES, number - first)):
            job, paths = await world.with_fork(BODIES)
            lanes.append(Interleaving(post, job, paths, Random(rng.random())))
            lanes[-1].lapsing = len(lanes) == 1 and first % (4 * LANES) == 0
        await asyncio.gather(*(lane.run() for lane in lanes))
        used += sum(lane.used.total() for lane in lanes)
        post.given.clear()
    await world.sound()
    return used


async def _on(name: str, request: pytest.FixtureRequest, number: int, seed: int = SEED) -> int:
    """On an empty store."""
    clock = Clock()
    async with STORES[name](request, 1, clock, False) as store:
        world = World(store, clock)
        await store.open(world.heard.wakeups)
        try:
            return await interleave(world, number, seed)
        finally:
            await store.close()


@pytest.mark.parametrize("name", REAL)
async def test_no_signal_is_lost_or_used_twice_in_some_interleavings(name: str, request: pytest.FixtureRequest) -> None:
    assert await _on(name, request, SOME) > 0


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", REAL)
async def test_no_signal_is_lost_or_used_twice_in_many_interleavings(name: str, request: pytest.FixtureRequest) -> None:
    used = [await _on(name, request, AT_ONCE, SEED + first) for first in range(0, NIGHTLY, AT_ONCE)]

    print(f"\n{name}: {NIGHTLY} interleavings, {sum(used)} signals used")
