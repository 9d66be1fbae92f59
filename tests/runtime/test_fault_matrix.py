"""Let each call that an engine makes for a saga go wrong once, in each way: the saga ends as if nothing had happened.

The engine is the real one, on each store; its clock is turned by hand whenever nothing moves any more, to the time at
which something is due. What may go wrong is what `tests.storage.faults` knows, and the death of the engine right after
a call was executed: another one goes on, on the same store. The calls are counted over one run. `make test` tries a
sample, the nightly run all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from avtomat.core.formula import Json
from avtomat.errors import RequestRefused, StoreError
from avtomat.runtime.jobs.clients import Accepted
from avtomat.runtime.jobs.signals import Signal
from avtomat.runtime.jobs.submission import Submission
from avtomat.runtime.people.approvals import Answer, Decider
from avtomat.runtime.service import Service
from avtomat.storage.port.codec import loads
from avtomat.storage.proof.invariants import violations
from tests.runtime.replicas import Crew, SharedStore, replica_on
from tests.storage.faults import Fault, Faults, faulty
from tests.storage.stores import STORES
from tests.storage.world import Clock

SAGA = """
avtomat: 1
blueprint: saga
start: reserve
states:
  reserve:
    task: do
    params: {what: reserve}
    compensate: {task: undo, params: {what: reserve}}
    next: both
  both:
    parallel:
      pack:
        start: boxes
        states:
          boxes:
            foreach: "{{ input.boxes }}"
            as: box
            do:
              foreach: "{{ box }}"
              as: thing
              concurrency: 1
              do:
                task: do
                params: {what: "{{ thing }}"}
                compensate: {task: undo, params: {what: "{{ thing }}"}}
            next: seal
          seal:
            task: do
            params: {what: seal}
            compensate: {task: undo, params: {what: seal}}
            next: end
      bill:
        task: do
        params: {what: bill}
        compensate: {task: undo, params: {what: bill}}
      nod: {signal: nod, key: "{{ input.who }}"}
    next: paid
  paid: {signal: paid, timeout: 30d, next: agreed}
  agreed: {approval: "Ship {{ input.who }}?", assignees: [ann, bob], remind: 1d, next: tried}
  tried:
    foreach: [0, 1, 2]
    as: one
    tolerate: 100%
    do:
      start: odd
      states:
        odd: {transitions: [{when: one == 1, to: end}, {to: sunk}]}
        sunk: {fail: {code: SUNK, message: "{{ one }}"}}
    set: {failed: "{{ [failed] + [each.error.message for each in failures] }}"}
    next: done
  done:
    transitions:
      - {when: input.fails, to: bad}
      - {to: good}
  good: {succeed: ["{{ outputs.both }}", "{{ outputs.paid }}", "{{ outputs.agreed }}", "{{ data.failed }}"]}
  bad: {fail: {code: NOPE, details: "{{ data.failed }}"}}
finally: {task: last, params: {what: "{{ job.status }}"}, retry: none}
"""
FAILED = [2, "0", "2"]
"""What the arms of `tried` read of its failures."""
BOXES = [["a", "b"], ["c"]]
SIGNALS = (Signal(name="paid", payload=12, id="s1"), Signal(name="nod", payload="yes", key="ann", id="s2"))
"""One comes before a state waits for it, the other one to a body that may wait already."""
ANN = Decider(name="ann", operates=False, via="api")
THINGS = ["a", "b", "bill", "c", "reserve", "seal"]
WORKERS = 3
STALL_S = 0.15
"""Nothing moves any more when no call was made for so long, none is under way, and nobody is about to make one: longer
than a call that failed is waited with.
"""
LOOP_TURNS = 100
"""Whoever has something to do beside the store makes its next call within so many turns of the event loop."""
LOOKS = 4
BESIDE = {"agreed", "counts", "sweep", "trim", "post", "next_due_ms", "put_programs", "queues"}
"""What an engine asks from time to time, and that does nothing for a job."""
RETENTION_MS = 8 * 24 * 3_600_000
RUN_S = 90
SAMPLE = 14
SEED = 20_260
PROVED_ON = [name for name in STORES if name != "fakeredis"]
DIES = "dies"
Peril = Fault | str
PERILS: tuple[Peril, ...] = (*Fault, DIES)


class Perils(Faults):
    """What goes wrong with the calls of one engine, counted over those that it makes for jobs; it may die of one.

    Calls of its start are not counted: a start that fails ends the engine before it takes a job.
    """

    def __init__(self, peril: Peril | None = None, at: int = -1) -> None:
        super().__init__()
        self.dead = asyncio.Event()
        self.is_starting = True
        self.moves = self.turns = 0
        self._under_way = 0
        self._dies_at = at if peril == DIES else -1
        if isinstance(peril, Fault):
            self.at(at, peril)

    @property
    def is_awaiting(self) -> bool:
        """Whether a call is under way, beside the one whose answer is held."""
        return self._under_way > self.held.is_set()

    async def call(self, operation: str, execute: Callable[[], Awaitable[Any]]) -> Any:
        """Execute a call. A dead engine makes no more calls, and hears no answers."""
        self._under_way += 1
        try:
            return await self._call(operation, execute)
        finally:
            self._under_way -= 1

    async def _call(self, operation: str, execute: Callable[[], Awaitable[Any]]) -> Any:
        if self.dead.is_set():
            await self._silence()
        if operation in BESIDE or self.is_starting:
            return await execute()
        self.moves += operation != "due"
        if len(self.calls) == self._dies_at:
            self.calls.append(operation)
            await execute()
            self.dead.set()
        answer = None if self.dead.is_set() else await super().call(operation, execute)
        if self.dead.is_set():
            await self._silence()
        return answer

    @staticmethod
    async def _silence() -> None:
        await asyncio.Event().wait()


@dataclass(slots=True)
class Saga:
    """One run of the saga on a store, for as many engines as it takes."""

    shared: SharedStore
    clock: Clock
    blueprints: Path
    fails: bool
    key: str
    keys: dict[str, list[str]] = field(default_factory=lambda: {"do": [], "undo": [], "last": []})
    ends: set[Json] = field(default_factory=set)
    """What `finally` has seen of the end, in all its attempts."""

    async def run(self, perils: Perils) -> Accepted:
        """Let the saga run to its end. Engines that died are buried afterwards."""
        crew = Crew(("do", "undo", "last"), self._do, WORKERS)
        buried: list[Service] = []
        try:
            async with asyncio.timeout(RUN_S):
                while True:
                    replica = await replica_on(faulty(self.shared.store, perils)[0], self.blueprints)
                    perils.is_starting = False
                    buried.append(replica)
                    ended = await self._live(replica, perils, crew)
                    if ended is not None:
                        return ended
                    perils = Perils()
        finally:
            for replica in buried:
                await replica.stop()

    async def _live(self, replica: Service, perils: Perils, crew: Crew) -> Accepted | None:
        """Let an engine work until the saga has ended, or the engine."""
        crew.start(replica)
        try:
            return await self._until_ended(replica, perils)
        finally:
            perils.let_go()
            await crew.stop()

    async def _until_ended(self, replica: Service, perils: Perils) -> Accepted | None:
        """The end of the saga, or None when the engine died before."""
        client, death = asyncio.create_task(self._submit(replica)), asyncio.create_task(perils.dead.wait())
        moves = -1
        while not (client.done() or death.done()):
            await asyncio.wait({client, death}, timeout=STALL_S, return_when=asyncio.FIRST_COMPLETED)
            if await self._is_still(perils, moves):
                await self._turn_time(replica, perils)
            moves = perils.moves
        ended = client.result() if client.done() else None
        for task in (client, death):
            task.cancel()
        await asyncio.gather(client, death, return_exceptions=True)
        return ended

    @staticmethod
    async def _is_still(perils: Perils, moves: int) -> bool:
        """Whether no call was made since there were `moves`, and none comes unless time passes."""
        for _ in range(LOOP_TURNS):
            if perils.moves != moves or perils.is_awaiting:
                return False
            await asyncio.sleep(0)
        return True

    async def _submit(self, replica: Service) -> Accepted:
        boxes: Json = {"boxes": BOXES, "fails": self.fails, "who": "ann"}
        asked = Submission(blueprint="saga", input=boxes, client="c", key=self.key)
        while True:
            try:
                accepted = await replica.clients.submit(asked)
                for signal in SIGNALS:
                    await replica.signals.send(accepted.job_id, None, signal, "c")
                await self.shared.asked.wait()
                await self._decide(replica, accepted.job_id)
                ended = await replica.clients.job(accepted.job_id, None, RUN_S)
            except StoreError:
                continue
            return replace(accepted, ended=ended)

    @staticmethod
    async def _decide(replica: Service, job: str) -> None:
        """Decide as somebody who says so again until there is an answer."""
        try:
            await replica.approvals.decide(job, None, "agreed", Answer(choice="approve", comment="go"), ANN)
        except RequestRefused as refused:
            if refused.code != "approval.decided":
                raise

    async def _turn_time(self, replica: Service, perils: Perils) -> None:
        """Nothing moves: let time pass until something is due; an answer that is held comes after two such times.
        Somebody looks on the way, so that no lease is extended because nobody could have renewed it. The store's clock
        goes on by itself as well, so what is due shortly may be due at a look.
        """
        store = self.shared.store
        due_ms, now_ms = await store.next_due_ms(0), store.now_ms()
        if due_ms is not None and due_ms > now_ms:
            for _ in range(LOOKS):
                if await store.due(0, 1, rearm_ms=1):
                    break
                self.clock.advance((due_ms - now_ms) // LOOKS)
        perils.turns += perils.held.is_set()
        if perils.turns > 2:
            perils.let_go()
        replica._duties.due_at(0)

    def _do(self, task: Any) -> Json:
        self.keys[task["type"]].append(task["idempotency_key"])
        if task["type"] == "last":
            self.ends.add(task["params"]["what"])
        return task["params"]["what"]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a saga ended, as far as it must be the same whatever went wrong."""

    status: str
    result: Json
    error: Json
    done: tuple[str, ...]
    undone: int


async def end_of(saga: Saga, accepted: Accepted) -> End:
    """Check what must hold of each end, and give what must be the same of all."""
    store, shared, whole = saga.shared.store, saga.shared, accepted.ended
    assert whole is not None
    assert violations(await store.dump()) == []  # type: ignore[arg-type]
    history = [loads(entry.record) for entry in await store.history(accepted.job_id, 0, 1_000)]
    used = sum(record["type"] == "TaskSucceeded" for record in history)
    signals = sorted(record["id"] for record in history if record["type"] == "SignalReceived")
    decided = [record["by"] for record in history if record["type"] == "ApprovalDecided"]
    assert decided == ["ann"], "the first decision counts, once"
    assert signals == [signal.id for signal in SIGNALS], "each signal is used once"
    noted = [params["what"] for _, undos in sorted(shared.noted.items()) for params in undos]
    assert used == len(THINGS) * (2 if saga.fails else 1) + 1, "each result is used once"
    assert len(set(saga.keys["last"])) == 1, "finally runs once"
    assert saga.ends == {whole["status"]}, "finally sees how the job ends"
    assert (whole["error"]["details"] if saga.fails else whole["result"][3]) == FAILED, "failures keep their values"
    assert len(set(saga.keys["do"])) == len(THINGS), "one idempotency key for each visit"
    assert len(set(saga.keys["undo"])) == len(shared.undone), "each undo is one"
    assert shared.undone == (sorted(shared.noted, reverse=True) if saga.fails else []), "in reverse order, each once"
    return End(
        status=whole["status"],
        result=whole["result"],
        error=whole["error"],
        done=tuple(sorted(noted)),
        undone=len(shared.undone),
    )


class Proof:
    """Runs sagas on one store, each of which leaves it empty."""

    def __init__(self, shared: SharedStore, clock: Clock, blueprints: Path, *, fails: bool) -> None:
        self._shared = shared
        self._clock = clock
        self._blueprints = blueprints
        self._fails = fails
        self._runs = 0

    async def end(self, perils: Perils) -> End:
        """Run the saga once; its end."""
        self._runs += 1
        saga = Saga(self._shared, self._clock, self._blueprints, self._fails, key=f"k{self._runs}")
        ended = await end_of(saga, await saga.run(perils))
        self._shared.noted.clear()
        self._shared.undone.clear()
        self._shared.asked.clear()
        self._clock.advance(RETENTION_MS)
        await self._shared.store.trim(0, 10)
        await self._shared.store.sweep(0, 1_000)
        return ended

    async def undisturbed(self) -> tuple[End, int]:
        """The end of a saga with which nothing goes wrong, and how many calls it takes."""
        perils = Perils()
        return await self.end(perils), len(perils.calls)


@asynccontextmanager
async def proof(name: str, request: pytest.FixtureRequest, *, fails: bool) -> AsyncIterator[Proof]:
    clock = Clock()
    blueprints = request.getfixturevalue("tmp_path") / "blueprints"
    blueprints.mkdir()
    (blueprints / "saga.yaml").write_text(SAGA)
    async with STORES[name](request, 1, clock, False) as store:
        shared = SharedStore(store)
        await shared.begin()
        try:
            yield Proof(shared, clock, blueprints, fails=fails)
        finally:
            await shared.end()


async def prove(proof: Proof, choose: Callable[[int], list[tuple[int, Peril]]]) -> None:
    expected, calls = await proof.undisturbed()
    assert expected.done == tuple(THINGS)
    for at, peril in choose(calls):
        ended = await proof.end(Perils(peril, at))
        assert ended == expected, (at, peril)


def sample(calls: int) -> list[tuple[int, Peril]]:
    rng = Random(SEED)
    return [(rng.randrange(calls), PERILS[number % len(PERILS)]) for number in range(SAMPLE)]


def everything(calls: int) -> list[tuple[int, Peril]]:
    return [(at, peril) for at in range(calls) for peril in PERILS]


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "is undone"])
@pytest.mark.parametrize("name", PROVED_ON)
async def test_a_saga_ends_the_same_when_one_of_some_calls_goes_wrong(
    name: str, fails: bool, request: pytest.FixtureRequest
) -> None:
    async with proof(name, request, fails=fails) as proved:
        await prove(proved, sample)


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "is undone"])
@pytest.mark.parametrize("name", PROVED_ON)
async def test_a_saga_ends_the_same_whichever_call_goes_wrong(
    name: str, fails: bool, request: pytest.FixtureRequest
) -> None:
    async with proof(name, request, fails=fails) as proved:
        await prove(proved, everything)
